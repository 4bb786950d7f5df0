//! Which undelivered records a destination gets next: fresh ones first, the backlog beside them.

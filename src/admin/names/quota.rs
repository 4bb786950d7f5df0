//! What sources may send, of those that are limited.

use super::{Family, counter, gauge};

pub(in crate::admin) static SOURCE_SERIES: Family = gauge(
    "source_series",
    "Series of this source that were seen within its series_window, where they are limited.",
);
pub(in crate::admin) static SOURCE_SERIES_LIMIT: Family = gauge(
    "source_series_limit",
    "How many it may have, its setting series; new ones beyond it are rejected as too_many_series, or lose a \
     tag.",
);
pub(in crate::admin) static SOURCE_OVER: Family = counter(
    "source_over_limit",
    "Requests and scrapes of this source that were refused because it sent more than it may in a minute, by \
     what that is: requests, metrics or bytes.",
);

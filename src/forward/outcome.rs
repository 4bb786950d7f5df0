//! What an answer means for the delivery that got it: one pure table (contract C6.2).

use std::time::Duration;

/// What came back for one attempt, as far as the decision depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The receiver answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// `Retry-After`, already read and bounded.
        retry_after: Option<Duration>,
    },
    /// No answer.
    Failed(Failure),
}

/// Why there was no answer. All the same for the delivery; not for who looks for the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// None came in time.
    Timeout,
    /// No connection came up: refused, no such host, TLS failure.
    Connect,
    /// The connection broke before the answer.
    Broken,
}

/// What to do with the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Done,
    /// The same again later, for ever.
    Retry {
        /// When the receiver said when.
        after: Option<Duration>,
    },
    /// Nothing will be accepted until somebody changes something: stop all deliveries and probe.
    Hold,
}

/// The decision for one reply. Whatever is neither success nor known to pass holds, so that no answer
/// nobody thought of can lose a tuple.
pub fn classify(reply: Reply) -> Outcome {
    match reply {
        Reply::Failed(_) => Outcome::Retry { after: None },
        Reply::Answered { status: 200..=299, .. } => Outcome::Done,
        Reply::Answered { status: 408 | 429 | 500..=599, retry_after } => {
            Outcome::Retry { after: retry_after }
        }
        Reply::Answered { .. } => Outcome::Hold,
    }
}

/// What the operator can do about a status that holds.
pub fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed; set `receiver.url` to the final address",
        401 | 403 => "check `receiver.api_key`, and `receiver.auth`",
        404 | 405 | 410 => "check `receiver.url`; it usually ends in /stsAgent/intake",
        407 => "the proxy asks for credentials; check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
        413 => "raise the body size limit of the receiver, or of the proxy before it, to 4 MiB",
        415 => "try another `receiver.compression`",
        400 | 422 => {
            "the receiver refuses the content; see its answer, and try another `receiver.compression`"
        }
        _ => "check `receiver.url` and what listens there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_outcome() {
        let after = Some(Duration::from_secs(7));
        for status in 100..=599_u16 {
            let expected = match status {
                200..=299 => Outcome::Done,
                408 | 429 | 500.. => Outcome::Retry { after },
                _ => Outcome::Hold,
            };
            let reply = Reply::Answered { status, retry_after: after };
            assert_eq!(classify(reply), expected, "{status}");
        }
        // Spelled out once more, so that a wrong range above cannot agree with a wrong range below.
        for status in
            [100, 101, 199, 300, 301, 302, 304, 307, 308, 399, 400, 401, 402, 403, 404, 405]
                .into_iter()
                .chain([
                    406, 407, 409, 410, 411, 412, 413, 414, 415, 422, 425, 428, 430, 431, 451, 499,
                ])
        {
            let reply = Reply::Answered { status, retry_after: None };
            assert_eq!(classify(reply), Outcome::Hold, "{status}");
            assert!(!advice(status).is_empty());
        }
    }

    #[test]
    fn no_answer_is_retried() {
        for failure in [Failure::Timeout, Failure::Connect, Failure::Broken] {
            assert_eq!(classify(Reply::Failed(failure)), Outcome::Retry { after: None });
        }
    }

    #[test]
    fn a_status_no_table_knows_holds() {
        for status in [0, 99, 600, 999] {
            let reply = Reply::Answered { status, retry_after: None };
            assert_eq!(classify(reply), Outcome::Hold, "{status}");
        }
    }
}

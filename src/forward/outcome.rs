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
        /// Whether its text names Content-Encoding, in any case.
        names_encoding: bool,
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
    /// Too many bytes at once: in smaller parts, and learn the size.
    Split,
    /// Not in this Content-Encoding: the same in the next one, or hold when there is none.
    StepDown,
    /// Something in it is refused: look for the tuple.
    Halve,
    /// Nothing will be accepted until somebody changes something: stop all deliveries and probe.
    Hold,
}

/// The decision for one reply. Whatever is neither success nor known to pass holds, so that no answer
/// nobody thought of can lose a tuple.
pub fn classify(reply: Reply) -> Outcome {
    match reply {
        Reply::Failed(_) => Outcome::Retry { after: None },
        Reply::Answered { status: 200..=299, .. } => Outcome::Done,
        Reply::Answered { status: 408 | 429 | 500..=599, retry_after, .. } => {
            Outcome::Retry { after: retry_after }
        }
        Reply::Answered { status: 413, .. } => Outcome::Split,
        Reply::Answered { status: 415, .. }
        | Reply::Answered { status: 400, names_encoding: true, .. } => Outcome::StepDown,
        Reply::Answered { status: 400 | 422, .. } => Outcome::Halve,
        Reply::Answered { .. } => Outcome::Hold,
    }
}

/// What the operator can do about a status that holds. The content statuses hold only when they met
/// every tuple (413, 400, 422) or every encoding (415, 400). Settings are named with the receiver: they
/// stand in `[receiver]`, or in one of `[[receivers]]`.
pub fn advice(status: u16, receiver: &str) -> String {
    match status {
        300..=399 => format!(
            "redirects are not followed; set `url` of receiver {receiver} to the final address"
        ),
        401 | 403 => format!("check `api_key` of receiver {receiver}, and its `auth`"),
        404 | 405 | 410 => {
            format!("check `url` of receiver {receiver}; it usually ends in /stsAgent/intake")
        }
        407 => format!(
            "the proxy asks for credentials; check `proxy` of receiver {receiver}, or HTTPS_PROXY, HTTP_PROXY and \
             NO_PROXY"
        ),
        413 => "even single tuples are too large for it; raise the body size limit of the receiver, or of \
                the proxy before it, to 4 MiB"
            .to_owned(),
        415 => format!(
            "it takes neither deflate nor gzip nor a plain body; check that `url` of receiver {receiver} \
             leads to a StackState receiver, and what a proxy before it does"
        ),
        400 | 422 => format!(
            "it has taken nothing since it began to refuse, so the tuples may not be the reason; see its \
             answer, and check that `url` of receiver {receiver} leads to a StackState endpoint. If it is \
             the tuples, the next one it takes will show"
        ),
        _ => format!("check `url` of receiver {receiver} and what listens there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Option<Duration> = Some(Duration::from_secs(7));

    fn of(status: u16, names_encoding: bool) -> Outcome {
        classify(Reply::Answered { status, retry_after: AFTER, names_encoding })
    }

    #[test]
    fn every_status_has_its_outcome() {
        for status in 100..=599_u16 {
            for names_encoding in [false, true] {
                let expected = match (status, names_encoding) {
                    (200..=299, _) => Outcome::Done,
                    (408 | 429 | 500.., _) => Outcome::Retry { after: AFTER },
                    (413, _) => Outcome::Split,
                    (415, _) | (400, true) => Outcome::StepDown,
                    (400 | 422, _) => Outcome::Halve,
                    _ => Outcome::Hold,
                };
                assert_eq!(of(status, names_encoding), expected, "{status} {names_encoding}");
            }
        }
    }

    /// Spelled out once more, so that a wrong range in the code cannot agree with one in a test.
    #[test]
    fn whatever_the_contract_does_not_name_holds() {
        let below = [0, 99, 100, 101, 199, 300, 301, 302, 303, 304, 307, 308, 399];
        let above = [401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 414, 416, 417];
        let last = [421, 423, 425, 426, 428, 430, 431, 451, 499, 600, 999];
        for status in below.into_iter().chain(above).chain(last) {
            assert_eq!(of(status, false), Outcome::Hold, "{status}");
            assert_eq!(of(status, true), Outcome::Hold, "{status}");
        }
    }

    #[test]
    fn every_status_that_can_hold_has_advice() {
        for status in (100..200).chain(300..500) {
            let said = advice(status, "eu");
            assert!(!said.is_empty(), "{status}");
            // With [[receivers]] there are no such settings.
            assert!(!said.contains("receiver."), "{said}");
            let names_setting =
                ["`url`", "`api_key`", "`proxy`"].iter().any(|key| said.contains(key));
            assert_eq!(names_setting, said.contains("of receiver eu"), "{said}");
        }
        for status in [400, 413, 415, 422] {
            assert_ne!(advice(status, "eu"), advice(499, "eu"), "{status}");
        }
    }

    #[test]
    fn no_answer_is_retried() {
        for failure in [Failure::Timeout, Failure::Connect, Failure::Broken] {
            assert_eq!(classify(Reply::Failed(failure)), Outcome::Retry { after: None });
        }
    }
}

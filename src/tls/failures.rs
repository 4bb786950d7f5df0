//! Handshakes that came to nothing: counted, and told once a minute with the last cause. A port that the
//! world can reach sees many of them.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, Error};

/// Time between two lines.
const PAUSE: Duration = Duration::from_mins(1);

#[derive(Debug, Default)]
pub(super) struct Failures {
    pub(super) total: AtomicU64,
    untold: Mutex<Untold>,
}

/// Since the last line.
#[derive(Debug, Default)]
struct Untold {
    count: u64,
    last: String,
    told: Option<Duration>,
}

impl Failures {
    #[cold]
    pub(super) fn count(&self, cause: String) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.count += 1;
        untold.last = cause;
    }

    /// How many there were and why the last was, if there is something to tell and the last line is long
    /// enough ago; `now` is a monotonic reading.
    pub(super) fn take(&self, now: Duration) -> Option<(u64, String)> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.count == 0 || untold.told.is_some_and(|at| now < at + PAUSE) {
            return None;
        }
        untold.told = Some(now);
        Some((std::mem::take(&mut untold.count), std::mem::take(&mut untold.last)))
    }
}

/// Why a handshake failed, for people; nothing of the other side's certificate is in it.
pub(super) fn words(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::NoCertificatesPresented) => {
            "the client showed no certificate (`client_auth`)".to_owned()
        }
        Some(Error::InvalidCertificate(certificate)) => {
            let why = match certificate {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "has expired"
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "is not valid yet"
                }
                CertificateError::UnknownIssuer => {
                    "is of nobody whom `client_ca_file` names, or not for clients"
                }
                CertificateError::Revoked => "was revoked",
                CertificateError::InvalidPurpose
                | CertificateError::InvalidPurposeContext { .. } => "is not for clients",
                _ => "cannot be used",
            };
            format!("the client's certificate {why}")
        }
        Some(Error::AlertReceived(alert)) => {
            let why = match alert {
                AlertDescription::UnknownCA => "it does not know who vouches for our certificate",
                AlertDescription::CertificateExpired => "our certificate has expired",
                AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
                    "it does not like our certificate"
                }
                _ => "by its own decision",
            };
            format!("the client gave up: {why} (alert {alert:?})")
        }
        Some(Error::PeerIncompatible(why)) => {
            format!("the client speaks TLS of another kind ({why:?})")
        }
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the client closed the connection in the middle of it".to_owned()
        }
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_once_a_minute_with_the_last_cause() {
        let failures = Failures::default();
        let at = |seconds| failures.take(Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        failures.count("one".to_owned());
        failures.count("two".to_owned());
        assert_eq!(at(5), Some((2, "two".to_owned())));
        failures.count("three".to_owned());
        assert_eq!(at(64), None, "not yet");
        assert_eq!(at(65), Some((1, "three".to_owned())));
        assert_eq!(at(200), None);
        assert_eq!(failures.total.load(Ordering::Relaxed), 3);
    }
}

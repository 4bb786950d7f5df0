//! What went wrong before there was an answer, in words that say what to do.

use rustls::{AlertDescription, CertificateError, Error};

use crate::causes::{in_one_line, tls_error};
use crate::forward::outcome::Failure;

/// What kind of failure it is.
pub(super) fn kind(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::Timeout
    } else if error.is_connect() {
        Failure::Connect
    } else {
        Failure::Broken
    }
}

/// The error and its causes, without the address, and for one of TLS what to do about it. `receiver` is the
/// name of the one that was asked.
pub(super) fn words(error: reqwest::Error, receiver: &str) -> String {
    let advice = tls_error(&error).and_then(|error| advice(error, receiver));
    let causes = in_one_line(&error.without_url());
    match advice {
        Some(advice) => format!("{advice} ({causes})"),
        None if causes.contains("proxy authorization required") => {
            format!(
                "the proxy asks for user and password: see `proxy` of receiver {receiver} ({causes})"
            )
        }
        None => causes,
    }
}

fn advice(error: &Error, receiver: &str) -> Option<String> {
    let text = match error {
        Error::InvalidCertificate(certificate) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired: the receiver, or a proxy before it, needs a new one".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is the clock of this machine right?".to_owned()
            }
            CertificateError::UnknownIssuer => format!(
                "its certificate is of an unknown issuer: name its authority with `ca_file` of receiver \
                 {receiver}"
            ),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "its certificate is of another host: `url` of receiver {receiver} must have a name that \
                     stands in it"
                )
            }
            CertificateError::Other(other)
                if other.to_string().contains("CaUsedAsEndEntity") =>
            {
                "its certificate names itself an authority, which a server's must not: make one with \
                 `basicConstraints=CA:FALSE`"
                    .to_owned()
            }
            _ => "its certificate cannot be used".to_owned(),
        },
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => format!(
            "it asks for a certificate of ours, perhaps: see `cert_file` and `key_file` of receiver {receiver}"
        ),
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::AccessDenied,
        ) => format!(
            "it does not take the certificate we show: see `cert_file` of receiver {receiver}"
        ),
        Error::InvalidMessage(_) => {
            format!("what answers speaks no TLS: is `url` of receiver {receiver} meant to be http:?")
        }
        _ => return None,
    };
    Some(text)
}

//! The ways a receiver can be told to fail, and how each is written on the command line and in the
//! control document.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

/// What happens to one intake request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing unusual; lets a request through in a script.
    Pass,
    /// Answers this; nothing of the request is kept.
    Status {
        /// 200 to 599.
        code: u16,
        /// The text; a stock one when absent.
        body: Option<String>,
        /// `Retry-After`, seconds.
        retry_after: Option<u32>,
        /// Before or after the request body was read.
        when: When,
    },
    /// Reads the request and never answers; nothing is kept.
    Hang,
    /// Treats the request as usual, keeps its tuples, and answers after this long.
    Delay(Duration),
    /// Resets the connection (TCP RST).
    Reset(ResetAt),
    /// Treats the request as usual, keeps its tuples, and writes the answer byte by byte with this
    /// pause before each byte after the first.
    Drip(Duration),
}

/// When a status is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once the request body was read.
    AfterBody,
    /// At once; the request body is never read, and the connection closes 2 s later.
    Early,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetAt {
    /// Once the request head is read, before its body. Nothing is kept.
    Head,
    /// After the first bytes of the request body. Nothing is kept.
    Body,
    /// After the first 20 bytes of the answer. An acceptable request **is** kept: this is the answer
    /// that got lost.
    Answer,
}

/// A fault that goes on until it is lifted.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What happens.
    pub fault: Fault,
    /// The share of requests it happens to, 0 to 1.
    pub rate: f64,
}

impl Standing {
    /// A fault that hits every request.
    pub fn always(fault: Fault) -> Self {
        Self { fault, rate: 1.0 }
    }
}

impl Fault {
    /// A bare status, answered after the body was read.
    pub fn status(code: u16) -> Self {
        Self::Status { code, body: None, retry_after: None, when: When::AfterBody }
    }
}

/// Why a fault could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadFault(String);

/// A fault as the control document writes it; becomes a [`Standing`] or is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FaultDoc {
    pass: bool,
    status: Option<u16>,
    body: Option<String>,
    retry_after: Option<u32>,
    early: bool,
    hang: bool,
    delay_ms: Option<u64>,
    reset: Option<ResetAt>,
    drip_ms: Option<u64>,
    rate: Option<f64>,
}

impl TryFrom<FaultDoc> for Standing {
    type Error = BadFault;

    fn try_from(doc: FaultDoc) -> Result<Self, BadFault> {
        let rate = doc.rate.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&rate) {
            return Err(BadFault(format!("rate {rate} is not between 0 and 1")));
        }
        let extras = doc.body.is_some() || doc.retry_after.is_some() || doc.early;
        if extras && doc.status.is_none() {
            return Err(BadFault("body, retry_after and early need a status".to_owned()));
        }
        let millis = Duration::from_millis;
        let when = if doc.early { When::Early } else { When::AfterBody };
        let (body, retry_after) = (doc.body, doc.retry_after);
        let kinds = [
            doc.pass.then_some(Fault::Pass),
            doc.status.map(|code| Fault::Status { code, body, retry_after, when }),
            doc.hang.then_some(Fault::Hang),
            doc.delay_ms.map(|ms| Fault::Delay(millis(ms))),
            doc.reset.map(Fault::Reset),
            doc.drip_ms.map(|ms| Fault::Drip(millis(ms))),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(fault), None) = (kinds.next(), kinds.next()) else {
            let kinds = "pass, status, hang, delay_ms, reset, drip_ms";
            return Err(BadFault(format!("a fault has exactly one of {kinds}")));
        };
        if let Fault::Status { code, .. } = fault
            && !(200..=599).contains(&code)
        {
            return Err(BadFault(format!("status {code} is not between 200 and 599")));
        }
        Ok(Self { fault, rate })
    }
}

/// One word, then settings, separated by commas:
///
/// ```text
/// 503    503,retry-after=2    503,early    400,body=no such tuple    503,rate=0.3    reset,rate=30%
/// hang   delay=2s   drip=100ms   reset   reset=head   reset=body   reset=answer
/// ```
///
/// `reset` alone means `reset=head`; `body` runs to the end of the text, commas included.
impl FromStr for Standing {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let mut doc = FaultDoc::default();
        let mut rest = text;
        let mut first = true;
        while !rest.is_empty() || first {
            let (word, after) = match rest.split_once(',') {
                Some(split) if !rest.starts_with("body=") => split,
                _ => (rest, ""),
            };
            let (key, value) = word.split_once('=').map_or((word, None), |(k, v)| (k, Some(v)));
            let understood = if first { doc.kind(key, value) } else { doc.setting(key, value) };
            if understood.is_none() {
                return Err(BadFault(format!(
                    "cannot read {word:?} in fault {text:?}; examples: 503,retry-after=2,rate=0.3; \
                     503,early; hang; delay=2s; drip=100ms; reset=head, reset=body, reset=answer"
                )));
            }
            (rest, first) = (after, false);
        }
        doc.try_into()
    }
}

impl FaultDoc {
    fn kind(&mut self, key: &str, value: Option<&str>) -> Option<()> {
        match (key, value) {
            ("pass", None) => self.pass = true,
            ("hang", None) => self.hang = true,
            ("delay", Some(span)) => self.delay_ms = Some(parse_millis(span)?),
            ("drip", Some(span)) => self.drip_ms = Some(parse_millis(span)?),
            ("reset", None | Some("head")) => self.reset = Some(ResetAt::Head),
            ("reset", Some("body")) => self.reset = Some(ResetAt::Body),
            ("reset", Some("answer")) => self.reset = Some(ResetAt::Answer),
            (code, None) => self.status = Some(code.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    fn setting(&mut self, key: &str, value: Option<&str>) -> Option<()> {
        match (key, value) {
            ("early", None) => self.early = true,
            ("retry-after", Some(seconds)) => self.retry_after = Some(seconds.parse().ok()?),
            ("body", Some(text)) => self.body = Some(text.to_owned()),
            ("rate", Some(rate)) => {
                self.rate = Some(match rate.strip_suffix('%') {
                    Some(percent) => percent.parse::<f64>().ok()? / 100.0,
                    None => rate.parse().ok()?,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

fn parse_millis(text: &str) -> Option<u64> {
    humantime::parse_duration(text).ok()?.as_millis().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_as_the_command_line_writes_them() {
        let status = |code, body: Option<&str>, retry_after, when| Fault::Status {
            code,
            body: body.map(str::to_owned),
            retry_after,
            when,
        };
        for (text, fault, rate) in [
            ("503", Fault::status(503), 1.0),
            ("429,retry-after=2", status(429, None, Some(2), When::AfterBody), 1.0),
            ("503,early,rate=0.25", status(503, None, None, When::Early), 0.25),
            ("400,body=a, b=c", status(400, Some("a, b=c"), None, When::AfterBody), 1.0),
            ("hang", Fault::Hang, 1.0),
            ("delay=1m 1s", Fault::Delay(Duration::from_secs(61)), 1.0),
            ("drip=100ms,rate=50%", Fault::Drip(Duration::from_millis(100)), 0.5),
            ("reset", Fault::Reset(ResetAt::Head), 1.0),
            ("reset=answer,rate=0", Fault::Reset(ResetAt::Answer), 0.0),
        ] {
            assert_eq!(text.parse(), Ok(Standing { fault, rate }), "{text}");
        }
    }

    #[test]
    fn faults_that_make_no_sense_are_refused_with_what_would() {
        for (text, why) in [
            ("", "cannot read \"\" in fault"),
            ("boom", "cannot read \"boom\" in fault \"boom\"; examples: 503"),
            ("503,later", "cannot read \"later\""),
            ("delay", "cannot read \"delay\""),
            ("reset=never", "cannot read \"reset=never\""),
            ("600", "status 600 is not between 200 and 599"),
            ("100", "status 100 is not between 200 and 599"),
            ("503,rate=2", "rate 2 is not between 0 and 1"),
            ("503,rate=NaN", "rate NaN is not between 0 and 1"),
            ("hang,early", "body, retry_after and early need a status"),
        ] {
            let refused = text.parse::<Standing>().unwrap_err().to_string();
            assert!(refused.starts_with(why), "{text}: {refused}");
        }
    }
}

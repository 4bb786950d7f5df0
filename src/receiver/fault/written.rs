//! How a fault is written: in the control document, and on the command line.

use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use super::{BadFault, Fault, Hits, ResetAt, Standing, Status, When};

/// A fault as the control document writes it; becomes a [`Standing`] or is refused.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::receiver) struct FaultDoc {
    pass: bool,
    status: Option<u16>,
    body: Option<String>,
    retry_after: Option<u32>,
    location: Option<String>,
    early: bool,
    hang: bool,
    delay_ms: Option<u64>,
    reset: Option<ResetAt>,
    drip_ms: Option<u64>,
    endless: Option<u16>,
    rate: Option<f64>,
    turns: Option<(u32, u32)>,
}

impl TryFrom<FaultDoc> for Standing {
    type Error = BadFault;

    fn try_from(doc: FaultDoc) -> Result<Self, BadFault> {
        let hits = doc.hits()?;
        let extras =
            doc.body.is_some() || doc.retry_after.is_some() || doc.location.is_some() || doc.early;
        if extras && doc.status.is_none() {
            let extras = "body, retry_after, location and early need a status";
            return Err(BadFault(extras.to_owned()));
        }
        let millis = Duration::from_millis;
        let when = if doc.early { When::Early } else { When::AfterBody };
        let (body, retry_after, location) = (doc.body, doc.retry_after, doc.location);
        let status = |code| Fault::Status(Status { code, body, retry_after, location, when });
        let kinds = [
            doc.pass.then_some(Fault::Pass),
            doc.status.map(status),
            doc.hang.then_some(Fault::Hang),
            doc.delay_ms.map(|ms| Fault::Delay(millis(ms))),
            doc.reset.map(Fault::Reset),
            doc.drip_ms.map(|ms| Fault::Drip(millis(ms))),
            doc.endless.map(Fault::Endless),
        ];
        let mut kinds = kinds.into_iter().flatten();
        let (Some(fault), None) = (kinds.next(), kinds.next()) else {
            let kinds = "pass, status, hang, delay_ms, reset, drip_ms, endless";
            return Err(BadFault(format!("a fault has exactly one of {kinds}")));
        };
        if let Some(code) = doc.status.or(doc.endless)
            && !(200..=599).contains(&code)
        {
            return Err(BadFault(format!("status {code} is not between 200 and 599")));
        }
        Ok(Self { fault, hits })
    }
}

/// One word, then settings, separated by commas:
///
/// ```text
/// 503    503,retry-after=2    503,early    400,body=no such tuple    307,location=http://10.0.0.1/
/// hang   delay=2s   drip=100ms   reset   reset=head   reset=body   reset=answer   endless   endless=400
/// 503,rate=0.3    reset,rate=30%    503,turns=5/2
/// ```
///
/// `reset` alone means `reset=head`, `endless` alone a 200; `turns` are good requests, then bad ones;
/// `body` runs to the end of the text, commas included.
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
                     503,early; 503,turns=5/2; 307,location=http://10.0.0.1/; hang; delay=2s; \
                     drip=100ms; reset=head, reset=body, reset=answer; endless"
                )));
            }
            (rest, first) = (after, false);
        }
        doc.try_into()
    }
}

impl FaultDoc {
    fn hits(&self) -> Result<Hits, BadFault> {
        match (self.rate, self.turns) {
            (None, None) => Ok(Hits::All),
            (Some(rate), None) if (0.0..=1.0).contains(&rate) => Ok(Hits::Share(rate)),
            (Some(rate), None) => Err(BadFault(format!("rate {rate} is not between 0 and 1"))),
            (None, Some((_, 0))) => {
                Err(BadFault("turns without a bad one are no fault".to_owned()))
            }
            (None, Some((good, bad))) => Ok(Hits::Turns { good, bad }),
            (Some(_), Some(_)) => Err(BadFault("a fault has either a rate or turns".to_owned())),
        }
    }

    fn kind(&mut self, key: &str, value: Option<&str>) -> Option<()> {
        match (key, value) {
            ("pass", None) => self.pass = true,
            ("hang", None) => self.hang = true,
            ("delay", Some(span)) => self.delay_ms = Some(parse_millis(span)?),
            ("drip", Some(span)) => self.drip_ms = Some(parse_millis(span)?),
            ("reset", None | Some("head")) => self.reset = Some(ResetAt::Head),
            ("reset", Some("body")) => self.reset = Some(ResetAt::Body),
            ("reset", Some("answer")) => self.reset = Some(ResetAt::Answer),
            ("endless", None) => self.endless = Some(200),
            ("endless", Some(code)) => self.endless = Some(code.parse().ok()?),
            (code, None) => self.status = Some(code.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    fn setting(&mut self, key: &str, value: Option<&str>) -> Option<()> {
        match (key, value) {
            ("early", None) => self.early = true,
            ("retry-after", Some(seconds)) => self.retry_after = Some(seconds.parse().ok()?),
            ("location", Some(to)) => self.location = Some(to.to_owned()),
            ("turns", Some(turns)) => {
                let (good, bad) = turns.split_once('/')?;
                self.turns = Some((good.parse().ok()?, bad.parse().ok()?));
            }
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
        let status = |code, body: Option<&str>, retry_after, when| {
            let body = body.map(str::to_owned);
            Fault::Status(Status { code, body, retry_after, when, ..Status::default() })
        };
        for (text, fault, hits) in [
            ("503", Fault::status(503), Hits::All),
            ("429,retry-after=2", status(429, None, Some(2), When::AfterBody), Hits::All),
            ("503,early,rate=0.25", status(503, None, None, When::Early), Hits::Share(0.25)),
            ("400,body=a, b=c", Fault::saying(400, "a, b=c"), Hits::All),
            ("307,location=http://x/?a=b", Fault::redirect(307, "http://x/?a=b"), Hits::All),
            ("hang", Fault::Hang, Hits::All),
            ("delay=1m 1s", Fault::Delay(Duration::from_secs(61)), Hits::All),
            ("drip=100ms,rate=50%", Fault::Drip(Duration::from_millis(100)), Hits::Share(0.5)),
            ("reset", Fault::Reset(ResetAt::Head), Hits::All),
            ("reset=answer,rate=0", Fault::Reset(ResetAt::Answer), Hits::Share(0.0)),
            ("503,turns=5/2", Fault::status(503), Hits::Turns { good: 5, bad: 2 }),
            ("endless", Fault::Endless(200), Hits::All),
            ("endless=400", Fault::Endless(400), Hits::All),
        ] {
            assert_eq!(text.parse(), Ok(Standing { fault, hits }), "{text}");
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
            ("503,rate=0.5,turns=1/1", "a fault has either a rate or turns"),
            ("503,turns=1", "cannot read \"turns=1\""),
            ("503,turns=1/0", "turns without a bad one are no fault"),
            ("endless=99", "status 99 is not between 200 and 599"),
            ("hang,early", "body, retry_after, location and early need a status"),
        ] {
            let refused = text.parse::<Standing>().unwrap_err().to_string();
            assert!(refused.starts_with(why), "{text}: {refused}");
        }
    }
}

//! What the gateway that runs says of its receivers.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::super::gateway::Gateway;
use super::super::super::place::Place;
use super::super::super::table::{Align, Table, grouped};
use super::super::super::words::{self, plain};

/// Its answer, or why there is none.
pub(super) type Seen = Result<Answer, String>;

/// The answer as it came, and what is shown of it.
pub(super) struct Answer {
    raw: Value,
    receivers: Vec<Receiver>,
}

/// One receiver; what an older or a newer gateway does not say is absent.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Receiver {
    name: String,
    /// None when it is not configured any more.
    state: Option<String>,
    probing: bool,
    since: Option<String>,
    why: Option<String>,
    in_flight: Option<u64>,
    limit: Option<u64>,
    lag_seconds: Option<f64>,
    cannot_read: Option<String>,
    last_success: Option<String>,
    last_error: Option<LastError>,
    dead_letters: Option<DeadLetters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LastError {
    at: Option<String>,
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeadLetters {
    letters: u64,
}

/// Asks the gateway that works on this queue.
pub(super) fn look(place: &Place) -> Seen {
    let gateway = Gateway::find(place);
    let answer = gateway.and_then(|gateway| gateway.get("/receivers"));
    let answer = answer.map_err(|absent| absent.to_string())?;
    if answer.status != 200 {
        return Err(format!("the gateway answers HTTP {}, it is another version", answer.status));
    }
    let unreadable = |error| format!("what the gateway says cannot be read: {error}");
    let raw: Value = serde_json::from_str(&answer.body).map_err(unreadable)?;
    let receivers = Vec::deserialize(&raw).map_err(unreadable)?;
    Ok(Answer { raw, receivers })
}

pub(super) fn as_json(seen: &Seen) -> Value {
    match seen {
        Ok(answer) => json!({ "answers": true, "receivers": answer.raw }),
        Err(why) => json!({ "answers": false, "why": why }),
    }
}

pub(super) fn as_text(seen: &Seen) -> String {
    let answer = match seen {
        Ok(answer) => answer,
        Err(why) => return format!("what receivers do now is not known: {why}\n"),
    };
    let mut table = Table::new([
        ("receiver", Align::Left),
        ("does", Align::Left),
        ("since", Align::Left),
        ("lag", Align::Right),
        ("in flight", Align::Right),
        ("last success", Align::Left),
        ("dead letters", Align::Right),
    ]);
    let configured = || answer.receivers.iter().filter(|receiver| receiver.state.is_some());
    for receiver in configured() {
        table.row(receiver.row());
    }
    let mut text = table.render();
    let unread = configured().filter_map(Receiver::unread);
    for remark in configured().filter_map(Receiver::remark).chain(unread) {
        text.push_str(&remark);
        text.push('\n');
    }
    text
}

impl Receiver {
    fn row(&self) -> [String; 7] {
        let none = || "-".to_owned();
        let state = self.state.as_deref().unwrap_or_default();
        let probing = if self.probing { ", probing" } else { "" };
        let in_flight = match (self.in_flight, self.limit) {
            (Some(now), Some(limit)) => format!("{now} of {limit}"),
            (Some(now), None) => now.to_string(),
            (None, _) => none(),
        };
        [
            plain(&self.name),
            plain(&format!("{state}{probing}")),
            self.since.as_deref().map_or_else(none, whole_seconds),
            self.lag_seconds.map_or_else(none, |lag| words::age(lag as u64)),
            in_flight,
            self.last_success.as_deref().map_or_else(none, whole_seconds),
            self.dead_letters.as_ref().map_or_else(none, |it| grouped(it.letters)),
        ]
    }

    /// Why its lag is not known.
    fn unread(&self) -> Option<String> {
        let why = self.cannot_read.as_ref()?;
        Some(plain(&format!("what waits for {} cannot be read now: {why}", self.name)))
    }

    /// Why it is held, else what went wrong last.
    fn remark(&self) -> Option<String> {
        let name = &self.name;
        if let Some(why) = &self.why {
            return Some(plain(&format!("{name} is held: {why}")));
        }
        let error = self.last_error.as_ref()?;
        let at = error.at.as_deref().map_or_else(String::new, whole_seconds);
        Some(plain(&format!("{name}, last error at {at}: {}", error.text)))
    }
}

/// `2026-11-22T04:41:59.123Z` as the rest of the page has it.
fn whole_seconds(instant: &str) -> String {
    match instant.split_once('.') {
        Some((seconds, _)) => plain(&format!("{seconds}Z")),
        None => plain(instant),
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            name: "?".to_owned(),
            state: None,
            probing: false,
            since: None,
            why: None,
            in_flight: None,
            limit: None,
            lag_seconds: None,
            cannot_read: None,
            last_success: None,
            last_error: None,
            dead_letters: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(receivers: Value) -> Answer {
        Answer { receivers: Vec::deserialize(&receivers).unwrap(), raw: receivers }
    }

    #[test]
    fn each_receiver_has_a_row_and_its_trouble_a_line() {
        let seen = Ok(answer(json!([
            {"name": "a", "state": "flowing", "probing": false, "since": "2026-11-22T04:41:59.123Z",
             "in_flight": 2, "limit": 3, "lag_seconds": 0.0, "new": 1,
             "last_success": "2026-11-22T04:42:00.001Z", "last_error": null,
             "dead_letters": {"letters": 1204}},
            {"name": "b", "state": "held", "probing": true, "since": "2026-11-22T04:41:59Z",
             "why": "HTTP 403: no\u{1b}[2J; check the key", "in_flight": 0, "limit": 1,
             "lag_seconds": 7421.9, "last_success": null,
             "last_error": {"at": "2026-11-22T04:41:59.5Z", "text": "HTTP 403"}},
            {"name": "c", "state": "retrying", "lag_seconds": null, "cannot_read": "bad\ndisk",
             "last_error": {"at": "2026-11-22T04:41:59.5Z", "text": "refused"}},
            {"name": "gone", "state": null},
        ])));
        assert_eq!(
            as_text(&seen).lines().collect::<Vec<_>>(),
            [
                "receiver  does           since                   lag  in flight  last success          dead letters",
                "a         flowing        2026-11-22T04:41:59Z     0s     2 of 3  2026-11-22T04:42:00Z         1,204",
                "b         held, probing  2026-11-22T04:41:59Z  2h 3m     0 of 1  -                                -",
                "c         retrying       -                         -          -  -                                -",
                "b is held: HTTP 403: no?[2J; check the key",
                "c, last error at 2026-11-22T04:41:59Z: refused",
                "what waits for c cannot be read now: bad?disk",
            ]
        );
        assert_eq!(as_json(&seen)["receivers"][0]["new"], 1, "programs get all of it");
    }

    #[test]
    fn without_an_answer_it_says_why() {
        let seen = Err("no gateway answers".to_owned());
        let said = as_text(&seen);
        assert_eq!(said, "what receivers do now is not known: no gateway answers\n");
        assert_eq!(as_json(&seen), json!({"answers": false, "why": "no gateway answers"}));
    }
}

//! Whether the gateway is ready, and if not, why and what to do: one pure table (contract C6.2, C9).
//!
//! A gateway that is not ready may well take metrics; it says that somebody should look.

use std::time::Duration;

use serde::Serialize;

use super::reading::{Destination, Health, seconds_between};
use crate::forward::{State, outcome};
use crate::queue::AppendError;

/// Without a success for this long, a receiver that is being retried is worth a look.
pub(super) const STALLED_AFTER: Duration = Duration::from_mins(5);

/// Why a gateway is not ready: a closed list, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// On its way out.
    ShuttingDown,
    /// The queue cannot be written: clients get 503.
    CannotCommit,
    /// The queue's directory cannot be kept in order: a crash would repeat deliveries.
    CannotSave,
    /// The queue is at its cap or the disk at its reserve: clients get 503.
    NoRoom,
    /// The queue cannot read what it holds: deliveries cannot go on.
    CannotRead,
    /// The sums of the books do not agree with the content: a bug.
    BooksUnbalanced,
    /// A receiver refuses everything until somebody changes something.
    ReceiverHeld,
    /// A receiver refuses tuples for good, and there is no room left to keep them.
    DeadLettersFull,
    /// A receiver has failed for minutes while something waits for it.
    ReceiverStalled,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::ShuttingDown,
        Self::CannotCommit,
        Self::CannotSave,
        Self::NoRoom,
        Self::CannotRead,
        Self::BooksUnbalanced,
        Self::ReceiverHeld,
        Self::DeadLettersFull,
        Self::ReceiverStalled,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::CannotCommit => "cannot_commit",
            Self::CannotSave => "cannot_save",
            Self::NoRoom => "no_room",
            Self::CannotRead => "cannot_read",
            Self::BooksUnbalanced => "books_unbalanced",
            Self::ReceiverHeld => "receiver_held",
            Self::DeadLettersFull => "dead_letters_full",
            Self::ReceiverStalled => "receiver_stalled",
        }
    }
}

/// One reason, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Cause {
    #[serde(rename = "cause")]
    pub(super) kind: Kind,
    /// The receiver it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) receiver: Option<String>,
    pub(super) message: String,
}

/// The verdict of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Readiness {
    pub(super) ready: bool,
    pub(super) causes: Vec<Cause>,
}

impl Readiness {
    pub(super) fn of(health: &Health) -> Self {
        let mut causes = Vec::new();
        let mut add = |kind, message| causes.push(Cause { kind, receiver: None, message });
        if health.is_closing || health.room == Err(AppendError::Closed) {
            add(Kind::ShuttingDown, "the gateway is shutting down".to_owned());
        }
        if let Some(why) = commit_fault(health) {
            add(Kind::CannotCommit, why);
        }
        if let Some(why) = &health.disorder {
            let text = format!(
                "the queue's directory cannot be kept in order: {why}; what is delivered meanwhile \
                 is delivered again after a crash, and room is not given back: check the disk of \
                 `data_dir`"
            );
            add(Kind::CannotSave, text);
        }
        if let Some(why) = lack_of_room(health) {
            add(Kind::NoRoom, why);
        }
        if !health.is_balanced() {
            let text = "the books do not agree with what the queue holds: a bug in tidegate, \
                        please report it with the output of /metrics";
            add(Kind::BooksUnbalanced, text.to_owned());
        }
        for destination in &health.destinations {
            let of_receiver = [cannot_read(destination), undelivered(destination, health)];
            causes.extend(of_receiver.into_iter().flatten());
        }
        Self { ready: causes.is_empty(), causes }
    }
}

fn commit_fault(health: &Health) -> Option<String> {
    let refused = match &health.room {
        Err(AppendError::Failed { why }) => Some(why),
        _ => None,
    };
    let why = health.standing.fault.as_ref().or(refused)?;
    Some(format!(
        "the queue cannot be written: {why}; clients get 503 until the disk of `data_dir` takes \
         writes again"
    ))
}

fn lack_of_room(health: &Health) -> Option<String> {
    let Err(error) = &health.room else { return None };
    let cure = match error {
        AppendError::Full { .. } => "see which receiver takes less than comes in, or raise it",
        AppendError::Reserve { .. } => "free space on that disk, or lower it",
        AppendError::Behind { .. } => "see what else uses that disk, or take a faster one",
        AppendError::Failed { .. } | AppendError::Unaddressed { .. } | AppendError::Closed => {
            return None;
        }
    };
    Some(format!("{error}: clients get 503; {cure}"))
}

fn cannot_read(destination: &Destination) -> Option<Cause> {
    let error = destination.oldest.as_ref()?.as_ref().err()?;
    Some(Cause {
        kind: Kind::CannotRead,
        receiver: Some(destination.name.to_string()),
        message: format!("{error}; check the disk of `data_dir`"),
    })
}

/// Held, or retried in vain. The receiver's own words may quote anything, a metric or an address: they
/// are not in causes, which go to whoever is woken, but stand beside them.
fn undelivered(destination: &Destination, health: &Health) -> Option<Cause> {
    let name = &destination.name;
    let delivery = destination.delivery.as_ref()?;
    let status = &delivery.status;
    let kept = match delivery.facts.max_backlog_bytes {
        None => "nothing is thrown away",
        Some(_) => "its oldest expire beyond `max_backlog_bytes`",
    };
    let (kind, message) = match &status.state {
        State::Flowing => return None,
        // The cause is on this side, so there are no words of others in it.
        State::Held { status: None, why } => (
            if delivery.dead_letters.is_full { Kind::DeadLettersFull } else { Kind::ReceiverHeld },
            format!("deliveries to receiver {name} are held and {kept}: {why}"),
        ),
        State::Held { status: Some(status), .. } => (
            Kind::ReceiverHeld,
            format!(
                "receiver {name} answers HTTP {status}, deliveries to it are held and {kept}: \
                 {}; its own words are in the log and at /receivers",
                outcome::advice(*status, name)
            ),
        ),
        State::Retrying => {
            let last = status.last_success.map_or(status.since, |at| at.max(status.since));
            let failing_s = seconds_between(last, health.now);
            if destination.account.depth.blocks == 0 || failing_s < STALLED_AFTER.as_secs_f64() {
                return None;
            }
            let message = format!(
                "receiver {name} has taken nothing for {failing_s:.0} s and {} tuples wait: check \
                 that it is up and that its `url` leads to it; the last error is in the log and at \
                 /receivers",
                destination.account.depth.tuples
            );
            (Kind::ReceiverStalled, message)
        }
    };
    Some(Cause { kind, receiver: Some(name.to_string()), message })
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::super::reading::Delivery;
    use super::*;
    use crate::config::Compression;
    use crate::dead_letter;
    use crate::forward::{Status, Trust};
    use crate::metric::timestamp::Timestamp;
    use crate::queue::{Account, Books, Depth, ReadError, Standing};
    use crate::spread::Durations;

    const NOW: i64 = 1_700_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0)
    }

    /// Something waits for a receiver that flows.
    fn health() -> Health {
        let status = Status {
            state: State::Flowing,
            since: at(NOW - 1000),
            is_probing: false,
            in_flight: 0,
            limit: 1,
            encoding: Compression::Deflate,
            size_bound: 4 << 20,
            delivered_tuples: 0,
            last_success: None,
            last_error: None,
            trust: Trust::Clear,
        };
        Health {
            now: at(NOW),
            is_closing: false,
            room: Ok(()),
            standing: Standing::default(),
            disorder: None,
            destinations: vec![Destination {
                name: "main".into(),
                account: Account {
                    books: Books { series: 3, queued: 3, ..Books::default() },
                    depth: Depth { blocks: 1, tuples: 3, bytes: 30 },
                },
                oldest: Some(Ok(Some(at(NOW - 9)))),
                delivery: Some(Delivery {
                    facts: Facts { url: String::new(), concurrency: 1, max_backlog_bytes: None },
                    status,
                    dead_letters: dead_letter::Standing::default(),
                    attempts: Vec::new(),
                    latencies: Durations::default().read(),
                    bytes: (0, 0),
                }),
            }],
        }
    }

    fn kinds(change: impl FnOnce(&mut Health)) -> Vec<&'static str> {
        let mut health = health();
        change(&mut health);
        let readiness = Readiness::of(&health);
        assert_eq!(readiness.ready, readiness.causes.is_empty());
        readiness.causes.iter().map(|cause| cause.kind.as_str()).collect()
    }

    fn kinds_of_status(change: impl FnOnce(&mut Status)) -> Vec<&'static str> {
        kinds(|health| change(&mut health.destinations[0].delivery.as_mut().unwrap().status))
    }

    #[test]
    fn each_cause_has_its_condition() {
        let why = || "No space left on device".into();
        let none: [&str; 0] = [];
        assert_eq!(kinds(|_| {}), none);
        assert_eq!(kinds(|health| health.is_closing = true), ["shutting_down"]);
        assert_eq!(kinds(|health| health.room = Err(AppendError::Closed)), ["shutting_down"]);
        assert_eq!(kinds(|health| health.standing.fault = Some(why())), ["cannot_commit"]);
        assert_eq!(kinds(|health| health.disorder = Some(why())), ["cannot_save"]);
        let failed = AppendError::Failed { why: why() };
        assert_eq!(kinds(|health| health.room = Err(failed)), ["cannot_commit"]);
        for full in
            [AppendError::Full { used: 1, limit: 1 }, AppendError::Reserve { free: 1, reserve: 2 }]
        {
            assert_eq!(kinds(|health| health.room = Err(full)), ["no_room"]);
        }
        let error = ReadError { why: why() };
        assert_eq!(
            kinds(|health| health.destinations[0].oldest = Some(Err(error))),
            ["cannot_read"]
        );
        assert_eq!(kinds(|health| health.standing.is_unbalanced = true), ["books_unbalanced"]);
        assert_eq!(
            kinds(|health| health.destinations[0].account.books.lost = 1),
            ["books_unbalanced"]
        );
        let held = State::Held { status: Some(403), why: "no".into() };
        assert_eq!(kinds_of_status(|status| status.state = held), ["receiver_held"]);
        for (is_full, cause) in [(false, "receiver_held"), (true, "dead_letters_full")] {
            let kinds = kinds(|health| {
                let delivery = health.destinations[0].delivery.as_mut().unwrap();
                delivery.status.state = State::Held { status: None, why: "no".into() };
                delivery.dead_letters.is_full = is_full;
            });
            assert_eq!(kinds, [cause]);
        }
    }

    #[test]
    fn nothing_is_said_to_be_kept_where_the_backlog_is_bounded() {
        for status in [Some(403), None] {
            for (bound, wanted) in [
                (None, "held and nothing is thrown away: "),
                (Some(1), "held and its oldest expire beyond `max_backlog_bytes`: "),
            ] {
                let mut health = health();
                let delivery = health.destinations[0].delivery.as_mut().unwrap();
                delivery.status.state = State::Held { status, why: "no".into() };
                delivery.facts.max_backlog_bytes = bound;
                let message = &Readiness::of(&health).causes[0].message;
                assert!(message.contains(wanted), "{message}");
            }
        }
    }

    #[test]
    fn a_receiver_is_stalled_after_five_minutes_of_failures_while_something_waits() {
        for (since, last_success, expected) in [
            (299, None, false),
            (300, None, true),
            (300, Some(299), false),
            (300, Some(4000), true),
            // Nothing was sent for an hour, and the first attempt failed just now.
            (0, Some(3600), false),
            // The clock was set back.
            (-10, None, false),
        ] {
            let kinds = kinds_of_status(|status| {
                status.state = State::Retrying;
                status.since = at(NOW - since);
                status.last_success = last_success.map(|ago: i64| at(NOW - ago));
            });
            let wanted: &[&str] = if expected { &["receiver_stalled"] } else { &[] };
            assert_eq!(kinds, wanted, "{since} {last_success:?}");
        }
        let idle = kinds(|health| {
            health.destinations[0].account.depth = Depth::default();
            health.destinations[0].delivery.as_mut().unwrap().status.state = State::Retrying;
        });
        assert!(idle.is_empty());
    }

    #[test]
    fn causes_are_words_for_programs_and_sentences_for_people() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        let mut health = health();
        health.room = Err(AppendError::Full { used: 7, limit: 7 });
        let delivery = health.destinations[0].delivery.as_mut().unwrap();
        delivery.status.state =
            State::Held { status: Some(401), why: "key k3y of 10.1.2.3".into() };
        assert_eq!(
            serde_json::to_value(Readiness::of(&health)).unwrap(),
            serde_json::json!({"ready": false, "causes": [
                {"cause": "no_room", "message":
                    "queue is full (7 of 7 bytes, `queue.max_bytes`): clients get 503; see which \
                     receiver takes less than comes in, or raise it"},
                {"cause": "receiver_held", "receiver": "main", "message":
                    "receiver main answers HTTP 401, deliveries to it are held and nothing is \
                     thrown away: check `api_key` of receiver main, and its `auth`; its own \
                     words are in the log and at /receivers"},
            ]})
        );
    }
}

//! What is wrong, worst first, and the one sentence above everything: a pure reading of what `/status` tells.

use std::time::SystemTime;

use serde_json::{Value, json};

/// A queue that will be full within this is worth a look.
const FULL_SOON_S: f64 = 6.0 * 3600.0;

/// As is one that is so full.
const FULL_SHARE: f64 = 0.8;

/// A source that sent before and is silent for so long.
const SILENT_S: f64 = 600.0;

/// Most sources that are named for the same reason: with hundreds of them nobody reads on.
const NAMED_MAX: usize = 5;

/// How long before its end a token or a certificate is spoken of.
const NOTICE_DAYS: f64 = 14.0;

const DAY_S: f64 = 86_400.0;

/// What becomes of tuples that nobody gets, as the books have it, and what to do about it.
const FATES: [(&str, &str); 3] = [
    (
        "expired",
        "they were the oldest beyond its `max_backlog_bytes`; raise it, or see why the receiver takes less than \
         comes in",
    ),
    ("damaged", "the disk damaged them; see `tidegate queue verify`"),
    (
        "lost",
        "they were in memory when the queue ended; a `queue.durability` other than memory keeps them",
    ),
];

/// The summary, `{state, text}` with the state `well`, `look` or `trouble`, and the list of problems.
pub(super) fn of(told: &Value) -> (Value, Value) {
    let mut problems = troubles(told);
    let is_trouble = !problems.is_empty();
    receivers(told, &mut problems);
    queue(told, &mut problems);
    // What would keep the gateway from starting again, or ends one day, before what one source does wrong.
    reload(told, &mut problems);
    ends(told, &mut problems);
    strays(told, &mut problems);
    sources(told, &mut problems);
    let more = match problems.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more below)", count - 1),
    };
    let first = problems.first().map(|problem| problem["text"].as_str().unwrap_or_default());
    let (state, text) = match first {
        None => ("well", well(told).to_owned()),
        Some(text) if is_trouble => ("trouble", format!("Needs attention: {text}{more}")),
        Some(text) => ("look", format!("Works, but worth a look: {text}{more}")),
    };
    (json!({"state": state, "text": text}), Value::Array(problems))
}

/// Numbers are not in it: a sentence that is read aloud changes when something happens.
fn well(told: &Value) -> &'static str {
    let is_gone = |receiver: &Value| {
        let gone = |fate: &&str| receiver["books"][*fate].as_u64().is_some_and(|count| count > 0);
        ["expired", "damaged", "lost", "purged"].iter().any(|fate| gone(&fate))
    };
    if list(&told["sources"]).all(|source| source["last_seen"].is_null()) {
        "All is well; nothing has come in since the start."
    } else if told["queue"]["tuples"] == 0 && !list(&told["receivers"]).any(is_gone) {
        "All is well: everything that came in is delivered."
    } else {
        "All is well: metrics come in and are delivered."
    }
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

fn text(of: &Value) -> &str {
    of.as_str().unwrap_or_default()
}

fn notice(problems: &mut Vec<Value>, about: &str, text: &str) {
    problems.push(json!({"level": "look", "about": about, "text": text}));
}

/// Why the gateway is not ready: these are in an order already.
fn troubles(told: &Value) -> Vec<Value> {
    let trouble = |cause: &Value| {
        let about = cause["receiver"].as_str().map(|name| format!("receiver {name}"));
        json!({
            "level": "trouble",
            "about": about.as_deref().unwrap_or("gateway"),
            "text": cause["message"],
        })
    };
    list(&told["causes"]).map(trouble).collect()
}

fn receivers(told: &Value, problems: &mut Vec<Value>) {
    for receiver in list(&told["receivers"]) {
        let name = text(&receiver["name"]);
        let about = format!("receiver {name}");
        let is_told = problems.iter().any(|problem| problem["about"] == about);
        let waiting = receiver["backlog"]["tuples"].as_u64().unwrap_or_default();
        if receiver["state"].is_null() && waiting > 0 {
            let text = format!(
                "{waiting} tuples wait for {name}, which is not configured any more: configure it again, or \
                 give them up with `tidegate queue forget {name}`"
            );
            notice(problems, &about, &text);
        } else if receiver["state"] == "retrying" && !is_told {
            let error = text(&receiver["last_error"]["text"]);
            let text = format!("receiver {name} fails and is tried again by itself: {error}");
            notice(problems, &about, &text);
        }
        for (fate, why) in FATES {
            let count = receiver["gone_last_hour"][fate].as_u64().unwrap_or_default();
            if count > 0 {
                let text =
                    format!("{count} tuples for {name} were lost within the last hour: {why}");
                notice(problems, &about, &text);
            }
        }
        let letters = receiver["dead_letters"]["letters"].as_u64().unwrap_or_default();
        if letters > 0 {
            let text = format!(
                "{letters} tuples that receiver {name} refused for good are kept as dead letters: see \
                 `tidegate dead-letters ls`"
            );
            notice(problems, "dead letters", &text);
        }
    }
}

fn queue(told: &Value, problems: &mut Vec<Value>) {
    let queue = &told["queue"];
    let number = |member: &str| queue[member].as_f64();
    // A file that begins takes room as well, while nothing waits.
    let waits = queue["tuples"].as_u64().is_some_and(|tuples| tuples > 0);
    if let Some(seconds) = number("full_in_s").filter(|seconds| waits && *seconds < FULL_SOON_S) {
        let minutes = (seconds / 60.0).ceil();
        let text = format!(
            "the queue grows and has no room in {minutes} min at this rate: see which receiver takes less than \
             comes in"
        );
        notice(problems, "queue", &text);
    } else if let (Some(used), Some(limit)) = (number("bytes"), number("limit_bytes"))
        && used > limit * FULL_SHARE
    {
        let share = (used / limit * 100.0).floor();
        notice(problems, "queue", &format!("the queue is {share} % full, see `queue.max_bytes`"));
    }
}

/// Of each kind the first few by name, and how many more there are.
fn sources(told: &Value, problems: &mut Vec<Value>) {
    let [mut refused, mut growing, mut silent] = [const { Vec::new() }; 3];
    for source in list(&told["sources"]) {
        let name = text(&source["name"]);
        let last = &source["last_rejects"][0];
        let happens = |rate: &str| source[rate].as_f64().is_some_and(|rate| rate > 0.0);
        if (happens("reject_rate") || happens("refuse_rate")) && last.is_object() {
            let what = if happens("reject_rate") { "metrics" } else { "bodies" };
            let why = format!("{}: {}", text(&last["code"]), text(&last["message"]));
            refused
                .push((name, format!("{what} of source {name} are rejected, the last for {why}")));
        }
        let series = &source["quota"]["series"];
        if let Some(grows) = series["grows"]["text"].as_str() {
            let text = format!(
                "source {name} has {} series of the {} it may have: {grows}",
                series["count"], series["limit"]
            );
            growing.push((name, text));
        }
        if let Some(seconds) = source["silent_s"].as_f64().filter(|seconds| *seconds >= SILENT_S) {
            let minutes = (seconds / 60.0).floor();
            silent.push((name, format!("source {name} has been silent for {minutes} min")));
        }
    }
    for (kind, what) in [
        (growing, "are near the series they may have"),
        (refused, "have metrics or bodies that are rejected"),
        (silent, "are silent"),
    ] {
        for (name, text) in kind.iter().take(NAMED_MAX) {
            notice(problems, &format!("source {name}"), text);
        }
        let more = kind.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            notice(problems, "sources", &format!("{more} more sources {what}"));
        }
    }
}

/// What ends soon or has ended, as long before as the log tells of it: tokens, and certificates of the ports.
fn ends(told: &Value, problems: &mut Vec<Value>) {
    let Some(now) = seconds_of(&told["now"]) else { return };
    let when = |end: &Value| {
        let left_s = seconds_of(end)? - now;
        let days = (left_s / DAY_S).floor();
        (days < NOTICE_DAYS).then(|| match days {
            _ if left_s <= 0.0 => format!("ended at {}", text(end)),
            0.0 => format!("ends within a day, at {}", text(end)),
            1.0 => format!("ends in 1 day, at {}", text(end)),
            days => format!("ends in {days} days, at {}", text(end)),
        })
    };
    for source in list(&told["sources"]) {
        let name = text(&source["name"]);
        for token in list(&source["tokens"]) {
            if let Some(when) = when(&token["expires"]) {
                let key = text(&token["key"]);
                let text = format!(
                    "`{key}` of source {name} {when}: give its clients another one, `tidegate token new` \
                     makes it"
                );
                notice(problems, &format!("source {name}"), &text);
            }
        }
    }
    for certificate in list(&told["certificates"]) {
        if let Some(when) = when(&certificate["ends"]) {
            let port = text(&certificate["port"]);
            let text = format!(
                "the certificate of the {port} port {when}: put a new one where `cert_file` is, it is taken \
                 over by itself"
            );
            notice(problems, "gateway", &text);
        }
    }
}

/// Unix seconds of an instant as it is told.
fn seconds_of(instant: &Value) -> Option<f64> {
    let at = humantime::parse_rfc3339(instant.as_str()?).ok()?;
    Some(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
}

/// A change of the configuration that is not in effect.
fn reload(told: &Value, problems: &mut Vec<Value>) {
    let reload = &told["reload"];
    if reload["ok"] == false {
        let first = &reload["problems"][0];
        let text = format!(
            "the changed configuration was not taken over, the one before stays in effect: {}",
            first.as_str().unwrap_or("see the log")
        );
        notice(problems, "configuration", &text);
    }
    for setting in list(&reload["needs_restart"]) {
        let text =
            format!("{} has changed in the configuration and needs a restart", text(setting));
        notice(problems, "configuration", &text);
    }
}

/// What came without a known source in the last minute.
fn strays(told: &Value, problems: &mut Vec<Value>) {
    let lately = &told["edge"]["last_minute"];
    for (name, says) in [
        ("turned_away", "connections were turned away at `limits.connections`"),
        ("no_room", "requests were refused because there was no room"),
        (
            "over_limit",
            "requests were over the limit of their address, `limits.requests_per_minute`",
        ),
        ("unauthorized", "requests came without a token that is known"),
    ] {
        let count = lately[name].as_u64().unwrap_or_default();
        if count > 0 {
            notice(problems, "gateway", &format!("{count} {says}, in the last minute"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Value {
        json!({
            "causes": [],
            "now": "2026-11-22T12:00:00.000Z",
            "certificates": [{"port": "ingest", "ends": null}],
            "sources": [{
                "name": "checkout", "tokens": [{"key": "token", "expires": null}], "last_seen": "2026-11-22T12:00:00.000Z", "silent_s": 3.0,
                "reject_rate": 0.0, "last_rejects": [],
            }],
            "edge": {"last_minute": {"unauthorized": 0, "turned_away": 0}},
            "queue": {"bytes": 10, "limit_bytes": 100, "full_in_s": null, "tuples": 0},
            "receivers": [{
                "name": "main", "state": "flowing", "last_error": null,
                "backlog": {"tuples": 0}, "dead_letters": {"letters": 0},
                "books": {"expired": 0, "damaged": 0, "lost": 0, "purged": 0},
                "gone_last_hour": {"expired": 0, "damaged": 0, "lost": 0},
            }],
        })
    }

    fn summary(pointer: &str, value: Value) -> (String, String, Value) {
        let mut told = told();
        if !pointer.is_empty() {
            *told.pointer_mut(pointer).unwrap() = value;
        }
        let (summary, problems) = of(&told);
        (text(&summary["state"]).to_owned(), text(&summary["text"]).to_owned(), problems)
    }

    #[test]
    fn many_sources_with_the_same_trouble_are_counted_behind_what_matters_more() {
        let last = json!([{"code": "invalid_tags", "message": "no"}]);
        let source = |nth: u32| {
            json!({
                "name": format!("s{nth}"), "tokens": [], "silent_s": 3.0,
                "reject_rate": 1.0, "last_rejects": last,
            })
        };
        let mut told = told();
        told["sources"] = (0..40).map(source).collect();
        told["reload"] = json!({"ok": false, "problems": ["line 7"]});
        let (summary, problems) = of(&told);
        assert!(text(&summary["text"]).contains("line 7"), "{summary}");
        let problems: Vec<_> = list(&problems).map(|problem| text(&problem["text"])).collect();
        assert_eq!(problems.len(), 7, "{problems:?}");
        assert!(problems[6].starts_with("35 more sources have metrics"), "{problems:?}");
    }

    #[test]
    fn each_problem_has_its_condition_and_says_what_to_do() {
        let last = json!([{"code": "invalid_tags", "message": "<script>"}]);
        let cause = json!([{"cause": "receiver_held", "receiver": "main", "message": "held: no"}]);
        let growing = |seconds: f64, tuples: u64| json!({"bytes": 10, "limit_bytes": 100, "full_in_s": seconds, "tuples": tuples});
        let token = "/sources/0/tokens/0/expires";
        for (pointer, value, state, says) in [
            ("", json!(null), "well", "everything that came in is delivered"),
            ("/queue/tuples", json!(7), "well", "metrics come in and are delivered"),
            ("/sources/0/last_seen", json!(null), "well", "nothing has come in"),
            ("/causes", cause, "trouble", "Needs attention: held: no"),
            ("/receivers/0/state", json!("retrying"), "look", "fails and is tried again"),
            ("/receivers/0/state", json!(null), "well", ""),
            ("/receivers/0/dead_letters/letters", json!(2), "look", "tidegate dead-letters ls"),
            ("/queue", growing(90.0, 7), "look", "no room in 2 min at this rate"),
            ("/queue", growing(90_000.0, 7), "well", ""),
            ("/queue", growing(90.0, 0), "well", ""),
            (
                "/receivers/0/gone_last_hour/expired",
                json!(9),
                "look",
                "9 tuples for main were lost",
            ),
            ("/receivers/0/gone_last_hour/damaged", json!(9), "look", "tidegate queue verify"),
            (
                "/receivers/0/gone_last_hour/lost",
                json!(9),
                "look",
                "in memory when the queue ended",
            ),
            ("/receivers/0/books/expired", json!(9), "well", "metrics come in and are delivered"),
            ("/receivers/0/books/purged", json!(9), "well", "metrics come in and are delivered"),
            (token, json!("2026-12-06T12:00:00Z"), "well", ""),
            (
                token,
                json!("2026-12-06T11:59:59Z"),
                "look",
                "of source checkout ends in 13 days, at",
            ),
            (token, json!("2026-11-22T12:00:00Z"), "look", "`token` of source checkout ended at"),
            ("/certificates/0/ends", json!("2026-11-23T11:00:00Z"), "look", "ends within a day"),
            ("/certificates/0/ends", json!("2027-11-23T11:00:00Z"), "well", ""),
            ("/queue/bytes", json!(81), "look", "the queue is 81 % full"),
            ("/sources/0/silent_s", json!(725.0), "look", "silent for 12 min"),
            ("/sources/0/last_rejects", last, "well", ""),
            ("/edge/last_minute/unauthorized", json!(3), "look", "3 requests came without a token"),
        ] {
            let (told, sentence, _) = summary(pointer, value);
            assert_eq!(told, state, "{pointer}: {sentence}");
            assert!(sentence.contains(says), "{pointer}: {sentence}");
        }
    }

    #[test]
    fn the_worst_comes_first_and_what_is_told_is_told_once() {
        let mut told = told();
        told["receivers"][0]["state"] = json!("retrying");
        told["causes"] =
            json!([{"cause": "receiver_stalled", "receiver": "main", "message": "stalled"}]);
        told["sources"][0]["reject_rate"] = json!(0.5);
        told["sources"][0]["last_rejects"] = json!([{"code": "too_old", "message": "m"}]);
        let (summary, problems) = of(&told);
        let levels: Vec<&str> = list(&problems).map(|problem| text(&problem["level"])).collect();
        assert_eq!(levels, ["trouble", "look"]);
        assert_eq!(problems[1]["about"], "source checkout");
        assert_eq!(summary["text"], "Needs attention: stalled (and 1 more below)");
    }

    #[test]
    fn what_waits_for_nobody_is_told() {
        let mut told = told();
        told["receivers"][0]["state"] = Value::Null;
        told["receivers"][0]["backlog"]["tuples"] = json!(4);
        let (summary, _) = of(&told);
        assert!(text(&summary["text"]).contains("tidegate queue forget main"), "{summary}");
    }
}

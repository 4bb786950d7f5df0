//! The page as text.

use serde_json::json;

use super::*;

fn told(sources: usize) -> Told {
    let source = |nth: usize| {
        json!({
            "name": format!("s{nth:02}"), "accepted": 1_204, "rejected": 2, "refused": 1,
            "rate": nth as f64, "reject_rate": if nth == 1 { 0.5 } else { 0.0 }, "silent_s": 3.4,
            "last_rejects": [{"code": "invalid_tags", "message": "no\u{1b}[2J", "example": "x"}],
        })
    };
    serde_json::from_value(json!({
        "version": "0.1.0", "uptime_s": 7421.9, "ready": true, "durability": "fsync", "unknown": [1],
        "summary": {"state": "look", "text": "Works, but worth a look: receiver b fails"},
        "problems": [{"level": "look", "text": "receiver b fails"}, {"level": "look", "text": "other"}],
        "rates": {"accepted": 1204.4, "rejected": 0.25, "delivered": 12.34},
        "sources": (0..sources).map(source).collect::<Vec<_>>(),
        "queue": {"bytes": 1536, "limit_bytes": 4_294_967_296_u64, "disk_free_bytes": null,
                  "full_in_s": 303.0, "oldest_age_s": 2.0},
        "receivers": [
            {"name": "a", "state": "flowing", "rate": 12.34, "latency_ms": 3.6, "lag_seconds": 0.0,
             "backlog": {"tuples": 0}, "why": null, "last_error": {"at": "x", "text": "old"}},
            {"name": "b", "state": "retrying", "last_error": {"at": "x", "text": "refused"}},
        ],
        "dead_letters": {"letters": 1, "bytes": 2048},
    }))
    .unwrap()
}

fn texts(told: &Told, width: usize, height: usize) -> Vec<String> {
    let frame = Frame { told: Some(told), trouble: None, now: "NOW".into(), width, height };
    page(&frame).iter().map(|line| line.text().to_owned()).collect()
}

#[test]
fn the_page_says_what_comes_waits_and_goes() {
    let lines = texts(&told(1), usize::MAX, usize::MAX);
    assert_eq!(
        lines,
        [
            "tidegate 0.1.0  up 2h 3m  durability fsync  NOW",
            "Works, but worth a look: receiver b fails",
            "  other",
            "",
            "in        1,204 metrics/s, 0.25 rejected/s; out 12.3 tuples/s",
            "queue     1.5 KiB of 4.0 GiB, oldest 2s, FULL IN 5m 3s at this rate",
            "refused   1 dead letter, 2.0 KiB",
            "",
            "RECEIVER  STATE     TUPLES/S  LATENCY  LAG  WAITING  WHY",
            "a         flowing       12.3     4 ms   0s        0",
            "b         retrying         -        -    -        -  refused",
            "",
            "SOURCE  METRICS/S  REJECTED/S  ACCEPTED  REJECTED  REFUSED  SILENT  LAST REJECT",
            "s00             0           0     1,204         2        1      3s  invalid_tags: no?[2J",
        ]
    );
}

#[test]
fn a_page_fits_its_terminal_and_sources_make_way() {
    let told = told(60);
    let lines = texts(&told, 80, 24);
    assert_eq!(lines.len(), 24);
    assert!(lines[13].starts_with("s01"), "who has trouble comes first: {}", lines[13]);
    assert!(lines[14].starts_with("s59"), "then who sends most: {}", lines[14]);
    assert_eq!(lines.last().unwrap(), "and 50 sources more");
    let all = texts(&told, 80, usize::MAX);
    assert!(all.iter().any(|line| line.starts_with("s00")));
}

#[test]
fn a_long_sentence_goes_on_in_the_next_line() {
    let mut told = told(0);
    told.summary.text = "one two three four five six seven eight".into();
    let lines = texts(&told, 12, usize::MAX);
    assert_eq!(lines[1..4], ["one two", "three four", "five six seven eight"]);
}

#[test]
fn a_gateway_that_is_gone_is_said_above_what_it_told_last() {
    let told = told(1);
    let mut frame = Frame { told: None, trouble: None, now: String::new(), width: 80, height: 24 };
    assert_eq!(page(&frame)[0].text(), "asking the gateway ...");
    frame.trouble = Some("no gateway answers");
    assert_eq!(page(&frame).len(), 1);
    frame.told = Some(&told);
    let lines = page(&frame);
    assert_eq!(lines[0].text(), "no gateway answers; trying again");
    assert_eq!(lines[1].text(), "What it said last:");
}

#[test]
fn a_gateway_that_tells_little_is_shown_all_the_same() {
    let told: Told =
        serde_json::from_str(r#"{"ready": false, "causes": [{"message": "held"}]}"#).unwrap();
    assert_eq!(texts(&told, 80, 24)[1], "held");
}

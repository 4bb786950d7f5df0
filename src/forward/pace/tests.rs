//! Every state with every word, and the order of evidence.

use super::*;

const RETRY: Word = Word::Later { after: None };
const PROBE: Duration = Duration::from_secs(30);

fn asked(seconds: u64) -> Word {
    Word::Later { after: Some(Duration::from_secs(seconds)) }
}

fn pace() -> Pace {
    let backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));
    Pace::new(backoff, PROBE)
}

/// What is left to wait, in milliseconds, with a letter for the state.
fn shown(pace: &Pace, now: Instant) -> String {
    let left = |until: Instant| until.saturating_duration_since(now).as_millis();
    match pace.mode() {
        Mode::Flowing => "flowing".to_owned(),
        Mode::Retrying { until, wait: Wait::Drawn } => format!("retrying {}", left(until)),
        Mode::Retrying { until, wait: Wait::Asked } => format!("asked {}", left(until)),
        Mode::Held { until, by: Cause::Answer } => format!("held {}", left(until)),
        Mode::Held { until, .. } => format!("suspected {}", left(until)),
    }
}

#[test]
fn answers_to_attempts_of_this_state_move_it() {
    let cases: [(&[Word], &str); 15] = [
        (&[Word::Accepted], "flowing"),
        (&[RETRY], "retrying 400"),
        (&[RETRY, RETRY, RETRY], "retrying 1600"),
        (&[RETRY, RETRY, Word::Accepted, RETRY], "retrying 400"),
        (&[RETRY, Word::Never], "held 30000"),
        (&[asked(7)], "asked 7200"),
        (&[asked(0)], "asked 400"),
        (&[Word::Never, RETRY], "held 30000"),
        (&[Word::Never, asked(60)], "held 60000"),
        (&[Word::Never, Word::Never], "held 30000"),
        (&[Word::Never, Word::Accepted], "flowing"),
        // Whoever judges what is sent is up, and takes something.
        (&[Word::Refused], "flowing"),
        (&[RETRY, Word::Refused], "flowing"),
        (&[Word::Never, Word::Refused], "flowing"),
        (&[RETRY, Word::Refused, RETRY], "retrying 400"),
    ];
    let now = Instant::now();
    for (outcomes, expected) in cases {
        let mut pace = pace();
        for outcome in outcomes {
            let begun = pace.begin();
            pace.report(begun, *outcome, now, 1.0);
        }
        assert_eq!(shown(&pace, now), expected, "{outcomes:?}");
    }
}

#[test]
fn answers_to_attempts_of_an_earlier_state_count_only_where_they_prove_something() {
    // The state is made by the first outcome; the second was asked for before it.
    let cases = [
        (RETRY, RETRY, "retrying 400"),
        (RETRY, asked(9), "asked 9000"),
        (asked(9), asked(3), "asked 9200"),
        (RETRY, Word::Accepted, "flowing"),
        (asked(9), Word::Accepted, "asked 9200"),
        (RETRY, Word::Never, "held 30000"),
        (Word::Never, RETRY, "held 30000"),
        (Word::Never, Word::Accepted, "held 30000"),
        (Word::Never, Word::Never, "held 30000"),
        (RETRY, Word::Refused, "retrying 400"),
        (Word::Never, Word::Refused, "held 30000"),
    ];
    let now = Instant::now();
    for (first, second, expected) in cases {
        let mut pace = pace();
        let begun = pace.begin();
        pace.report(begun, first, now, 1.0);
        pace.report(begun, second, now, 1.0);
        assert_eq!(shown(&pace, now), expected, "{first:?}, then an old {second:?}");
    }
}

#[test]
fn a_refusal_from_before_an_outage_does_not_stop_the_flow_after_it() {
    let now = Instant::now();
    for old in [RETRY, asked(9), Word::Never] {
        let mut pace = pace();
        let begun = pace.begin();
        pace.report(begun, RETRY, now, 1.0);
        let later = pace.begin();
        pace.report(later, Word::Accepted, now, 1.0);
        pace.report(begun, old, now, 1.0);
        assert_eq!(shown(&pace, now), "flowing", "an old {old:?}");
    }
}

#[test]
fn a_shutdown_shortens_every_wait_but_the_one_asked_for() {
    let cases = [(RETRY, "retrying 0"), (Word::Never, "held 0"), (asked(7), "asked 7200")];
    let now = Instant::now();
    for (outcome, expected) in cases {
        let mut pace = pace();
        let begun = pace.begin();
        pace.report(begun, outcome, now, 1.0);
        pace.hurry(now);
        assert_eq!(shown(&pace, now), expected);
    }
}

#[test]
fn a_suspicion_lasts_until_an_attempt_is_accepted_that_began_after_the_refusals() {
    let cases: [(&[Word], &str); 7] = [
        (&[], "suspected 30000"),
        (&[Word::Refused], "suspected 30000"),
        (&[RETRY], "suspected 30000"),
        (&[asked(60)], "suspected 60000"),
        (&[Word::Never], "held 30000"),
        (&[Word::Never, Word::Refused], "suspected 30000"),
        (&[Word::Refused, Word::Accepted], "flowing"),
    ];
    let now = Instant::now();
    for (words, expected) in cases {
        let mut pace = pace();
        assert!(pace.suspect(1, now));
        for word in words {
            let begun = pace.begin();
            pace.report(begun, *word, now, 1.0);
        }
        assert_eq!(shown(&pace, now), expected, "{words:?}");
    }
}

#[test]
fn evidence_is_told_by_the_order_in_which_attempts_began() {
    let now = Instant::now();
    let mut pace = pace();
    let (before, first) = (pace.begin(), pace.begin());
    let since = pace.next_number();
    let between = pace.begin();
    assert!(pace.suspect(since, now));
    pace.report(before, Word::Accepted, now, 1.0);
    assert_eq!(shown(&pace, now), "suspected 30000", "it began before the refusals");
    let other = pace.next_number();
    assert!(pace.suspect(other, now), "a second one");
    pace.report(between, Word::Accepted, now, 1.0);
    assert!(pace.evidence_since(since) && !pace.evidence_since(other));
    assert_eq!(shown(&pace, now), "suspected 30000", "the second is not dispelled");
    let probe = pace.begin();
    pace.report(probe, Word::Accepted, now, 1.0);
    assert_eq!(shown(&pace, now), "flowing");
    assert!(!pace.suspect(other, now), "there is evidence already");
    pace.report(first, Word::Refused, now, 1.0);
    assert_eq!(shown(&pace, now), "flowing");
}

#[test]
fn a_probe_that_began_before_the_refusals_is_no_evidence_and_the_next_one_is_due() {
    let now = Instant::now();
    for held in [Word::Never, Word::Refused] {
        let mut pace = pace();
        if held == Word::Never {
            let begun = pace.begin();
            pace.report(begun, held, now, 1.0);
        } else {
            assert!(pace.suspect(1, now));
        }
        let probe = pace.begin();
        // What another delivery still had on the wire is refused meanwhile.
        assert!(pace.suspect(pace.next_number(), now));
        pace.report(probe, Word::Accepted, now, 1.0);
        assert_eq!(shown(&pace, now), "suspected 0", "held by {held:?}");
        let next = pace.begin();
        pace.report(next, Word::Refused, now, 1.0);
        assert_eq!(shown(&pace, now), "suspected 30000", "held by {held:?}");
    }
}

#[test]
fn evidence_that_began_before_the_suspicion_dispels_it() {
    let now = Instant::now();
    let mut pace = pace();
    let since = pace.next_number();
    let on_wire = pace.begin();
    assert!(pace.suspect(since, now));
    pace.report(on_wire, Word::Accepted, now, 1.0);
    assert_eq!(shown(&pace, now), "flowing");
}

#[test]
fn a_new_key_is_tried_at_once_and_answers_to_the_old_one_count_no_more() {
    let cases = [
        (Word::Never, Word::Never, "held 0"),
        (RETRY, Word::Never, "retrying 0"),
        (asked(7), RETRY, "asked 7200"),
        (Word::Accepted, Word::Never, "flowing"),
    ];
    let now = Instant::now();
    for (word, late, expected) in cases {
        let mut pace = pace();
        let begun = pace.begin();
        pace.report(begun, word, now, 1.0);
        let with_old_key = pace.begin();
        pace.retry_now(now);
        pace.report(with_old_key, late, now, 1.0);
        assert_eq!(shown(&pace, now), expected, "{word:?}, then {late:?} to the old key");
    }
}

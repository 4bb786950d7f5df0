//! Quotas as the edges use them, with time as a number.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::config::OverSeries;
use crate::metric::Tag;
use crate::pipeline::{Guard, Ruling};

const HOUR: Duration = Duration::from_hours(1);

fn limits(series: u64) -> SourceLimits {
    SourceLimits { series: NonZeroU64::new(series), ..SourceLimits::default() }
}

fn quota(limits: &SourceLimits) -> Arc<Quota> {
    Quotas::default().of(&"main".into(), limits).expect("something is limited")
}

fn session(quota: &Arc<Quota>, now: Duration) -> Session {
    quota.session(Intent::Take, now).expect("series are limited")
}

fn tags<'t>(pairs: &'t [(&'t str, &'t str)]) -> Vec<Tag<'t>> {
    pairs.iter().map(|(key, value)| Tag { key, value: Some(value) }).collect()
}

fn judge(session: &mut Session, name: &str, pairs: &[(&str, &str)]) -> Ruling {
    session.judge(name, &tags(pairs), &[])
}

/// Sends so many series of `name`, apart by the tag `user`, from number `first` on; how many passed as they were.
fn send(quota: &Arc<Quota>, now: Duration, name: &str, users: std::ops::Range<u64>) -> usize {
    let mut session = session(quota, now);
    let passed = users
        .filter(|user| judge(&mut session, name, &[("user", &user.to_string())]) == Ruling::Pass)
        .count();
    session.commit();
    passed
}

fn used(quota: &Quota, now: Duration) -> u64 {
    quota.standing(now).expect("series are limited").series
}

#[test]
fn a_source_without_limits_has_no_quota_and_series_alone_no_rates() {
    let quotas = Quotas::default();
    assert!(quotas.of(&"main".into(), &SourceLimits::default()).is_none());
    assert!(quotas.list().is_empty());
    let quota = quotas.of(&"main".into(), &limits(1)).unwrap();
    assert!((0..1000).all(|_| quota.admit(Duration::ZERO).is_ok()));
    let only_rates =
        SourceLimits { requests_per_minute: NonZeroU64::new(1), ..SourceLimits::default() };
    let quota = quotas.of(&"other".into(), &only_rates).unwrap();
    assert!(quota.session(Intent::Take, Duration::ZERO).is_none());
    assert_eq!(quotas.standings(Duration::ZERO).len(), 1);
}

#[test]
fn a_series_is_its_name_and_the_set_of_its_tags() {
    let quota = quota(&limits(1000));
    let mut body = session(&quota, Duration::ZERO);
    let different: [(&str, &[(&str, &str)]); 14] = [
        ("m", &[]),
        ("n", &[]),
        ("m", &[("a", "bc")]),
        ("m", &[("ab", "c")]),
        ("m", &[("abc", "")]),
        ("ma", &[("", "bc")]),
        ("m", &[("a", "b"), ("c", "d")]),
        ("m", &[("a", "d"), ("c", "b")]),
        ("m", &[("a", "bcd")]),
        ("m", &[("a", "b")]),
        ("m", &[("c", "d")]),
        ("m", &[("a", "b"), ("a", "c")]),
        ("m", &[("a", "c")]),
        ("mabc", &[]),
    ];
    for (name, pairs) in different {
        assert_eq!(judge(&mut body, name, pairs), Ruling::Pass);
    }
    assert_eq!(used(&quota, Duration::ZERO), different.len() as u64);
    let same: [(&str, &[(&str, &str)]); 4] = [
        ("m", &[("c", "d"), ("a", "b")]),
        ("m", &[("a", "c"), ("a", "b")]),
        ("m", &[("a", "b"), ("a", "b")]),
        ("m", &[("a", "b"), ("a", "c"), ("a", "b")]),
    ];
    for (name, pairs) in same {
        assert_eq!(judge(&mut body, name, pairs), Ruling::Pass);
    }
    // A bare key is no empty value, and the source's own tags say nothing.
    let bare = [Tag { key: "abc", value: None }];
    assert_eq!(body.judge("m", &bare, &[]), Ruling::Pass);
    let fixed = [("env".to_owned(), "prod".to_owned())];
    assert_eq!(body.judge("m", &tags(&[("env", "prod"), ("a", "b")]), &fixed), Ruling::Pass);
    assert_eq!(used(&quota, Duration::ZERO), different.len() as u64 + 1);
    body.commit();
}

#[test]
fn no_two_of_a_hundred_thousand_series_are_taken_for_one() {
    let quota = quota(&limits(1_000_000));
    assert_eq!(send(&quota, Duration::ZERO, "m", 0..100_000), 100_000);
    assert_eq!(used(&quota, Duration::ZERO), 100_000);
}

#[test]
fn known_series_pass_while_new_ones_are_refused_with_what_grows() {
    let quota = quota(&limits(100));
    assert_eq!(send(&quota, Duration::ZERO, "requests", 0..150), 100);
    assert_eq!(send(&quota, Duration::ZERO, "requests", 0..150), 100);
    let mut body = session(&quota, Duration::ZERO);
    assert_eq!(judge(&mut body, "other", &[]), Ruling::Refuse);
    let why = body.why_refused("other");
    for part in [
        "`other` would begin a new one",
        "its 100 series (`series`",
        "metric `requests`",
        "its tag `user`",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    drop(body);
    let later = HOUR + HOUR / 16 + Duration::from_secs(1);
    assert_eq!(send(&quota, later, "other", 0..100), 100, "the old ones are forgotten");
}

#[test]
fn the_tag_that_grows_is_stripped_and_what_remains_counts_once() {
    let quota = quota(&SourceLimits { over_series: OverSeries::Strip, ..limits(100) });
    assert_eq!(send(&quota, Duration::ZERO, "requests", 0..100), 100);
    let mut body = session(&quota, Duration::ZERO);
    for user in 100..200 {
        let (user, region) = (format!("u{user}"), format!("r{}", user % 2));
        let ruling = judge(&mut body, "requests", &[("region", &region), ("user", &user)]);
        assert_eq!(ruling, Ruling::Strip(vec![1]));
        let why = body.why_stripped(&["user"]);
        assert!(
            why.starts_with("sent without its tag `user`, for the source has its 100"),
            "{why}"
        );
    }
    body.commit();
    assert_eq!(used(&quota, Duration::ZERO), 102, "one for each region");
    // Where no tag grows nothing can be taken off.
    let mut body = session(&quota, Duration::ZERO);
    assert_eq!(judge(&mut body, "fresh", &[("kind", "x")]), Ruling::Refuse);
    // And what is stripped is bounded as well.
    let names = (0..1000).map(|n| format!("m{n}"));
    for name in names {
        for value in 0..3 {
            judge(&mut body, &name, &[("user", &format!("{name}.{value}"))]);
        }
    }
    body.commit();
    assert_eq!(used(&quota, Duration::ZERO), 112, "an eighth more, and no more");
}

#[test]
fn few_series_have_little_room_for_what_was_stripped() {
    let quota = quota(&SourceLimits { over_series: OverSeries::Strip, ..limits(10) });
    for name in ["a", "b", "c"] {
        send(&quota, Duration::ZERO, name, 0..100);
    }
    assert_eq!(used(&quota, Duration::ZERO), 11);
}

#[test]
fn a_tag_that_grows_on_many_metrics_sent_in_turn_is_stripped() {
    for names in [16, 18, 40] {
        let quota = quota(&SourceLimits { over_series: OverSeries::Strip, ..limits(400) });
        let mut rulings = [0; 3];
        for user in 0..100 {
            let mut body = session(&quota, Duration::ZERO);
            for name in 0..names {
                let user = format!("u{user}");
                let ruling = judge(&mut body, &format!("m{name}"), &[("user", &user)]);
                rulings[match ruling {
                    Ruling::Pass => 0,
                    Ruling::Strip(_) => 1,
                    Ruling::Refuse => 2,
                }] += 1;
            }
            body.commit();
        }
        let [passed, stripped, refused] = rulings;
        assert_eq!(passed, 400);
        // In 400 series of 40 names are ten users: it takes a few more to be sure that they grow.
        assert!(refused <= names * 40 && stripped >= names * 30, "{names}: {rulings:?}");
    }
}

#[test]
fn a_tag_of_few_values_is_left_alone_while_another_grows() {
    let quota = quota(&SourceLimits { over_series: OverSeries::Strip, ..limits(50) });
    assert_eq!(send(&quota, Duration::ZERO, "requests", 0..60), 50);
    let mut body = session(&quota, Duration::ZERO);
    for host in ["h1", "h2", "h1", "h2"] {
        assert_eq!(judge(&mut body, "disk.used", &[("host", host)]), Ruling::Refuse);
    }
}

#[test]
fn a_body_that_is_not_delivered_leaves_nothing_behind() {
    let quota = quota(&limits(10));
    let mut lost = session(&quota, Duration::ZERO);
    let mut kept = session(&quota, Duration::ZERO);
    for user in ["1", "2", "3"] {
        assert_eq!(judge(&mut lost, "m", &[("user", user)]), Ruling::Pass);
    }
    assert_eq!(judge(&mut kept, "m", &[("user", "3")]), Ruling::Pass);
    assert_eq!(used(&quota, Duration::ZERO), 3, "they count while they are on their way");
    let mark = lost.mark();
    assert_eq!(judge(&mut lost, "m", &[("user", "4")]), Ruling::Pass);
    lost.rewind(mark);
    assert_eq!(used(&quota, Duration::ZERO), 3, "a broken line takes its own back");
    drop(lost);
    kept.commit();
    assert_eq!(used(&quota, Duration::ZERO), 1);
}

#[test]
fn a_preview_is_judged_as_the_body_would_be_and_changes_nothing() {
    let quota = quota(&limits(10));
    send(&quota, Duration::ZERO, "m", 0..5);
    let mut preview = quota.session(Intent::Preview, Duration::ZERO).unwrap();
    let rulings: Vec<_> = (0..20_u64)
        .chain(0..20)
        .map(|user| judge(&mut preview, "m", &[("user", &user.to_string())]) == Ruling::Pass)
        .collect();
    let expected: Vec<_> = (0..20).chain(0..20).map(|user| user < 10).collect();
    assert_eq!(rulings, expected);
    drop(preview);
    assert_eq!(used(&quota, Duration::ZERO), 5);
}

#[test]
fn a_preview_strips_what_the_body_would_be_stripped_of() {
    let quota = quota(&SourceLimits { over_series: OverSeries::Strip, ..limits(100) });
    send(&quota, Duration::ZERO, "m", 0..30);
    let rulings = |intent| {
        let mut body = quota.session(intent, Duration::ZERO).unwrap();
        let users = (0..300_u64).chain(200..250);
        let ruled = users.map(|user| {
            let pairs = [("zone", "a"), ("user", &*user.to_string())];
            judge(&mut body, ["m", "n"][user as usize % 2], &pairs)
        });
        ruled.collect::<Vec<_>>()
    };
    let preview = rulings(Intent::Preview);
    assert_eq!(preview, rulings(Intent::Take));
    assert!(preview[100..].contains(&Ruling::Strip(vec![1])));
}

#[test]
fn a_series_that_a_body_has_often_is_held_once() {
    let quota = quota(&limits(10));
    let mut body = session(&quota, Duration::ZERO);
    for _ in 0..1000 {
        assert_eq!(judge(&mut body, "m", &[]), Ruling::Pass);
    }
    assert_eq!(body.mark(), 1);
    // A broken line that has it again does not take it away from the one before.
    judge(&mut body, "m", &[]);
    body.rewind(1);
    assert_eq!(used(&quota, Duration::ZERO), 1);
    body.rewind(0);
    assert_eq!(used(&quota, Duration::ZERO), 0);
    judge(&mut body, "m", &[]);
    assert_eq!(used(&quota, Duration::ZERO), 1);
    drop(body);
    assert_eq!(used(&quota, Duration::ZERO), 0);
}

#[test]
fn a_warning_comes_once_a_window_from_eighty_percent_on() {
    let quota = quota(&limits(100));
    let warns = |now| lock(&quota.series).as_mut().unwrap().warning_at(now);
    let fill = |now, users: std::ops::Range<u64>| {
        let mut body = session(&quota, now);
        users.for_each(|user| {
            judge(&mut body, "m", &[("user", &user.to_string())]);
        });
        body.deliver();
    };
    fill(Duration::ZERO, 0..79);
    assert_eq!(warns(Duration::ZERO), None);
    assert_eq!(quota.standing(Duration::ZERO).unwrap().growth, None);
    fill(Duration::ZERO, 79..80);
    let warning = warns(Duration::ZERO).expect("that is 80 %");
    assert_eq!((warning.series, warning.limit), (80, 100));
    assert_eq!(warning.growth.as_ref().unwrap().metric, "m");
    assert_eq!(quota.standing(Duration::ZERO).unwrap().growth, warning.growth);
    fill(Duration::ZERO, 0..100);
    assert_eq!(warns(HOUR / 2), None);
    fill(HOUR, 0..100);
    assert!(warns(HOUR).is_some(), "another window");
    assert_eq!(warns(HOUR), None);
}

#[test]
fn a_reload_takes_changed_numbers_over_and_forgets_nothing() {
    let (quotas, name) = (Quotas::default(), Arc::from("main"));
    let first = quotas.of(&name, &limits(100)).unwrap();
    send(&first, HOUR, "m", 0..100);
    let mut under_way = session(&first, HOUR);
    let same = quotas.of(&name, &limits(100)).unwrap();
    assert!(Arc::ptr_eq(&first, &same));

    let wider = SourceLimits { series_window: 4 * HOUR, ..limits(150) };
    quotas.of(&name, &wider).unwrap();
    assert_eq!(judge(&mut under_way, "m", &[("user", "100")]), Ruling::Pass);
    under_way.commit();
    assert_eq!((used(&first, HOUR), used(&first, 4 * HOUR)), (101, 101));
    assert_eq!(first.standing(HOUR).unwrap().limit, 150);

    quotas.of(&name, &SourceLimits { series_window: 4 * HOUR, ..limits(10) }).unwrap();
    assert_eq!(send(&first, 4 * HOUR, "m", 0..200), 101, "known ones still pass");
    assert_eq!(used(&first, 9 * HOUR), 0);
    assert_eq!(send(&first, 9 * HOUR, "m", 0..200), 10);

    assert!(quotas.of(&name, &SourceLimits::default()).is_none());
    assert!(quotas.list().is_empty());
    quotas.of(&name, &limits(1)).unwrap();
    quotas.keep_only(|name| name != "main");
    assert!(quotas.list().is_empty());
}

#[test]
fn a_body_under_way_while_the_limit_is_lowered_or_taken_away_does_no_harm() {
    let (quotas, name) = (Quotas::default(), Arc::from("main"));
    let quota = quotas.of(&name, &limits(1000)).unwrap();
    let mut body = session(&quota, Duration::ZERO);
    for user in 0..1000_u64 {
        judge(&mut body, "m", &[("user", &user.to_string())]);
    }
    let rates = SourceLimits { bytes_per_minute: NonZeroU64::new(1), ..SourceLimits::default() };
    quotas.of(&name, &rates).unwrap();
    assert_eq!(judge(&mut body, "n", &[]), Ruling::Pass);
    quotas.of(&name, &limits(10)).unwrap();
    body.commit();
    assert_eq!(used(&quota, Duration::ZERO), 10);
}

#[test]
fn a_request_over_a_rate_counts_for_none_of_them() {
    let quota = quota(&SourceLimits {
        requests_per_minute: NonZeroU64::new(2),
        metrics_per_minute: NonZeroU64::new(60),
        ..SourceLimits::default()
    });
    let at = Duration::from_secs;
    assert!(quota.admit(at(0)).is_ok());
    quota.charge(Rate::Metrics, 120, at(0));
    let over = quota.admit(at(1)).unwrap_err();
    assert_eq!(over, Over { rate: Rate::Metrics, quota: 60, wait_s: 60 });
    let text = over.to_string();
    assert!(text.contains("more than 60 metrics a minute (`metrics_per_minute`"), "{text}");
    assert!(quota.admit(at(61)).is_ok() && quota.admit(at(61)).is_ok());
    assert_eq!(quota.admit(at(61)).unwrap_err().rate, Rate::Requests);
    assert_eq!(Rate::ALL.map(|rate| quota.refused(rate)), [1, 1, 0]);
}

#[test]
fn bodies_that_begin_the_same_series_at_once_count_them_once() {
    let quota = quota(&limits(1000));
    let passed: usize = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).map(|_| send(&quota, Duration::ZERO, "m", 0..1000)).sum::<usize>()
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!(passed, 8 * 20 * 1000);
    assert_eq!(used(&quota, Duration::ZERO), 1000);
    assert_eq!(send(&quota, Duration::ZERO, "m", 1000..1001), 0);
}

#[test]
fn bodies_with_series_of_their_own_share_the_limit_exactly() {
    let quota = quota(&limits(1000));
    let passed: usize = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..8_u64)
            .map(|nth| {
                let quota = &quota;
                scope.spawn(move || send(quota, Duration::ZERO, "m", nth * 500..nth * 500 + 500))
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum()
    });
    assert_eq!((passed, used(&quota, Duration::ZERO)), (1000, 1000));
}

proptest! {
    /// Whatever is sent when: what was delivered within the window passes, there are never more than the
    /// limit, and what is refused could not have been taken.
    #[test]
    fn the_guard_keeps_what_it_says(
        limit in 1_u64..20,
        bodies in prop::collection::vec(
            (0_u64..2_000, prop::collection::vec((0_u64..3, 0_u64..12), 0..20), any::<bool>()),
            1..40,
        ),
    ) {
        let quota = quota(&limits(limit));
        let mut now = Duration::ZERO;
        // When each was last seen for certain; and perhaps, where it may have been forgotten before.
        let mut certain: HashMap<(u64, u64), Duration> = HashMap::new();
        let mut perhaps = certain.clone();
        let longest = HOUR + HOUR / 16;
        for (wait_s, metrics, is_delivered) in bodies {
            now += Duration::from_secs(wait_s);
            let mut body = session(&quota, now);
            let mut begun = BTreeSet::new();
            for metric in metrics {
                let (name, user) = (metric.0.to_string(), metric.1.to_string());
                let passed = judge(&mut body, &name, &[("user", &user)]) == Ruling::Pass;
                if certain.get(&metric).is_some_and(|seen| now.saturating_sub(*seen) <= HOUR) {
                    prop_assert!(passed, "a known one");
                    certain.insert(metric, now);
                }
                if let Some(seen) = perhaps.get_mut(&metric).filter(|seen| now.saturating_sub(**seen) <= longest) {
                    *seen = now;
                }
                if passed {
                    begun.insert(metric);
                } else {
                    let alive = perhaps.iter().filter(|(_, seen)| now.saturating_sub(**seen) <= longest);
                    let most: BTreeSet<_> = alive.map(|(metric, _)| *metric).chain(begun.iter().copied()).collect();
                    prop_assert!(most.len() as u64 >= limit, "refused with room: {}", most.len());
                }
                prop_assert!(used(&quota, now) <= limit);
            }
            if is_delivered {
                body.commit();
                certain.extend(begun.iter().map(|metric| (*metric, now)));
                perhaps.extend(begun.iter().map(|metric| (*metric, now)));
            }
        }
    }
}

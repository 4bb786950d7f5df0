//! How many requests a session needs, and what it makes of a receiver's moods; the property over
//! arbitrary scripts is in [`model`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::encode::Block;
use crate::queue::Leased;

mod model;

const ALL: usize = usize::MAX;

/// One block of `tuples` tuples, which are their own indices: `[7]`.
fn part(tuples: u32) -> Part {
    let texts: Vec<_> = (0..tuples).map(|index| format!("[{index}]")).collect();
    Part::of(&[leased(3, &texts)])
}

fn leased(sequence: u64, tuples: &[String]) -> Leased {
    Leased {
        sequence,
        source: Arc::from("shop"),
        received: Timestamp::from_unix(1, 0),
        block: Block { bytes: tuples.join(",\n").into(), tuples: tuples.len() as u32 },
    }
}

fn refusal(status: u16) -> Refusal {
    Refusal { status, answer: Arc::from("no"), at: Timestamp::from_unix(2, 0) }
}

/// Reports an answer that refuses.
fn refuse(session: &mut Session, status: u16) {
    let is_first = !session.has_progress();
    let evidence = match status {
        413 => session.too_large(refusal(413)),
        _ => session.refused(refusal(status)),
    };
    assert!(!is_first || evidence == Evidence::Anew, "nothing was asked to look for evidence");
}

fn indices(part: &Part) -> impl Iterator<Item = u32> {
    part.pieces().iter().flat_map(|piece| piece.first..piece.first + piece.tuples)
}

/// What a session came to.
#[derive(Debug, PartialEq, Eq)]
struct End {
    requests: u32,
    delivered: u64,
    lone: Vec<u32>,
}

/// Runs a session against a receiver that refuses every part `refuses` says; panics if it is suspect.
fn run(tuples: u32, bytes_max: usize, mut refuses: impl FnMut(&Part) -> Option<u16>) -> End {
    let (mut session, mut requests) = (Session::new(part(tuples)), 0);
    loop {
        match session.next(false, bytes_max) {
            Step::Post(part) => {
                requests += 1;
                match refuses(&part) {
                    None => session.accepted(),
                    Some(status) => refuse(&mut session, status),
                }
            }
            Step::Suspect => panic!("suspect after {requests} requests"),
            Step::Over { delivered, lone } => {
                let mut lone: Vec<_> = lone.iter().map(|lone| lone.piece.first).collect();
                lone.sort_unstable();
                return End { requests, delivered, lone };
            }
        }
    }
}

fn poisoned(poison: impl IntoIterator<Item = u32>) -> impl FnMut(&Part) -> Option<u16> {
    let poison: BTreeSet<u32> = poison.into_iter().collect();
    move |part| indices(part).any(|index| poison.contains(&index)).then_some(422)
}

/// Follows a session of which one of `suspects` is the bad tuple, whichever it is: at every answer
/// that tells some from the others it goes both ways. The most requests.
fn worst(mut session: Session, suspects: Vec<u32>, requests: u32, found: &mut Vec<u32>) -> u32 {
    match session.next(false, ALL) {
        Step::Suspect => panic!("suspect after {requests} requests"),
        Step::Over { lone, .. } => {
            let lone: Vec<_> = lone.iter().map(|lone| lone.piece.first).collect();
            assert_eq!(lone, suspects);
            found.extend(lone);
            requests
        }
        Step::Post(part) => {
            let [piece] = part.pieces() else { panic!("one block") };
            let posted = piece.first..piece.first + piece.tuples;
            let (inside, outside): (Vec<_>, Vec<_>) =
                suspects.into_iter().partition(|suspect| posted.contains(suspect));
            let (mut refused, mut most) = (session.clone(), 0);
            if !inside.is_empty() {
                refuse(&mut refused, 422);
                most = worst(refused, inside, requests + 1, found);
            }
            if !outside.is_empty() {
                session.accepted();
                most = most.max(worst(session, outside, requests + 1, found));
            }
            most
        }
    }
}

#[test]
fn one_bad_tuple_is_found_in_twice_the_logarithm_and_one_requests_wherever_it_is() {
    for tuples in (2..=130).chain([1_000, 4_096, 9_999]) {
        let mut found = Vec::new();
        let worst = worst(Session::new(part(tuples)), (0..tuples).collect(), 0, &mut found) - 1;
        let bound = (2.0 * f64::from(tuples).log2() + 1.0).floor() as u32;
        assert!(worst <= bound, "{worst} requests for one of {tuples}, at most {bound}");
        assert!(found.into_iter().eq(0..tuples), "every position was followed to its end");
    }
}

#[test]
fn a_part_nobody_refuses_is_one_request() {
    assert_eq!(run(500, ALL, |_| None), End { requests: 1, delivered: 500, lone: vec![] });
}

#[test]
fn several_bad_tuples_are_each_found_and_all_others_delivered() {
    let cases: [&[u32]; 5] = [&[0, 1], &[499, 998, 999], &[0, 999], &[10, 11, 12, 13, 700], &[500]];
    for bad in cases {
        let end = run(1_000, ALL, poisoned(bad.iter().copied()));
        assert_eq!((end.delivered, &*end.lone), (1_000 - bad.len() as u64, bad));
        let bound = 1 + bad.len() as u32 * 21;
        assert!(end.requests <= bound, "{} requests, at most {bound}", end.requests);
    }
    // More than make a session suspect: there is evidence.
    let bad: Vec<u32> = (0..1_000).filter(|index| index % 10 == 5).collect();
    assert_eq!(run(1_000, ALL, poisoned(bad.clone())).lone, bad);
}

#[test]
fn bad_tuples_are_found_in_parts_that_are_cut_by_size_as_well() {
    let mut refuses = poisoned([77, 600]);
    let end = run(1_000, 500, |part| {
        assert!(part.bytes() <= 500);
        refuses(part)
    });
    assert_eq!((end.delivered, end.lone), (998, vec![77, 600]));
}

#[test]
fn too_large_parts_are_split_until_they_pass_and_a_tuple_too_large_alone_needs_no_evidence() {
    let end = run(100, ALL, |part| (part.bytes() > 90).then_some(413));
    assert_eq!((end.delivered, end.lone), (100, vec![]));
    assert!(end.requests <= 16, "{} requests for six bodies' worth", end.requests);
    // `[0]` to `[9]` have three bytes, `[10]` has four.
    let end = run(11, ALL, |part| (part.bytes() > 3).then_some(413));
    assert_eq!((end.delivered, end.lone), (10, vec![10]));
    assert_eq!(run(1, ALL, |_| Some(413)).lone, [0], "nothing was ever accepted");
    assert_eq!(run(15, ALL, |_| Some(413)).lone.len(), 15, "one below suspicion");
}

#[test]
fn a_split_by_size_within_a_halving_leads_to_no_wrong_conclusion() {
    // Every order of the two refusals: the size limit bites first halves only, second halves only, ...
    for limit in [3, 7, 20, 50, 100] {
        for bad in 0..60 {
            let mut refuses = poisoned([bad]);
            let end = run(60, ALL, |part| {
                let is_large = part.bytes() > limit && part.tuples() < 60;
                if is_large { Some(413) } else { refuses(part) }
            });
            if limit > 4 {
                assert_eq!((end.delivered, end.lone), (59, vec![bad]), "limit {limit}");
            }
        }
    }
}

#[test]
fn a_first_half_cut_by_a_smaller_bound_leaves_its_cuts_and_the_second_half_to_be_posted_whole() {
    let mut session = Session::new(part(64));
    assert!(matches!(session.next(false, ALL), Step::Post(_)));
    refuse(&mut session, 422);
    let mut posts = Vec::new();
    while let Step::Post(part) = session.next(false, 80) {
        posts.push(part.tuples());
        session.accepted();
    }
    assert_eq!(posts, [15, 13, 4, 13, 13, 6], "what fits into 80 bytes, and no halves of it");
}

#[test]
fn sixteen_tuples_too_large_alone_are_posted_again_until_there_is_evidence() {
    let mut session = Session::new(part(16));
    suspicion(&mut session, 413);
    for _ in 0..40 {
        assert!(matches!(session.next(false, ALL), Step::Post(part) if part.tuples() == 1));
        refuse(&mut session, 413);
    }
    let end = std::iter::repeat_with(|| {
        if let Step::Over { lone, .. } = session.next(true, ALL) {
            return Some(lone);
        }
        refuse(&mut session, 413);
        None
    });
    assert_eq!(end.take(17).flatten().next().expect("it ends").len(), 16);
}

#[test]
fn what_was_too_large_for_a_receiver_that_took_nothing_is_asked_again_when_it_takes_something() {
    let mut session = Session::new(part(40));
    suspicion(&mut session, 413);
    let mut requests = 0;
    loop {
        match session.next(true, ALL) {
            Step::Post(_) => session.accepted(),
            Step::Suspect => unreachable!("there is evidence"),
            Step::Over { delivered, lone } => {
                assert_eq!((delivered, lone.len()), (40, 0));
                break;
            }
        }
        requests += 1;
        assert!(requests <= 40);
    }
}

/// Drives a session that meets nothing but `status` to suspicion; how many requests that took.
fn suspicion(session: &mut Session, status: u16) -> u32 {
    let mut requests = 0;
    loop {
        match session.next(false, ALL) {
            Step::Post(_) => requests += 1,
            Step::Suspect => return requests,
            Step::Over { .. } => panic!("over after {requests} requests"),
        }
        assert!(!session.is_suspect());
        refuse(session, status);
    }
}

#[test]
fn a_receiver_that_refuses_everything_is_suspected_after_few_requests() {
    for status in [400, 413, 422] {
        for tuples in (16..200).chain([1_000, 4_095, 9_999, 10_000]) {
            let mut session = Session::new(part(tuples));
            let requests = suspicion(&mut session, status);
            // Down to the first lone tuple, then a binary tree with sixteen leaves.
            let bound = u32::BITS - (tuples - 1).leading_zeros() + 30;
            assert!(requests <= bound, "{requests} of {tuples} tuples, at most {bound}");
            assert!(session.is_suspect());
        }
    }
    // Fewer tuples than that: when all have been asked about.
    for tuples in 1..16 {
        assert_eq!(suspicion(&mut Session::new(part(tuples)), 400), 2 * tuples - 1);
    }
}

#[test]
fn a_suspect_session_ends_well_when_the_receiver_is_mended() {
    for probes in [0, 1, 5, 100, 1_000] {
        let mut session = Session::new(part(300));
        suspicion(&mut session, 400);
        for _ in 0..probes {
            assert!(matches!(session.next(false, ALL), Step::Post(_)), "one request a probe");
            refuse(&mut session, 400);
            assert!(session.is_suspect(), "and it goes on being one, without saying so again");
        }
        let mut requests = 0;
        let (delivered, lone) = loop {
            match session.next(false, ALL) {
                Step::Post(_) => session.accepted(),
                Step::Suspect => panic!("the receiver is mended"),
                Step::Over { delivered, lone } => break (delivered, lone),
            }
            assert!(!session.is_suspect(), "its own delivery is evidence");
            requests += 1;
        };
        assert_eq!((delivered, lone), (300, vec![]), "after {probes} probes");
        assert!(requests <= 300);
    }
}

#[test]
fn what_was_refused_before_the_evidence_is_asked_about_once_more() {
    let mut session = Session::new(part(2));
    suspicion(&mut session, 422);
    // The deliveries of others show that the receiver is not at fault.
    let Step::Post(first) = session.next(true, ALL) else { panic!("it is asked about again") };
    assert_eq!(indices(&first).collect::<Vec<_>>(), [0]);
    assert_eq!(session.refused(refusal(400)), Evidence::Stands);
    let Step::Post(second) = session.next(true, ALL) else { panic!("as is the other") };
    assert_eq!(indices(&second).collect::<Vec<_>>(), [1]);
    session.accepted();
    let Step::Over { delivered: 1, lone } = session.next(true, ALL) else { panic!("settled") };
    assert_eq!(lone.len(), 1);
    assert_eq!(lone[0].refusal.status, 400, "the last answer counts");
    let letter = Letter::from(lone[0].clone());
    assert_eq!((letter.sequence, letter.index, &*letter.tuple), (3, 0, &b"[0]"[..]));
}

#[test]
fn evidence_begins_anew_with_the_first_refusal_of_content_and_of_size() {
    let mut session = Session::new(part(4));
    assert!(!session.has_progress() && !session.is_doubtful());
    assert_eq!(session.too_large(refusal(413)), Evidence::Anew);
    assert!(session.has_progress() && session.is_doubtful());
    assert!(matches!(session.next(false, ALL), Step::Post(_)));
    session.accepted();
    assert!(!session.is_doubtful());
    // What was accepted so far says that the receiver takes small bodies, not that it takes any tuple.
    assert!(matches!(session.next(true, ALL), Step::Post(_)));
    assert_eq!(session.refused(refusal(400)), Evidence::Anew);
    assert!(session.is_doubtful());
    for _ in 0..2 {
        assert!(matches!(session.next(false, ALL), Step::Post(_)));
        assert_eq!(session.refused(refusal(400)), Evidence::Stands);
    }
    assert!(matches!(session.next(false, ALL), Step::Suspect));
}

#[test]
fn an_attempt_that_decides_nothing_is_repeated_and_a_smaller_bound_cuts_it() {
    let mut session = Session::new(part(100));
    for _ in 0..3 {
        let Step::Post(part) = session.next(false, ALL) else { panic!("the same again") };
        assert_eq!(part.tuples(), 100);
    }
    assert!(!session.has_progress());
    let Step::Post(part) = session.next(false, 50) else { panic!("a smaller one") };
    assert!(part.bytes() <= 50 && indices(&part).next() == Some(0));
    assert!(!session.has_progress(), "nothing was refused");
}

#[test]
fn a_thousand_refusals_in_the_same_words_keep_them_once() {
    let mut session = Session::new(part(20));
    let answers =
        std::iter::repeat_with(|| Refusal { answer: "no".to_owned().into(), ..refusal(400) });
    let (mut answers, mut posts) = (answers, 0);
    let lone = loop {
        match session.next(posts > 1, ALL) {
            Step::Post(_) => drop(session.refused(answers.next().unwrap())),
            Step::Suspect => {}
            Step::Over { lone, .. } => break lone,
        }
        posts += 1;
    };
    assert_eq!(lone.len(), 20);
    assert!(lone.iter().all(|one| Arc::ptr_eq(&one.refusal.answer, &lone[0].refusal.answer)));
}

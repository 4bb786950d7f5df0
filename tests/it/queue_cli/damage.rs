//! `verify`: what it says of every kind of damage, and of what only looks like it.

use std::fs;

use tidegate::queue::Totals;
use tidegate::queue::log::position::Tally;

use super::{code, delivered, json, queue, sample, stderr, stdout};
use crate::support::log_files::{Files, Plan, Written, requests, waiting};

/// What is done to a sound queue, and what is said then.
struct Case {
    name: &'static str,
    harm: fn(&Files, &[Written; 3]),
    /// The exit code.
    code: i32,
    /// What the output holds, after `{one}` and the like were replaced.
    says: &'static [&'static str],
    /// Tuples that cannot be read.
    unreadable: u64,
}

const CASES: &[Case] = &[
    Case {
        name: "nothing",
        harm: |_, _| {},
        code: 0,
        says: &["10 records read, ", "in 3 segments; the log ends at record 10", "sound: every"],
        unreadable: 0,
    },
    Case {
        name: "a body that is waited for",
        harm: |_, [_, two, _]| two.flip(two.offsets[2] - 1),
        code: 1,
        says: &[
            "FAULT  {two} at byte {two.1}: record 6 is damaged, 6 tuples lost to default; the next \
             start counts it as damaged. Check the disk\n",
            "NOT sound: 1 fault; the books balance",
        ],
        unreadable: 6,
    },
    Case {
        name: "a head that is waited for",
        harm: |_, [_, two, _]| two.flip(two.offsets[2] + 40),
        code: 1,
        says: &["{two} at byte {two.2}: record 7 is damaged, 7 tuples lost to default;"],
        unreadable: 7,
    },
    Case {
        name: "a record that was delivered",
        harm: |_, [one, ..]| one.flip(one.offsets[1] + 30),
        code: 1,
        says: &[
            "FAULT  {one} at byte {one.1}: record 2 is damaged (2 tuples); no destination waits for it: \
             delivered, or counted as damaged before. Check the disk\n",
            "NOT sound: 1 fault; the books balance",
        ],
        unreadable: 0,
    },
    Case {
        name: "two neighbours, of which one is waited for, bodies only",
        harm: |_, [one, ..]| {
            one.flip(one.offsets[2] - 1);
            one.flip(one.offsets[3] - 1);
        },
        code: 1,
        says: &["{one} at byte {one.1}: records 2 to 3 are damaged, 5 tuples lost to default"],
        unreadable: 3,
    },
    Case {
        name: "two neighbours, of which one is waited for, wholly",
        harm: |_, [one, ..]| {
            one.flip(one.offsets[1] + 30);
            one.flip(one.offsets[2] + 30);
        },
        code: 1,
        says: &["records 2 to 3 are damaged", "balances, inferred"],
        unreadable: 3,
    },
    Case {
        name: "an end that was not acknowledged",
        harm: |_, [.., three]| three.cut(three.end - 1),
        code: 0,
        says: &[
            "note   {three} at byte {three.1}: ",
            "behind the last whole request, being written now or cut off by a crash; nobody was \
             answered about them, nothing is lost\n",
            "the log ends at record 9",
            "sound: every",
        ],
        unreadable: 0,
    },
    Case {
        name: "an end that was acknowledged",
        harm: |_, [.., three]| three.cut(three.offsets[1] - 1),
        code: 1,
        says: &["FAULT  {three} at byte {three.0}: record 9 is damaged, 9 tuples lost to default"],
        unreadable: 9,
    },
    Case {
        name: "a footer",
        harm: |_, [_, two, _]| two.flip(two.end + 20),
        code: 0,
        says: &["note   {two} at byte {two.end}: ", "sound: every"],
        unreadable: 0,
    },
    Case {
        name: "one copy of a header",
        harm: |_, [_, two, _]| two.flip(20),
        code: 0,
        says: &["sound: every"],
        unreadable: 0,
    },
    Case {
        name: "both copies of a header",
        harm: |_, [_, two, _]| {
            two.flip(20);
            two.flip(532);
        },
        code: 1,
        says: &[
            "FAULT  {two}: both copies of its header are damaged, its records cannot be read.",
            "no file holds records 5 to 8 (26 tuples), for which default still waits: lost.",
            "balances, inferred",
        ],
        unreadable: 13,
    },
    Case {
        name: "a wiped header before records that were acknowledged",
        harm: |_, [.., three]| three.cut(0),
        code: 1,
        says: &[
            "FAULT  {three}: both copies of its header are damaged",
            "no file holds record 9 (",
        ],
        unreadable: 9,
    },
    Case {
        name: "a position that was set aside and not begun again",
        harm: |files, _| {
            let queue = files.queue();
            fs::rename(queue.join("default.pos"), queue.join("default.pos@0.damaged")).unwrap();
        },
        code: 1,
        says: &["FAULT  default.pos: both slots of the position are damaged; "],
        unreadable: 0,
    },
    Case {
        name: "what was kept of damage that everybody has passed, and what was not finished",
        harm: |files, _| {
            files.put("00000000000000000001-1.seg@0.damaged", b"x");
            files.put("default.pos@0.damaged", b"x");
            files.put("probe.partial", b"x");
        },
        code: 0,
        says: &[
            "note   00000000000000000001-1.seg@0.damaged: 1 B, damaged, set aside for whoever",
            "note   default.pos@0.damaged: 1 B, a position nobody could read, set aside",
            "note   probe.partial: 1 B, being written now, or left by an attempt that was cut off",
        ],
        unreadable: 0,
    },
    Case {
        name: "a position that was wiped",
        harm: |files, _| files.put("default.pos", &[0; 16_384]),
        code: 1,
        says: &[
            "FAULT  default.pos: the position was wiped; how far default was is not known, the",
        ],
        unreadable: 0,
    },
    Case {
        name: "no position at all",
        harm: |files, _| fs::remove_file(files.queue().join("default.pos")).unwrap(),
        code: 1,
        says: &[
            "FAULT  there are records and no position says how far any destination is; the next start \
             delivers everything that the queue still holds.",
        ],
        unreadable: 0,
    },
    Case {
        name: "a file that is gone",
        harm: |_, [_, two, _]| fs::remove_file(&two.path).unwrap(),
        code: 1,
        says: &[
            "no file holds records 5 to 8 (26 tuples), for which default still waits: lost. Were",
        ],
        unreadable: 13,
    },
    Case {
        name: "a later attempt",
        harm: |files, [.., three]| {
            let plan = Plan { attempt: 1, ..Plan::behind(8, three.totals, &[9, 10]).open() };
            let base = Totals { tuples: 36, accepted: 36, rejected: 0 };
            files.segment(&Plan { base, ..plan });
        },
        code: 0,
        says: &["note   {three}: a later file begins at the same record; ", "sound: every"],
        unreadable: 0,
    },
    Case {
        name: "a file just begun",
        harm: |files, _| files.put("00000000000000000011-0.seg", b""),
        code: 0,
        says: &["note   00000000000000000011-0.seg: just begun, or cut off", "sound: every"],
        unreadable: 0,
    },
    Case {
        name: "files of others and what was set aside",
        harm: |files, _| {
            files.put("00000000000000000001-0.seg@9.torn", b"remains");
            files.put("readme", b"hello");
        },
        code: 0,
        says: &[
            "note   00000000000000000001-0.seg@9.torn: 7 B, cut off by a crash and set aside",
            "note   readme: not a file of the queue, left alone",
        ],
        unreadable: 0,
    },
    Case {
        name: "half a position",
        harm: |files, _| harm_position(files, &[100]),
        code: 0,
        says: &["sound: every"],
        unreadable: 0,
    },
    Case {
        name: "a position",
        harm: |files, _| harm_position(files, &[100, 8292]),
        code: 1,
        says: &[
            "FAULT  default.pos: both slots of the position are damaged; how far default was is not \
             known",
            "no destination has a position",
        ],
        unreadable: 0,
    },
];

fn harm_position(files: &Files, offsets: &[usize]) {
    let mut bytes = fs::read(files.queue().join("default.pos")).unwrap();
    for offset in offsets {
        bytes[*offset] ^= 1;
    }
    files.put("default.pos", &bytes);
}

/// `{two}` is a file's name, `{two.1}` where its second record begins, `{two.end}` where they end.
fn filled(text: &str, segments: &[Written; 3]) -> String {
    let mut text = text.to_owned();
    for (name, segment) in ["one", "two", "three"].iter().zip(segments) {
        text = text.replace(&format!("{{{name}}}"), &segment.file);
        text = text.replace(&format!("{{{name}.end}}"), &segment.end.to_string());
        for (nth, offset) in segment.offsets.iter().enumerate() {
            text = text.replace(&format!("{{{name}.{nth}}}"), &offset.to_string());
        }
    }
    text
}

#[test]
fn verify_says_what_is_damaged_where_and_what_it_costs() {
    for case in CASES {
        let files = Files::new();
        let segments = sample(&files);
        (case.harm)(&files, &segments);
        let output = queue(&files, &["verify"]);
        let text = stdout(&output);
        assert_eq!(code(&output), Some(case.code), "{}: {text}{}", case.name, stderr(&output));
        for wanted in case.says {
            let wanted = filled(wanted, &segments);
            assert!(text.contains(&wanted), "{}: {wanted:?} is not in\n{text}", case.name);
        }
        let output = queue(&files, &["verify", "--json"]);
        let seen = json(&output);
        assert_eq!(code(&output), Some(case.code), "{}", case.name);
        assert_eq!(seen["sound"], case.code == 0, "{}", case.name);
        for books in seen["destinations"].as_array().unwrap() {
            assert_eq!(books["unreadable"], case.unreadable, "{}: {seen:#}", case.name);
            assert_eq!(books["balances"], true, "{}: {seen:#}", case.name);
        }
    }
}

#[test]
fn verify_shows_the_books_line_by_line() {
    let files = Files::new();
    sample(&files);
    let text = stdout(&queue(&files, &["verify"]));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rows: Vec<String> = text.lines().skip(2).map(|line| words(line).join(" ")).collect();
    let wanted = [
        "tuples default",
        "series 55",
        "+ replayed 0",
        "= delivered 20",
        "+ filtered 0",
        "+ queued, counted 35",
        "+ dead-lettered 0",
        "+ expired 0",
        "+ damaged 0",
        "+ purged 0",
        "+ unreadable 0",
        "balances",
        "",
        "sound: every record is intact, and the books balance",
    ];
    assert_eq!(rows, wanted, "{text}");
}

#[test]
fn requests_without_their_whole_are_void_and_cost_nothing() {
    // Records 3 and 4 are one request of which the first half is torn; 5 is whole and counts.
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 2, 3, 4, 5]).open();
    plan.records = requests(1, &[1, 2, 3, 4, 5]);
    for record in &mut plan.records[2..] {
        record.committed = 2;
    }
    plan.records[2].continues = true;
    plan.records[3].resumes = true;
    let written = files.segment(&plan);
    written.flip(written.offsets[3] - 1);
    let totals = Totals { tuples: 3, ..Totals::default() };
    files.position("default", &waiting(2, totals, Tally::default(), &[(1, u64::MAX)]));
    let output = queue(&files, &["verify"]);
    let text = stdout(&output);
    assert_eq!(code(&output), Some(0), "{text}");
    let wanted = format!(
        "note   {} at byte {}: records 3 to 4 are what a crash left of requests (7 tuples); nobody was \
         answered about them, nothing is lost\n",
        written.file, written.offsets[2]
    );
    assert!(text.contains(&wanted), "{text}");
    let seen = json(&queue(&files, &["verify", "--json"]));
    let books = &seen["destinations"][0];
    assert_eq!([&books["queued"], &books["unreadable"]], [8, 7]);
    assert_eq!(seen["findings"][0]["kind"], "void_records");
}

#[test]
fn totals_that_do_not_follow_are_found() {
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 1, 1]);
    plan.records[1].lie = 5;
    let written = files.segment(&plan);
    files.position("default", &waiting(3, written.totals, Tally::default(), &[(1, u64::MAX)]));
    let output = queue(&files, &["verify"]);
    let text = stdout(&output);
    assert_eq!(code(&output), Some(1), "{text}");
    let wanted = format!(
        "{} at byte {}: the totals of record 2 do not follow from those before it: 6 tuples",
        written.file, written.offsets[1]
    );
    assert!(text.contains(&wanted), "{text}");
    assert!(text.contains("OFF BY 5"), "{text}");
}

#[test]
fn books_that_do_not_balance_are_found() {
    for (tally, wanted) in [(delivered(19), "OFF BY 1"), (delivered(22), "OFF BY -2")] {
        let files = Files::new();
        let written = files.segment(&Plan::behind(0, Totals::default(), &[20, 5]));
        files.position("default", &waiting(2, written.totals, tally, &[(2, u64::MAX)]));
        let output = queue(&files, &["verify"]);
        let text = stdout(&output);
        assert_eq!(code(&output), Some(1), "{text}");
        assert!(text.contains(wanted), "{text}");
        assert!(text.contains("NOT sound: 0 faults; the books of 1 destination do not"), "{text}");
    }
}

#[test]
fn a_position_of_another_queue_is_found() {
    let files = Files::new();
    let written = files.segment(&Plan::behind(0, Totals::default(), &[20, 5]));
    let mut saved = waiting(2, written.totals, delivered(20), &[(2, u64::MAX)]);
    saved.totals.tuples = 99;
    files.position("default", &saved);
    let text = stdout(&queue(&files, &["verify"]));
    assert!(
        text.contains("default.pos: at record 2 it knows of 99 tuples, the log of 25."),
        "{text}"
    );
}

#[test]
fn findings_beyond_counting_are_counted() {
    let files = Files::new();
    sample(&files);
    for nth in 0..1_100 {
        files.put(&format!("stranger-{nth}"), b"");
    }
    let seen = json(&queue(&files, &["verify", "--json"]));
    assert_eq!(seen["findings"].as_array().unwrap().len(), 1_000);
    assert_eq!(seen["findings_left_out"], 100);
    assert!(stdout(&queue(&files, &["verify"])).contains("       and 100 more\n"));
}

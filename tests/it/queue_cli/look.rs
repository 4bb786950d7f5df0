//! `ls` and `export`, and that looking changes nothing.

use std::fs;
use std::io::Read;
use std::sync::Arc;

use serde_json::json;
use tidegate::clock::SystemClock;
use tidegate::queue::log::LogQueue;
use tidegate::queue::log::disk::Lock;
use tidegate::queue::log::engine::Options;
use tidegate::queue::log::lanes::Order;

use super::{code, command, json, queue, sample, stderr, stdout};
use crate::support::log_files::{Files, Plan, Spec, requests, tuple, waiting};
use tidegate::queue::log::position::Tally;
use tidegate::queue::{Destination, Durability, Meters, Totals};

/// The cells of a table: columns are two spaces or more apart.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn help_shows_examples_and_a_mistake_exits_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["ls", "verify", "export", "purge", "forget"] {
        let help = command(directory.path(), &["help", name]).output().unwrap();
        assert_eq!(code(&help), Some(0), "{name}");
        assert!(stdout(&help).contains("Examples:\n"), "{name}");
        let wrong = command(directory.path(), &[name, "--colour"]).output().unwrap();
        assert_eq!(code(&wrong), Some(2), "{name}");
    }
    assert_eq!(code(&command(directory.path(), &[]).output().unwrap()), Some(2));
}

const CONFIG: &str = "data_dir = \".\"\n\
     [[sources]]\nname = \"shop\"\ntoken_file = \"/nonexistent\"\n\
     [receiver]\nurl = \"http://127.0.0.1:1/\"\napi_key_file = \"/nonexistent\"\n";

fn configure(files: &Files) {
    fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(files.data_dir().join("tidegate.toml"))
        .and_then(|mut file| std::io::Write::write_all(&mut file, CONFIG.as_bytes()))
        .unwrap();
}

#[test]
fn a_directory_that_is_named_is_looked_into_whatever_the_configuration_is_like() {
    let files = Files::new();
    sample(&files);
    files.put("broken.toml", b"[limits\n");
    let beside = ["ls", "--config", "queue/broken.toml", "--data-dir", "."];
    let output = queue(&files, &beside);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("broken.toml:1"), "{}", stderr(&output));
    assert!(stdout(&output).contains("default"), "{}", stdout(&output));
    let output = queue(&files, &beside[..3]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("--data-dir DIR"), "{}", stderr(&output));
}

#[test]
fn ls_shows_what_waits_and_where() {
    let files = Files::new();
    let [one, two, three] = sample(&files);
    files.put("00000000000000000001-0.seg@4096.torn", b"remains");
    files.put("notes.txt", b"by hand");
    let output = queue(&files, &["ls"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("queue in ./queue: "), "{text}");
    assert!(lines[0].ends_with("in 3 segments; 10 records so far, 55 tuples"), "{text}");
    let heading =
        ["destination", "state", "tuples", "records", "bytes", "oldest", "age", "waiting"];
    assert_eq!(cells(lines[2]), heading);
    let row = cells(lines[3]);
    assert_eq!((row[0], row[1], row[2], row[3]), ("default", "-", "35", "5"));
    assert_eq!((row[5], row[7]), ("2025-01-01T00:00:03Z", "3, 6 to 7, 9 to 10"));
    assert!(
        lines[5].starts_with("what receivers do now is not known: no gateway is running"),
        "{text}"
    );
    let lines = [&lines[..4], &lines[6..]].concat();
    assert_eq!(cells(lines[5]), ["segment", "records", "tuples", "bytes", "state"]);
    let rows: Vec<Vec<&str>> = lines[6..9].iter().map(|line| cells(line)).collect();
    assert_eq!(rows[0][..3], [&one.file, "1 to 4", "10"]);
    assert_eq!(rows[1][..3], [&two.file, "5 to 8", "26"]);
    assert_eq!(rows[2][..3], [&three.file, "9 to 10", "19"]);
    assert_eq!([rows[0][4], rows[1][4], rows[2][4]], ["sealed", "sealed", "open"]);
    assert_eq!(cells(lines[10])[0], "other file");
    assert!(lines[11].starts_with("00000000000000000001-0.seg@4096.torn  "), "{text}");
    assert!(lines[12].ends_with("not a file of the queue"), "{text}");
}

#[test]
fn ls_tells_programs_the_same() {
    let files = Files::new();
    let [one, two, three] = sample(&files);
    let output = queue(&files, &["ls", "--json"]);
    let seen = json(&output);
    let size = |from: u64, to: u64| to - from;
    let waiting_bytes = size(one.offsets[2], one.offsets[3])
        + size(two.offsets[1], two.offsets[3])
        + size(three.offsets[0], three.end);
    let queued = &seen["destinations"][0]["queued"];
    assert!(queued["age_seconds"].as_u64().unwrap() > 1_000_000);
    assert_eq!(queued["oldest"], "2025-01-01T00:00:03Z");
    assert_eq!(queued["ranges"], json!([[3, 3], [6, 7], [9, 10]]));
    assert_eq!(
        [&queued["tuples"], &queued["records"], &queued["bytes"]],
        [&json!(35), &json!(5), &json!(waiting_bytes)]
    );
    assert_eq!(seen["last_record"], 10);
    assert_eq!(seen["totals"]["tuples"], 55);
    let open = json!({
        "file": three.file, "first": 9, "last": 10, "tuples": 19, "bytes": three.end,
        "sealed": false, "damaged_records": 0, "unfinished_bytes": 0,
    });
    assert_eq!(seen["segments"][2], open);
}

#[test]
fn a_configuration_tells_who_is_configured_and_its_secrets_are_not_read() {
    let files = Files::new();
    sample(&files);
    configure(&files);
    let saved = waiting(9, Totals::default(), Tally::default(), &[(1, u64::MAX)]);
    files.position("old", &saved);
    for args in [&["ls", "--json", "--config", "tidegate.toml"][..], &["ls", "--json"]] {
        // Without arguments the file is found as `serve` finds it.
        let output = command(files.data_dir(), args).output().unwrap();
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let destinations = &json(&output)["destinations"];
        assert_eq!(
            [&destinations[0]["name"], &destinations[0]["state"]],
            ["default", "configured"]
        );
        assert_eq!([&destinations[1]["name"], &destinations[1]["state"]], ["old", "orphan"]);
    }
}

#[test]
fn what_is_no_queue_is_refused_with_a_way_on() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["ls", "verify", "export", "purge"] {
        let output = command(directory.path(), &[name, "--data-dir", "."]).output().unwrap();
        assert_eq!(code(&output), Some(2), "{name}");
        let said = stderr(&output);
        assert!(said.contains("./queue does not exist") && said.contains("--data-dir"), "{said}");
        let output = command(directory.path(), &[name]).output().unwrap();
        assert_eq!(code(&output), Some(2), "{name}");
        assert!(stderr(&output).contains("--data-dir DIR"), "{}", stderr(&output));
    }
    // A queue on which no gateway was started.
    let files = Files::new();
    assert_eq!(code(&queue(&files, &["ls"])), Some(0));
    assert_eq!(code(&queue(&files, &["verify"])), Some(0));
    assert!(stderr(&queue(&files, &["export"])).contains("no destination yet"));
}

#[test]
fn other_versions_and_other_files_are_refused() {
    let files = Files::new();
    let [one, ..] = sample(&files);
    let mut header = fs::read(&one.path).unwrap();
    for copy in [0, 512] {
        header[copy + 8] = 9;
        let sum = crc32(&header[copy..copy + 76]);
        header[copy + 76..copy + 80].copy_from_slice(&sum.to_le_bytes());
    }
    for (bytes, wanted) in [
        (&header[..], "has format version 9, this tidegate reads segments of version 1"),
        (&[b'x'; 4096][..], "is not a file of a tidegate queue"),
    ] {
        files.put(&one.file, bytes);
        for name in ["ls", "verify", "export"] {
            let output = queue(&files, &[name]);
            assert_eq!(code(&output), Some(2), "{name}: {}", stderr(&output));
            let said = stderr(&output);
            assert!(said.contains(wanted) && said.contains(&one.file), "{said}");
        }
    }
}

#[test]
fn a_link_in_the_place_of_a_segment_is_refused_by_everybody_and_nothing_is_written_off() {
    let files = Files::new();
    let [_, two, _] = sample(&files);
    fs::rename(&two.path, files.data_dir().join("moved")).unwrap();
    std::os::unix::fs::symlink("../moved", &two.path).unwrap();
    let wanted = format!("{} is called like one of the queue's files and is not a", two.file);
    for name in ["ls", "verify", "export", "purge"] {
        let output = queue(&files, &[name]);
        assert_eq!(code(&output), Some(2), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
    }
    let before = files.saved("default");
    let options = Options {
        destinations: vec![Destination::named("default")],
        durability: Durability::Fsync,
        max_bytes: 1 << 30,
        min_free_bytes: 0,
        segment_bytes: 1 << 20,
        order: Order::default(),
        meters: Meters::default(),
    };
    let opened = LogQueue::open(files.data_dir(), &options, Arc::new(SystemClock::new()));
    let error = opened.err().expect("the gateway does not start").to_string();
    assert!(error.contains(&wanted), "{error}");
    assert!(files.saved("default") == before, "nothing was written off");
}

/// CRC-32 of IEEE 802.3, bit by bit: a second opinion on the one that is used.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let shift = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
        (0..8).fold(sum ^ u32::from(*byte), shift)
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn looking_needs_no_lock_and_no_right_to_write_and_changes_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let files = Files::new();
    let [.., three] = sample(&files);
    three.cut(three.end - 3);
    files.put("00000000000000000011-0.seg", b"");
    let lock = Lock::take(&files.data_dir().join("lock")).unwrap();
    for (path, _) in files.content() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    }
    let before = files.content();
    for args in [
        &["ls"][..],
        &["ls", "--json"],
        &["verify"],
        &["verify", "--json"],
        &["export"],
        &["export", "--all"],
    ] {
        let output = queue(&files, args);
        assert_eq!(code(&output), Some(0), "{args:?}: {}", stderr(&output));
    }
    for args in [&["purge"][..], &["forget", "default"]] {
        let output = queue(&files, args);
        assert_eq!(code(&output), Some(2), "{args:?}");
        assert!(stdout(&output).contains("Nothing was changed."), "{}", stdout(&output));
    }
    assert!(before == files.content(), "something was changed");
    drop(lock);
}

fn lines(records: &[(u64, u32)]) -> String {
    let mut text = String::new();
    for (sequence, tuples) in records {
        for nth in 0..*tuples {
            text.push_str(&tuple(*sequence, nth));
            text.push('\n');
        }
    }
    text
}

#[test]
fn export_prints_what_waits_one_tuple_a_line_in_order() {
    let files = Files::new();
    sample(&files);
    let waiting = lines(&[(3, 3), (6, 6), (7, 7), (9, 9), (10, 10)]);
    for args in [&["export"][..], &["export", "--receiver", "default"]] {
        let output = queue(&files, args);
        assert_eq!((code(&output), stdout(&output)), (Some(0), waiting.clone()));
    }
    let all: Vec<(u64, u32)> = (1..=10).map(|sequence| (sequence, sequence as u32)).collect();
    assert_eq!(stdout(&queue(&files, &["export", "--all"])), lines(&all));
    let output = queue(&files, &["export", "--receiver", "nobody"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("no destination \"nobody\"; it has: default"));
}

#[test]
fn export_asks_which_when_there_are_several_and_keeps_them_apart() {
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 1, 1]);
    plan.records[1] = Spec { target: Some("east"), ..plan.records[1] };
    let written = files.segment(&plan);
    let saved = waiting(3, written.totals, Tally::default(), &[(1, u64::MAX)]);
    files.position("east", &saved);
    files.position("west", &saved);
    let output = queue(&files, &["export"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("Name one with --receiver: east, west"));
    let export = |name: &str| stdout(&queue(&files, &["export", "--receiver", name]));
    assert_eq!(export("east"), lines(&[(1, 1), (2, 1), (3, 1)]));
    assert_eq!(export("west"), lines(&[(1, 1), (3, 1)]));
}

#[test]
fn export_prints_what_it_can_read_and_says_that_something_is_missing() {
    let files = Files::new();
    let [_, two, _] = sample(&files);
    two.flip(two.offsets[2] - 1);
    let output = queue(&files, &["export"]);
    assert_eq!(code(&output), Some(1));
    assert_eq!(stdout(&output), lines(&[(3, 3), (7, 7), (9, 9), (10, 10)]));
    assert!(stderr(&output).contains("1 record cannot be read"), "{}", stderr(&output));
}

#[test]
fn export_of_everything_names_a_file_nobody_can_read() {
    let files = Files::new();
    let [one, ..] = sample(&files);
    for copy in [0, 512] {
        one.flip(copy + 20);
    }
    let output = queue(&files, &["export", "--all"]);
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("00000000000000000001-0.seg cannot be read"));
}

#[test]
fn export_ends_quietly_when_nobody_reads_on() {
    let files = Files::new();
    let written = files.segment(&Plan::behind(0, Totals::default(), &[5_000; 4]));
    let saved = waiting(4, written.totals, Tally::default(), &[(1, u64::MAX)]);
    files.position("default", &saved);
    let mut child = command(files.data_dir(), &["export", "--data-dir", "."]).spawn().unwrap();
    let mut first = [0; 1];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (Some(0), String::new()));
}

#[test]
fn requests_cut_off_at_the_end_are_not_part_of_the_queue() {
    let files = Files::new();
    let mut plan = Plan::behind(0, Totals::default(), &[1, 2, 3, 4]).open();
    plan.records = requests(1, &[1, 2, 3, 4]);
    plan.records[2].continues = true;
    plan.records[2].committed = 1;
    plan.records[3].committed = 1;
    plan.records[3].resumes = true;
    let written = files.segment(&plan);
    let saved =
        waiting(1, Totals { tuples: 1, ..Totals::default() }, Tally::default(), &[(1, u64::MAX)]);
    files.position("default", &saved);
    assert_eq!(json(&queue(&files, &["ls", "--json"]))["last_record"], 4);
    written.cut(written.end - 1);
    let seen = json(&queue(&files, &["ls", "--json"]));
    assert_eq!(seen["last_record"], 2);
    assert_eq!(seen["segments"][0]["unfinished_bytes"], written.end - 1 - written.offsets[2]);
    assert_eq!(stdout(&queue(&files, &["export"])), lines(&[(1, 1), (2, 2)]));
}

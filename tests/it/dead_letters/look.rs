//! What ls and show say, and that they change nothing.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{Place, code, json, letter, sample, stderr, stdout, write};

#[test]
fn ls_groups_what_was_refused_alike_and_says_how_full_it_is() {
    let place = Place::new();
    place.put("default", &sample());
    let before = place.snapshot();
    let output = place.run(&["ls"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let used: u64 = place.files("default").iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(used < 2048 && used > 1024, "{used}");
    let wanted = format!(
        "default: 5 dead letters, 1.{} KiB of 64.0 MiB (0 %)\n\n\
         receiver  status  source  letters  first                 last                  for example  answer\n\
         default      400  bank          1  2026-11-22T04:42:03Z  2026-11-22T04:42:03Z  shop.m3      no such type\n\
         default      400  shop          2  2026-11-22T04:42:00Z  2026-11-22T04:42:01Z  shop.m0      no such type\n\
         default      422  shop          2  2026-11-22T04:42:02Z  2026-11-22T04:42:04Z  shop.m2      too ?[31mred\n",
        (used - 1024) * 10 / 1024
    );
    assert_eq!(text, wanted);
    assert_eq!(place.snapshot(), before);
}

#[test]
fn ls_as_json_says_the_same() {
    let place = Place::new();
    place.put("default", &sample());
    place.put("old", &[letter(9, "shop", 400, "")]);
    let told = json(&place.run(&["ls", "--json", "--code", "422"]));
    let [default, old] = &told["receivers"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!(default["name"], "default");
    assert_eq!((&default["letters"], &default["meant"]), (&5.into(), &2.into()));
    assert_eq!(default["configured"], true);
    assert_eq!(default["limit_bytes"], 64 << 20);
    assert_eq!(default["groups"][0]["letters"], 2);
    assert_eq!(default["groups"][0]["example"], "shop.m2");
    assert_eq!((&old["configured"], &old["meant"]), (&false.into(), &0.into()));
}

#[test]
fn filters_must_all_hold() {
    let place = Place::new();
    place.put("default", &sample());
    let names = |args: &[&str]| -> Vec<String> {
        let output = place.run(&[&["show", "--json"], args].concat());
        assert_eq!(code(&output), Some(0), "{}", stderr(&output));
        let name = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["tuple"][0].as_str().unwrap().to_owned()
        };
        stdout(&output).lines().map(name).collect()
    };
    for (args, wanted) in [
        (&[][..], &["shop.m0", "shop.m1", "shop.m2", "shop.m3", "shop.m4"][..]),
        (&["--limit", "2"], &["shop.m3", "shop.m4"]),
        (&["--limit", "0"], &[]),
        (&["--receiver", "default", "--source", "shop", "--limit", "1"], &["shop.m4"]),
        (&["--code", "400"], &["shop.m0", "shop.m1", "shop.m3"]),
        (&["--source", "bank"], &["shop.m3"]),
        (&["--source", "bank", "--code", "422"], &[]),
        (&["--since", "2026-11-22T04:42:02Z", "--source", "shop"], &["shop.m2", "shop.m4"]),
        (&["--since", "2026-11-22 04:42:03"], &["shop.m3", "shop.m4"]),
        // They were refused ahead of any clock this test runs by, or long ago.
        (&["--since", "500000days", "--code", "422"], &["shop.m2", "shop.m4"]),
    ] {
        assert_eq!(names(args), wanted, "{args:?}");
    }
}

#[test]
fn show_prints_answer_status_times_and_tuple_digit_for_digit() {
    let place = Place::new();
    place.put("default", &sample()[2..3]);
    let output = place.run(&["show"]);
    let tuple = "[\"shop.m2\",1795322000,1.50,{\"hostname\":\"h\",\"tags\":[],\"type\":\"gauge\"}]";
    assert_eq!(
        stdout(&output),
        format!(
            "2026-11-22T04:42:02Z default answered 422 to a tuple of shop, received \
             2026-11-22T04:33:20Z\n  too ?[31mred\n  {tuple}\n\n"
        )
    );
    let line = stdout(&place.run(&["show", "--json"]));
    assert!(line.ends_with(&format!(",\"tuple\":{tuple}}}\n")), "{line}");
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["answer"], "too \u{1b}[31mred");
    assert_eq!((&told["sequence"], &told["status"]), (&102.into(), &422.into()));
}

#[test]
fn without_a_configuration_a_data_directory_is_enough_to_look() {
    let place = Place::new();
    place.put("default", &sample());
    let elsewhere = tempfile::tempdir().unwrap();
    let data_dir = place.data_dir();
    let args = ["dead-letters", "ls", "--data-dir", data_dir.to_str().unwrap()];
    let output = super::command(elsewhere.path(), &args).output().unwrap();
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("default: 5 dead letters, 1."), "{}", stdout(&output));
}

#[test]
fn where_there_are_none_ls_says_so() {
    let place = Place::new();
    let output = place.run(&["ls"]);
    assert_eq!((code(&output), stdout(&output)), (Some(0), "no dead letters\n".to_owned()));
    let output = place.run(&["show", "--receiver", "default"]);
    assert_eq!((code(&output), stdout(&output)), (Some(0), String::new()));
    assert_eq!(place.snapshot(), []);
}

#[test]
fn wrong_arguments_say_what_would_be_right() {
    let place = Place::new();
    place.put("eu", &sample());
    for (args, wanted) in [
        (
            &["ls", "--receiver", "us"][..],
            "no dead letters of a receiver \"us\"; there are those of: eu",
        ),
        (&["ls", "--since", "soon"], "--since: \"soon\" is neither how long ago"),
        (&["ls", "--code", "99"], "99 is not in 100..=999"),
        (&["ls", "--data-dir", "nowhere"], "there is no data directory nowhere"),
        (&["replay", "--receiver", "eu"], "receiver eu is not configured"),
    ] {
        let output = place.run(args);
        assert_eq!(code(&output), Some(2), "{args:?}");
        assert!(stderr(&output).contains(wanted), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_damaged_line_costs_itself_and_is_told_of() {
    let place = Place::new();
    let store = place.store("default");
    store.put(&sample()[..3]).unwrap();
    store.put(&sample()[3..]).unwrap();
    let file = place.files("default").remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(7).position(|seven| seven == b"shop.m1").unwrap();
    bytes[at] ^= 1;
    // And the last line was not finished.
    bytes.truncate(bytes.len() - 30);
    write(&file, &bytes);
    let output = place.run(&["ls"]);
    assert_eq!(code(&output), Some(1));
    assert!(stdout(&output).starts_with("default: 3 dead letters"), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 line of default cannot be read"), "{}", stderr(&output));
    let told = json(&place.run(&["ls", "--json"]));
    assert_eq!(told["receivers"][0]["damaged_lines"], 1);
    assert!(told["receivers"][0]["unfinished_bytes"].as_u64().unwrap() > 100, "{told}");
    assert_eq!(stdout(&place.run(&["show", "--json"])).lines().count(), 3);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
}

#[test]
fn another_version_is_refused() {
    let place = Place::new();
    place.put("default", &sample());
    let file = place.files("default").remove(0);
    write(&file, b"tidegate dead letters 9\n");
    let output = place.run(&["ls"]);
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("0000000001.letters has version 9"), "{}", stderr(&output));
}

#[test]
fn the_files_are_for_their_owner_alone() {
    let place = Place::new();
    place.put("default", &sample());
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let file = place.files("default").remove(0);
    assert_eq!(mode(&file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
    assert_eq!(mode(file.parent().unwrap().parent().unwrap()), 0o700);
}

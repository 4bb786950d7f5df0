//! One receiver or several: names, filters and bounds (contract C5.5).

use tidegate::config::{Config, Environment, Loaded, load, load_storage};
use tidegate::queue::{Destination, Sources};

use super::{environment, fixture, minimal};

const SOURCES: &str = "[[sources]]\nname = \"a\"\ntoken = \"one\"\n\
                       [[sources]]\nname = \"b\"\ntoken = \"two\"\n";

/// A `[[receivers]]` entry with these lines more.
fn entry(name: &str, more: &str) -> String {
    format!("[[receivers]]\nname = \"{name}\"\nurl = \"http://r/\"\napi_key = \"k\"\n{more}\n")
}

fn loaded(text: &str) -> Loaded {
    let text = format!("{SOURCES}{text}");
    load("x", &text, &environment(&[])).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn bounds(config: &Config) -> Vec<Option<u64>> {
    config.receivers.iter().map(|receiver| receiver.max_backlog_bytes).collect()
}

#[test]
fn a_sole_receiver_is_named_default_and_gets_everything() {
    let receiver = &minimal(&[]).config.receivers[0];
    assert_eq!(receiver.destination(), Destination::named("default"));
    assert_eq!(receiver.concurrency, 16);
}

#[test]
fn the_example_of_several_shows_the_defaults_of_what_receiver_has() {
    let several = load("x", &fixture("several.toml"), &environment(&[])).expect("it is valid");
    assert_eq!(several.warnings, Vec::<String>::new());
    let keys = |loaded: &Loaded, section: &str| -> Vec<(String, String)> {
        let settings = loaded.settings.iter().filter(|setting| setting.section == section);
        let secret = |key: &str| matches!(key, "url" | "api_key");
        let settings = settings.filter(|setting| !secret(&setting.key));
        settings.map(|setting| (setting.key.clone(), setting.value.clone())).collect()
    };
    let mut first = keys(&several, "receivers[0]");
    let own: Vec<_> = first.drain(..2).collect();
    assert_eq!(own[0], ("name".to_owned(), "\"production\"".to_owned()));
    assert_eq!(own[1], ("max_backlog_bytes".to_owned(), "\"2GiB\"".to_owned()));
    assert_eq!(first, keys(&minimal(&[]), "receiver"));
    let trial = several.config.receivers[1].destination();
    let sources = Sources::Only(vec!["billing".into()]);
    let bound = Some(1 << 30);
    assert_eq!(trial, Destination { name: "trial".into(), sources, max_backlog_bytes: bound });
    let text = fixture("several.toml");
    for key in ["api_key_file", "api_key_env", "sources"] {
        assert!(text.contains(&format!("{key} = ")), "{key}");
    }
}

#[test]
fn each_of_several_may_have_half_the_queue_or_what_leaves_room() {
    let two = entry("one", "") + &entry("two", "max_backlog_bytes = \"1MiB\"");
    // 128 MiB, a sixteenth of that, and two segments stay free.
    for (queue, first_mib) in [
        ("", 2048),
        ("durability = \"memory\"", 256 - 136),
        ("max_bytes = \"512MiB\"", 512 - 136 - 2 * 64),
        ("max_bytes = \"161MiB\"\nsegment_bytes = \"12MiB\"", 1),
    ] {
        let config = loaded(&format!("{two}[queue]\n{queue}\n")).config;
        assert_eq!(bounds(&config), [Some(first_mib << 20), Some(1 << 20)], "{queue}");
    }
    let most = entry("one", "") + &entry("two", "max_backlog_bytes = \"3832MiB\"");
    assert_eq!(bounds(&loaded(&most).config)[1], Some(3832 << 20), "bad/receivers.toml has 1 more");
    // Of a large queue a sixteenth is more than that.
    let large = |mib: u64| {
        let two = entry("one", "") + &entry("two", &format!("max_backlog_bytes = \"{mib}MiB\""));
        let text = format!("{SOURCES}{two}[queue]\nmax_bytes = \"32GiB\"\n");
        load("x", &text, &environment(&[])).map_err(|problems| problems.to_string())
    };
    large(30 << 10).expect("it leaves a sixteenth");
    let refused = large((30 << 10) + 1).expect_err("it leaves less");
    assert!(refused.contains("at most 30GiB, so that"), "{refused}");
}

#[test]
fn a_bound_that_a_receiver_in_good_health_can_reach_is_a_warning() {
    // 128 MiB, a sixteenth of that, and 4 MiB for each delivery.
    for (lines, warns) in [
        ("max_backlog_bytes = \"200MiB\"", false),
        ("max_backlog_bytes = \"199MiB\"", true),
        ("max_backlog_bytes = \"199MiB\"\nconcurrency = 15", false),
        ("max_backlog_bytes = \"1MiB\"\nconcurrency = 1", true),
        ("", false),
    ] {
        let said = loaded(&(entry("one", "") + &entry("two", lines))).warnings;
        assert_eq!(!said.is_empty(), warns, "{lines}: {said:?}");
    }
    let small = "max_backlog_bytes = \"64MiB\"";
    let said = loaded(&(entry("one", "") + &entry("two", small))).warnings;
    assert_eq!(
        said,
        [
            "`receivers[1].max_backlog_bytes` = 64MiB is less than the largest body and 16 deliveries \
          (`concurrency`) take, 200MiB: in a burst tuples may expire although the receiver is well; raise \
          it, or lower `limits.expanded_bytes`"
        ]
    );
    // The default of a small queue was chosen by nobody.
    let text = entry("one", "") + &entry("two", "") + "[queue]\nmax_bytes = \"300MiB\"\n";
    assert_eq!(loaded(&text).warnings, Vec::<String>::new());
}

#[test]
fn a_sole_receiver_has_no_bound_and_is_told_so() {
    let said = |path: &str| {
        format!(
            "`{path}.max_backlog_bytes` has no effect: a sole receiver has no such limit, its clients \
             are told to wait when `queue.max_bytes` is reached"
        )
    };
    let bound = "max_backlog_bytes = \"1GiB\"";
    let in_a_list = loaded(&entry("only", bound));
    assert_eq!(bounds(&in_a_list.config), [None]);
    assert_eq!(in_a_list.warnings, [said("receivers[0]")]);
    let alone = loaded(&format!("[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n{bound}\n"));
    assert_eq!(bounds(&alone.config), [None]);
    assert_eq!(alone.warnings, [said("receiver")]);
    assert_eq!(loaded(&entry("only", "")).warnings, Vec::<String>::new());
}

#[test]
fn a_source_that_every_receiver_filters_out_is_a_warning() {
    let text = entry("one", "sources = [\"a\"]") + &entry("two", "sources = [\"a\"]");
    let said = loaded(&text).warnings;
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("source \"b\" goes to no receiver"), "{said:?}");
    let text = entry("one", "sources = [\"a\"]") + &entry("two", "");
    assert_eq!(loaded(&text).warnings, Vec::<String>::new());
}

#[test]
fn variables_go_with_the_one_receiver_only() {
    let variables = [
        ("TIDEGATE_RECEIVER__URL", "http://elsewhere/"),
        ("TIDEGATE_RECEIVER__API_KEY", "from-outside"),
    ];
    let alone = load("x", SOURCES, &environment(&variables)).expect("the variables are enough");
    assert_eq!(alone.config.receivers[0].url, "http://elsewhere/");
    let text = format!("{SOURCES}{}{}", entry("one", ""), entry("two", ""));
    let several = load("x", &text, &environment(&variables)).expect("it is valid");
    let said = |name: &str| {
        format!(
            "environment {name} is ignored: it sets a key of [receiver], and there are [[receivers]]"
        )
    };
    assert_eq!(several.warnings, variables.map(|(name, _)| said(name)));
    assert_eq!(several.config.receivers[0].api_key.reveal(), "k");
}

#[test]
fn the_file_of_a_key_is_known_for_when_it_changes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("key");
    std::fs::File::create(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"from-file\n"))
        .expect("it can be written");
    let key = format!("api_key_file = '{}'", path.display());
    let text = entry("one", "").replace("api_key = \"k\"", &key);
    let receiver = &loaded(&text).config.receivers[0];
    assert_eq!(receiver.api_key.reveal(), "from-file");
    assert_eq!(receiver.api_key_file.as_deref(), Some(&*path));
    assert_eq!(loaded(&entry("one", "")).config.receivers[0].api_key_file, None);
}

#[test]
fn where_the_queue_is_and_for_whom_is_read_without_a_secret() {
    let nothing = load_storage("x", "", &Environment::default()).expect("it is enough");
    assert_eq!(nothing.receivers, [Destination::named("default")]);
    assert_eq!(nothing.dead_letters.max_bytes, 64 << 20);
    let secrets = "api_key_file = \"/nonexistent\"\nsources = [\"b\"]";
    let text = format!("{SOURCES}{}{}", entry("one", ""), entry("two", secrets))
        .replace("token = ", "token_file = ")
        .replace("api_key = \"k\"\n", "")
        + "[dead_letters]\nmax_bytes = \"1MiB\"\n[admin]\nlisten = \"off\"\n";
    let storage = load_storage("x", &text, &environment(&[])).expect("it is enough");
    let names: Vec<_> = storage.receivers.iter().map(|receiver| &*receiver.name).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(storage.receivers[1].sources, Sources::Only(vec!["b".into()]));
    assert_eq!(storage.receivers[1].max_backlog_bytes, Some(2 << 30));
    assert_eq!((storage.dead_letters.max_bytes, storage.admin.listen), (1 << 20, None));
    assert_eq!(storage.queue.max_bytes, 4 << 30);
}

#[test]
fn the_settings_of_several_load_again_once_secrets_are_put_back() {
    let loaded = load("x", &fixture("several.toml"), &environment(&[])).expect("it is valid");
    let printed = loaded.settings.to_string();
    assert!(printed.contains("\n[[receivers]]\nname = \"trial\"  # line "), "{printed}");
    let mut number = 0;
    let back: Vec<String> = printed
        .lines()
        .map(|line| {
            number += 1;
            line.replace("***", &format!("back-{number}"))
        })
        .collect();
    let again = load("x", &back.join("\n"), &environment(&[])).expect("what is printed is valid");
    let destinations = |loaded: &Loaded| -> Vec<Destination> {
        loaded.config.receivers.iter().map(tidegate::config::Receiver::destination).collect()
    };
    assert_eq!(destinations(&again), destinations(&loaded));
}

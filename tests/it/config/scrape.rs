//! What is scraped: defaults, secrets in headers, and names that belong to sources too.

use std::fs::{self, File};
use std::io::Write;
use std::time::Duration;

use tidegate::config::{Config, Loaded, Scheme, load, load_storage};
use tidegate::queue::Sources;

use super::{environment, fixture, values};

const RECEIVER: &str = "[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n";

/// A job with these lines more, and nothing that sends.
fn with(more: &str) -> Result<Loaded, String> {
    let text = format!("[[scrape]]\njob = \"node\"\ntargets = [\"h:9100\"]\n{more}\n{RECEIVER}");
    load("x", &text, &environment(&[("KEY", "hunter2")])).map_err(|problems| problems.to_string())
}

#[test]
fn the_example_of_a_job_shows_the_defaults() {
    let text = fixture("full.toml");
    let (_, block) = text.split_once("# [[scrape]]\n").unwrap();
    let (block, _) = block.split_once("\n\n").unwrap();
    let examples = ["job", "source", "targets", "target_files", "headers", "labels"];
    let files = ["ca_file", "cert_file", "key_file"];
    let lines = block.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = "));
    let lines: Vec<_> = lines.filter(|(key, _)| !key.contains(' ')).collect();
    assert_eq!(lines.len(), 16, "{lines:?}");
    let defaults = lines.iter().filter(|(key, _)| !examples.contains(key) && !files.contains(key));
    let defaults: Vec<_> = defaults.map(|(key, value)| format!("{key} = {value}")).collect();
    let shown = with(&defaults.join("\n")).unwrap();
    assert_eq!(shown.warnings, Vec::<String>::new());
    assert_eq!(values(&shown), values(&with("").unwrap()));
    // The others are valid, too.
    let examples = lines.iter().filter(|(key, _)| ["target_files", "labels"].contains(key));
    let examples: Vec<_> = examples.map(|(key, value)| format!("{key} = {value}")).collect();
    with(&examples.join("\n")).unwrap();
}

#[test]
fn a_job_has_defaults_and_nobody_has_to_send() {
    let Config { sources, scrapes, .. } = with("").unwrap().config;
    assert!(sources.is_empty());
    let job = &scrapes[0];
    assert_eq!((&*job.job, &**job.book(), job.targets.len()), ("node", "node", 1));
    assert_eq!((job.scheme, &*job.path), (Scheme::Http, "/metrics"));
    assert_eq!((job.interval.as_secs(), job.timeout.as_secs()), (15, 10));
    assert!(!job.honor_labels && job.honor_timestamps);
    let short = with("interval = \"5s\"").unwrap().config.scrapes.remove(0);
    assert_eq!(short.timeout, Duration::from_secs(5), "no longer than the interval");
}

#[test]
fn headers_come_from_three_places_and_show_nowhere() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"Bearer hunter3\n").unwrap();
    let path = file.path().display();
    let more = format!(
        "headers = {{ A = \"hunter1 x\", B = {{ env = \"KEY\" }}, C = {{ file = '{path}' }} }}"
    );
    let loaded = with(&more).unwrap();
    let revealed: Vec<_> = loaded.config.scrapes[0]
        .headers
        .iter()
        .map(|(name, secret)| format!("{name}: {}", secret.reveal()))
        .collect();
    assert_eq!(revealed, ["A: hunter1 x", "B: hunter2", "C: Bearer hunter3"]);
    let printed = loaded.settings.to_string();
    let line = format!(
        "headers = {{ \"A\" = \"***\", \"B\" = {{ env = \"KEY\" }}, \"C\" = {{ file = \"{path}\" }} }}  # line 4"
    );
    assert!(printed.lines().any(|printed| printed == line), "{printed}");
    let shown = format!("{printed}{loaded:?}{:?}", loaded.config);
    assert!(!shown.contains("hunter"), "{shown}");

    // What is printed loads again once secrets are put back.
    let environment = environment(&[("KEY", "hunter2")]);
    let again = load("printed", &printed.replace("***", "put-back"), &environment).unwrap();
    assert_eq!(again.settings.to_string().lines().count(), printed.lines().count());
    let masked = load("printed", &printed, &environment).unwrap_err().to_string();
    assert!(masked.contains("`scrape[0].headers.A` is \"***\""), "{masked}");

    File::create(file.path()).unwrap().write_all(b"two\nlines").unwrap();
    let refused = with(&more).unwrap_err();
    assert_eq!(refused, "x:4: `scrape[0].headers.C` must be visible ASCII characters and spaces");
}

#[test]
fn a_password_in_targets_is_repeated_by_no_fault() {
    for targets in [
        "\"http://u:hunter2@h/\"",
        "[\"http://u:hunter2@h/\"]",
        "[[\"http://u:hunter2@h/\"]]",
        "{ a = \"http://u:hunter2@h/\" }",
    ] {
        let text = format!("[[scrape]]\njob = \"node\"\ntargets = {targets}\n{RECEIVER}");
        let refused = load("x", &text, &environment(&[])).unwrap_err().to_string();
        assert!(refused.contains("`scrape[0].targets") && !refused.contains("hunter"), "{refused}");
    }
}

#[test]
fn what_is_more_than_a_job_may_have_is_a_fault() {
    let labels = |count: usize, bytes: usize| {
        let labels = (0..count).map(|nth| format!("l{nth} = \"{}\"", "x".repeat(bytes)));
        format!("labels = {{ {} }}", labels.collect::<Vec<_>>().join(", "))
    };
    with(&labels(62, 1)).unwrap();
    let targets: Vec<_> = (0..10_001).map(|nth| format!("\"h:{nth}\"")).collect();
    let targets = format!("[[scrape]]\njob = \"b\"\ntargets = [{}]", targets.join(","));
    let mut long = tempfile::NamedTempFile::new().unwrap();
    let pem = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/scrape/tls/ca.pem"));
    long.write_all(&pem.unwrap()).unwrap();
    long.write_all(&b"#".repeat(4 << 20)).unwrap();
    for (more, said) in [
        (labels(63, 1), "`scrape[0].labels`: a target has 65 labels of"),
        (labels(3, 4_000), "`scrape[0].labels`: a target has 5 labels of 12"),
        (targets, "`scrape[1].targets` has 10001 targets; at most 10000 are allowed"),
        (
            "headers = { A = \"q\", a = \"r\" }".to_owned(),
            "`scrape[0].headers.a` is the same header as `A`",
        ),
        (format!("ca_file = '{}'", long.path().display()), "has more than 4194304 bytes of PEM"),
    ] {
        let refused = with(&more).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn a_job_without_a_source_is_one_to_receivers() {
    let text = |receivers: &str| {
        format!(
            "[[sources]]\nname = \"shop\"\ntoken = \"t\"\nenabled = false\n\
             [[scrape]]\njob = \"node\"\ntargets = [\"h\"]\n\
             [[scrape]]\njob = \"shop\"\nsource = \"shop\"\ntargets = [\"h\"]\n\
             [[receivers]]\nname = \"one\"\nurl = \"http://r/\"\napi_key = \"k\"\n{receivers}\n"
        )
    };
    let chosen = text("sources = [\"node\", \"shop\"]");
    let loaded = load("x", &chosen, &environment(&[])).unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "`scrape[1].source`: source \"shop\" may not send metrics, and is scraped for all the same"
        ]
    );
    let sources = Sources::Only(vec!["node".into(), "shop".into()]);
    assert_eq!(loaded.config.receivers[0].sources, sources);
    assert_eq!(&**loaded.config.scrapes[1].book(), "shop");
    // Also where nothing is scraped.
    let storage = load_storage("x", &chosen, &environment(&[])).unwrap();
    assert_eq!(storage.receivers[0].sources, sources);
    let loaded = load("x", &text("sources = [\"shop\"]"), &environment(&[])).unwrap();
    let said = "source \"node\" goes to no receiver";
    assert!(loaded.warnings.iter().any(|text| text.contains(said)), "{:?}", loaded.warnings);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    for (more, said) in [
        ("insecure_skip_verify = true", "`scrape[0].insecure_skip_verify` is set: whoever stands"),
        ("[[scrape]]\njob = \"two\"\ntargets = []", "`scrape[1].targets` is empty"),
        (
            "[[scrape]]\njob = \"two\"\ntargets = [\"http://h:1/a\", \"http://h:1/b\"]",
            "two of `scrape[1].targets` have the same labels",
        ),
    ] {
        let warnings = with(more).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(said), "{warnings:?}");
    }
    let text = format!("[[scrape]]\njob = \"node\"\ntargets = [\"h\"]\n{RECEIVER}");
    let loaded = load("x", &text, &environment(&[("TIDEGATE_SCRAPE__INTERVAL", "1s")])).unwrap();
    assert_eq!(
        loaded.warnings,
        ["environment TIDEGATE_SCRAPE__INTERVAL is ignored: tidegate knows no such variable"]
    );
}

#[test]
fn certificates_are_read_when_the_configuration_is() {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/scrape/tls");
    let own = format!("cert_file = '{tls}/client.pem'\nkey_file = '{tls}/client-key.pem'");
    let job = with(&format!("ca_file = '{tls}/ca.pem'\n{own}")).unwrap().config.scrapes.remove(0);
    let key = job.tls.identity.map(|files| files.key);
    assert_eq!(key, Some(format!("{tls}/client-key.pem").into()), "the path alone is kept");
    for (more, said) in [
        (format!("ca_file = '{tls}/client-key.pem'"), "client-key.pem holds no certificate in PEM"),
        (own.replace("client.pem", "client-key.pem"), "`scrape[0].cert_file`: "),
        (own.replace("client-key.pem", "client.pem"), "`scrape[0].key_file`: "),
        (own.replace("key_file", "# "), "`scrape[0].key_file` is missing"),
        (own.replace("cert_file", "# "), "`scrape[0].cert_file` is missing"),
    ] {
        let refused = with(&more).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
}

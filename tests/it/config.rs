//! The configuration as operators meet it: the example files, the fault texts, the variables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tidegate::config::{Environment, Loaded, Place, Queue, load, load_shaping};
use tidegate::queue::Durability;
use tidegate::queue::log::lanes::Order;

mod receivers;
mod scrape;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/config")
}

fn fixture(name: &str) -> String {
    fs::read_to_string(fixtures().join(name)).expect("the fixture is there")
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Environment { variables, nodename: "gateway-1".to_owned() }
}

fn minimal(variables: &[(&str, &str)]) -> Loaded {
    load("minimal.toml", &fixture("minimal.toml"), &environment(variables)).expect("it is valid")
}

/// Everything but the place: `full.toml` writes down what `minimal.toml` leaves to the defaults.
fn values(loaded: &Loaded) -> BTreeMap<(String, String), String> {
    let settings = loaded.settings.iter().cloned();
    settings.map(|setting| ((setting.section, setting.key), setting.value)).collect()
}

#[test]
fn the_full_example_shows_the_defaults() {
    let full = load("full.toml", &fixture("full.toml"), &environment(&[])).expect("it is valid");
    assert_eq!(full.warnings, Vec::<String>::new());
    let full = values(&full);
    assert_eq!(full, values(&minimal(&[])));
    assert!(full.len() > 40, "settings were noted: {}", full.len());
}

#[test]
fn the_full_example_writes_every_default_down_or_shows_it_as_a_comment() {
    let (text, mut section) = (fixture("full.toml"), String::new());
    let mut shown = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_start_matches('[').trim_end_matches(']').to_owned();
            shown.push(section.clone());
        } else if let Some((key, _)) = line.split_once(" = ") {
            let dot = if section.is_empty() { "" } else { "." };
            shown.push(format!("{section}{dot}{key}"));
        }
    }
    let loaded = minimal(&[]);
    let missing: Vec<_> =
        loaded.settings.known().filter(|key| !shown.iter().any(|shown| shown == key)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "keys that fixtures/config/full.toml does not show");
}

/// `UPDATE_FIXTURES=1 cargo test bad_files` writes the texts anew; read the difference.
#[test]
fn bad_files_get_exactly_these_texts() {
    let mut cases = 0;
    for entry in fs::read_dir(fixtures().join("bad")).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        cases += 1;
        let text = fs::read_to_string(&path).expect("it can be read");
        let problems = load("tidegate.toml", &text, &environment(&[("ONE", "one")]))
            .expect_err("every file in bad/ is refused");
        let (got, expected) = (format!("{problems}\n"), path.with_extension("txt"));
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            use std::io::Write;
            let mut file = fs::File::create(&expected).expect("it can be written");
            file.write_all(got.as_bytes()).expect("it can be written");
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(got, wanted, "{}", path.display());
        assert!(!got.contains("hunter") && !got.contains("s3cret"), "a secret shows: {got}");
    }
    assert!(cases >= 12, "{cases}");
}

#[test]
fn a_variable_beats_the_file() {
    let loaded = minimal(&[
        ("TIDEGATE_LISTEN", "0.0.0.0:9000"),
        ("TIDEGATE_LIMITS__BODY_BYTES", "1MiB"),
        ("TIDEGATE_LIMITS__CONNECTIONS", "17"),
        ("TIDEGATE_TIME__KEEP_UNPARSED", "false"),
        ("TIDEGATE_RECEIVER__API_KEY", "from-outside"),
        ("TIDEGATE_RECEIVER__RETRY_MAX", "2min"),
        ("TIDEGATE_CONFIG", "elsewhere.toml"),
    ]);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let config = loaded.config;
    assert_eq!(config.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(config.limits.body_bytes, 1 << 20);
    assert_eq!(config.limits.connections, 17);
    assert!(!config.policy.time.keep_unparsed);
    assert_eq!(config.receivers[0].api_key.reveal(), "from-outside");
    assert_eq!(config.receivers[0].retry_max.as_secs(), 120);
    let listen = loaded.settings.iter().find(|setting| setting.key == "listen").cloned();
    let place = listen.map(|setting| setting.place);
    assert_eq!(place, Some(Place::Variable("TIDEGATE_LISTEN".to_owned())));
}

#[test]
fn a_variable_for_a_secret_beats_every_way_the_file_gives_it() {
    let text = fixture("minimal.toml").replace("api_key = ", "api_key_file = ");
    let variables = environment(&[("TIDEGATE_RECEIVER__API_KEY", "from-outside")]);
    let loaded = load("x", &text, &variables).expect("the file is not even opened");
    assert_eq!(loaded.config.receivers[0].api_key.reveal(), "from-outside");
}

#[test]
fn a_bad_variable_is_named_with_its_key() {
    let variables = environment(&[("TIDEGATE_LIMITS__CONNECTIONS", "many")]);
    let problems = load("x", &fixture("minimal.toml"), &variables).expect_err("it is refused");
    assert_eq!(
        problems.to_string(),
        "environment TIDEGATE_LIMITS__CONNECTIONS: `limits.connections` must be a whole number \
         from 1 to 1000000, not \"many\""
    );
}

#[test]
fn unknown_variables_are_warnings() {
    let loaded = minimal(&[
        ("TIDEGATE_LIMIT__CONNECTIONS", "1"),
        ("TIDEGATE_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("TIDEGATE_HOSTNAME_TAGS", "host"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        loaded.warnings,
        [
            "environment TIDEGATE_HOSTNAME_TAGS is ignored: only single values can be set by a \
             variable",
            "environment TIDEGATE_LIMIT__CONNECTIONS is ignored; did you mean \
             TIDEGATE_LIMITS__CONNECTIONS?",
            "environment TIDEGATE_PORT_8080_TCP_ADDR is ignored: tidegate knows no such variable",
        ]
    );
}

/// The queue of `minimal.toml` with these lines, and the warnings.
fn queue(lines: &str) -> (Queue, Vec<String>) {
    let text = format!("{}[queue]\n{lines}\n", fixture("minimal.toml"));
    let loaded = load("x", &text, &environment(&[])).expect("it is valid");
    (loaded.config.queue, loaded.warnings)
}

#[test]
fn an_acknowledged_metric_is_on_the_disk_unless_the_file_says_otherwise() {
    let expected = Queue {
        durability: Durability::Fsync,
        max_bytes: 4 << 30,
        min_free_bytes: 512 << 20,
        segment_bytes: 64 << 20,
        order: Order::FreshFirst { share: 4 },
    };
    assert_eq!(minimal(&[]).config.queue, expected);
    let (os, _) = queue("durability = \"os\"");
    assert_eq!(os, Queue { durability: Durability::Os, ..expected });
    let (memory, warnings) = queue("durability = \"memory\"");
    assert_eq!((memory.durability, memory.max_bytes), (Durability::Memory, 256 << 20));
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn segments_are_an_eighth_of_a_small_queue_in_whole_mebibytes() {
    for (max_bytes, segment_mib) in
        [("4MiB", 1), ("8MiB", 1), ("15MiB", 1), ("100MiB", 12), ("511MiB", 63), ("1TiB", 64)]
    {
        let text = format!(
            "{}[limits]\nexpanded_bytes = \"1MiB\"\n[queue]\nmax_bytes = \"{max_bytes}\"\n",
            fixture("minimal.toml")
        );
        let queue = load("x", &text, &environment(&[])).expect("it is valid").config.queue;
        assert_eq!(queue.segment_bytes, segment_mib << 20, "{max_bytes}");
    }
    let (queue, _) = queue("max_bytes = \"256MiB\"\nsegment_bytes = \"64MiB\"");
    assert_eq!(queue.segment_bytes, 64 << 20, "exactly a quarter");
}

#[test]
fn the_largest_body_fits_into_an_empty_queue() {
    for (durability, least) in [("fsync", 128 + 8 + 19), ("os", 128 + 8 + 19), ("memory", 128 + 8)]
    {
        let said = |mib: u64| {
            let lines = format!("durability = \"{durability}\"\nmax_bytes = \"{mib}MiB\"\n");
            let text = format!("{}[queue]\n{lines}", fixture("minimal.toml"));
            load("x", &text, &environment(&[])).map_err(|problems| problems.to_string())
        };
        said(least).expect("it fits");
        let refused = said(least - 1).expect_err("it does not fit");
        assert!(refused.contains("or the largest body never fits"), "{refused}");
    }
}

#[test]
fn the_order_of_delivery_is_a_choice() {
    let (fresh, _) = queue("fresh_share = 100");
    assert_eq!(fresh.order, Order::FreshFirst { share: 100 });
    let (fifo, warnings) = queue("order = \"fifo\"");
    assert_eq!((fifo.order, warnings), (Order::Fifo, Vec::new()));
}

#[test]
fn queue_settings_without_effect_are_warnings() {
    let idle = "min_free_bytes = \"1GiB\"\nsegment_bytes = \"1GiB\"\norder = \"fresh_first\"\n\
                fresh_share = 9";
    let (queue_in_memory, warnings) = queue(&format!("durability = \"memory\"\n{idle}"));
    assert_eq!(queue_in_memory.max_bytes, 256 << 20);
    assert_eq!(
        warnings,
        ["min_free_bytes", "segment_bytes", "order", "fresh_share"]
            .map(|key| format!("`queue.{key}` has no effect with `queue.durability = \"memory\"`"))
    );
    let (_, warnings) = queue("order = \"fifo\"\nfresh_share = 9");
    assert_eq!(warnings, ["`queue.fresh_share` has no effect with `queue.order = \"fifo\"`"]);
}

#[test]
fn a_queue_in_memory_prints_only_what_has_effect() {
    let text = fixture("minimal.toml") + "[queue]\ndurability = \"memory\"\n";
    let printed = load("x", &text, &environment(&[])).expect("it is valid").settings.to_string();
    let (_, queue) = printed.split_once("[queue]\n").expect("it is there");
    let (queue, _) = queue.split_once("\n\n").expect("another section follows");
    assert_eq!(queue, "durability = \"memory\"  # line 10\nmax_bytes = \"256MiB\"  # default");
}

#[test]
fn a_token_may_come_in_a_label_only_where_its_source_says_so() {
    let allowed = |text: &str| {
        let loaded = load("full.toml", text, &environment(&[])).expect("it is valid");
        loaded.config.sources[0].label_token
    };
    let text = fixture("full.toml");
    assert!(!allowed(&text));
    assert!(!allowed(&text.replace("label_token = false\n", "")));
    assert!(allowed(&text.replace("label_token = false", "label_token = true")));
}

#[test]
fn an_exemption_that_comes_too_late_for_a_token_in_a_label_is_a_warning() {
    let both = "rate_limit = false\nlabel_token = true\n";
    for (source, limits, is_said) in [
        (both, "", true),
        ("rate_limit = false\n", "", false),
        ("label_token = true\n", "", false),
        (both, "[limits]\nover_limit_status = 503\n", false),
        (both, "[limits]\nrequests_per_minute = 0\n", false),
    ] {
        let text = format!(
            "[[sources]]\nname = \"a\"\ntoken = \"t\"\n{source}\
             [receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n{limits}"
        );
        let warnings = load("x", &text, &environment(&[])).expect("it is valid").warnings;
        assert_eq!(warnings.len(), usize::from(is_said), "{text}: {warnings:?}");
        for warning in warnings {
            for part in ["source \"a\"", "label_token", "over_limit_status` = 503"] {
                assert!(warning.contains(part), "{warning}");
            }
        }
    }
}

#[test]
fn the_admin_port_is_on_loopback_elsewhere_or_off() {
    let listen = |more: &str| {
        let text = fixture("minimal.toml") + more;
        let loaded = load("x", &text, &environment(&[])).map_err(|problems| problems.to_string());
        loaded.map(|loaded| loaded.config.admin.listen.map(|address| address.to_string()))
    };
    assert_eq!(listen(""), Ok(Some("127.0.0.1:8081".to_owned())));
    let elsewhere = listen("[admin]\nlisten = \"[::]:9\"\n");
    assert_eq!(elsewhere, Ok(Some("[::]:9".to_owned())));
    assert_eq!(listen("[admin]\nlisten = \"off\"\n"), Ok(None));
    for wrong in ["\"on\"", "\"localhost:8081\"", "\"\""] {
        let said = listen(&format!("[admin]\nlisten = {wrong}\n")).expect_err(wrong);
        assert!(said.contains("`admin.listen` must be") && said.contains("\"off\""), "{said}");
    }
    let off = minimal(&[("TIDEGATE_ADMIN__LISTEN", "off")]);
    assert_eq!(off.config.admin.listen, None);
    assert!(off.settings.to_string().contains("listen = \"off\"  # TIDEGATE_ADMIN__LISTEN"));
}

#[test]
fn secrets_come_from_files_and_variables_too() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("key");
    fs::copy(fixtures().join("../config/bad/nothing.toml"), &path).expect("it can be written");
    let write = |text: &str| {
        use std::io::Write;
        let mut file = fs::File::create(&path).expect("it can be written");
        file.write_all(text.as_bytes()).expect("it can be written");
    };
    write("key-from-file\r\n");
    // Its digest is that of `one`.
    let text = format!(
        "[[sources]]\nname = \"a\"\ntoken_env = \"ONE\"\n\
         [receiver]\nurl = \"http://r/\"\napi_key_file = '{}'\n",
        path.display()
    );
    let variables = environment(&[("ONE", "one")]);
    let config = load("x", &text, &variables).expect("it is valid").config;
    assert_eq!(config.receivers[0].api_key.reveal(), "key-from-file");
    let digest = config.sources[0].tokens[0].sha256;
    let digested = text.replace(
        "token_env = \"ONE\"",
        "token_sha256 = \"7692C3AD3540BB803C020B3AEE66CD8887123234EA0C6E7143C0ADD73FF431ED\"",
    );
    let again = load("x", &digested, &variables).expect("it is valid").config;
    assert_eq!(again.sources[0].tokens[0].sha256, digest);

    for (content, cause) in [
        ("two words\n", "`receiver.api_key_file` must be visible ASCII characters without spaces"),
        ("\n", "`receiver.api_key_file` is empty"),
        (&"x".repeat(5_000), "`receiver.api_key_file` is longer than 4096 bytes"),
    ] {
        write(content);
        let problems = load("x", &text, &variables).expect_err("it is refused");
        assert_eq!(problems.to_string(), format!("x:6: {cause}"));
    }
}

#[test]
fn shaping_needs_neither_secrets_nor_receiver() {
    let text = "[[sources]]\nname = \"a\"\ntoken_file = \"/nonexistent\"\nhostname = \"h\"\n\
                [stackstate]\ntype = \"raw\"\n";
    let shaping = load_shaping("x", text, &environment(&[])).expect("it is enough");
    assert_eq!(shaping.sources[0].hostname.as_deref(), Some("h"));
    assert_eq!(shaping.policy.tuple_type, tidegate::normalize::TupleType::Raw);
    assert_eq!(shaping.policy.gateway_hostname, "gateway-1");
    let problems = load_shaping("x", "[tim]\nmax_age = \"1h\"\n", &environment(&[]));
    let text = problems.expect_err("it is refused").to_string();
    assert_eq!(text, "x:1: unknown key `tim`; did you mean `time`?");
}

#[test]
fn the_effective_settings_load_again_once_secrets_are_put_back() {
    let variables =
        [("TIDEGATE_LIMITS__TRUSTED_PROXIES", "ignored"), ("TIDEGATE_LOG__LEVEL", "debug")];
    let text = fixture("minimal.toml")
        + "[limits]\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\nbody_bytes = 1000000\n";
    let loaded = load("x", &text, &environment(&variables)).expect("it is valid");
    let printed = loaded.settings.to_string();
    assert!(!printed.contains("change-me"), "{printed}");
    let masked = load("printed", &printed, &environment(&[])).expect_err("*** is no secret");
    assert_eq!(masked.to_string().matches("put the secret back").count(), 2, "{masked}");
    let again = load("printed", &printed.replace("***", "put-back"), &environment(&[]))
        .expect("what is printed is valid");
    assert_eq!(again.settings.to_string().lines().count(), printed.lines().count());
    let unsecret = |loaded: &Loaded| {
        let mut values = values(loaded);
        values.retain(|_, value| value != "\"***\"");
        values
    };
    assert_eq!(unsecret(&again), unsecret(&loaded));
}

#[test]
fn debug_output_holds_no_secret() {
    let loaded = minimal(&[]);
    let printed = format!("{loaded:?} {:?}", loaded.config);
    assert!(!printed.contains("change-me"), "{printed}");
    assert!(!printed.contains("token_sha256: ["), "{printed}");
}

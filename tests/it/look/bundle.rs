//! `tidegate bundle`: what is in it, and what must never be.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::read::MultiGzDecoder;

use super::{CHECKOUT, Running, exchange, gauge, put, stderr, stdout, tidegate};

/// The texts of a bundle by name.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(MultiGzDecoder::new(File::open(path).unwrap()));
    let mut texts = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let name = name.strip_prefix("tidegate-bundle/").unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        texts.insert(name, text);
    }
    texts
}

#[test]
fn a_bundle_of_a_running_gateway_has_everything_and_no_secret() {
    let secrets = [
        CHECKOUT,
        super::BILLING,
        "k3y-of-the-receiver",
        "file/secret+of=a source",
        "env-secret-of-a-header",
        "plain-secret-of-a-header",
    ];
    let more = "[[scrape]]\njob = \"nodes\"\ntargets = [\"127.0.0.1:9\"]\n\
                headers = { X-One = \"plain-secret-of-a-header\", X-Two = { env = \"HEADER\" } }\n\
                [[sources]]\nname = \"third\"\ntoken_file = \"token\"\n";
    let directory = tempfile::tempdir().unwrap();
    let gateway = Running::with("http://127.0.0.1:9/", "");
    gateway.post(CHECKOUT, &gauge("a"));
    let mut config =
        std::fs::read_to_string(gateway.directory.path().join("tidegate.toml")).unwrap();
    config.push_str(more);
    put(&directory.path().join("more.toml"), &config.replace("gateway-1", CHECKOUT));
    put(&gateway.directory.path().join("token"), "file/secret+of=a source\n");
    let output = directory.path().join("out.tar.gz");
    let config = directory.path().join("more.toml");
    let args = [
        "bundle",
        "--output",
        output.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
        "--data-dir",
        "data",
    ];
    let mut command = gateway.command(&args);
    // A name that holds a secret is listed, and a value is not.
    command.env("HEADER", "env-secret-of-a-header").env("TIDEGATE_plain-secret-of-a-header", "x");
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert_eq!(output.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let texts = unpacked(&output);
    for (name, wanted) in [
        ("README.txt", "Look at it before you send it."),
        ("version.txt", "tidegate 0.1.0"),
        ("environment.txt", "TIDEGATE_***"),
        ("system.txt", "cpus: "),
        ("status.json", "\"sources\""),
        ("readyz.json", "\"ready\""),
        ("receivers.json", "\"books\""),
        ("metrics.txt", "tidegate_build_info"),
        ("logs.ndjson", "taking metrics at"),
        ("queue.json", "\"destinations\""),
        ("verify.json", "\"sound\": true"),
        ("dead-letters.json", "\"receivers\""),
    ] {
        assert!(texts[name].contains(wanted), "{name}: {}", texts[name]);
    }
    assert!(texts["README.txt"].contains("A secret was found in"), "{}", texts["README.txt"]);
    for (name, text) in &texts {
        for secret in secrets {
            let percent =
                percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC);
            for form in [
                secret.to_owned(),
                percent.to_string(),
                STANDARD.encode(secret),
                URL_SAFE_NO_PAD.encode(secret),
                STANDARD.encode(format!("user:{secret}")),
            ] {
                assert!(!text.contains(&form), "{name} holds {form}");
            }
        }
    }
}

#[test]
fn no_item_of_a_client_is_in_it() {
    let gateway = Running::start();
    let card = "4111-1111-1111-1111";
    let bad =
        format!(r#"{{"name":"paid","gauge":{{"value":"{card}"}},"tags":{{"card":"{card}"}}}}"#);
    gateway.post(CHECKOUT, &format!("[{},{bad}]", gauge("a")));
    let ask = format!("GET /status HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin);
    assert!(exchange(&gateway.admin, &ask).contains(card), "the page shows it");
    let done = gateway.command(&["bundle", "--output", "out.tar.gz"]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let texts = unpacked(&gateway.directory.path().join("out.tar.gz"));
    assert!(texts["status.json"].contains("\"last_rejects\""), "{}", texts["status.json"]);
    for (name, text) in &texts {
        assert!(!text.contains(card), "{name}: {text}");
    }
}

#[test]
fn the_configuration_is_in_it_as_check_config_has_it() {
    let gateway = Running::start();
    let done = gateway.command(&["bundle", "--output", "out.tar.gz"]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let texts = unpacked(&gateway.directory.path().join("out.tar.gz"));
    let checked = gateway.command(&["check-config"]).output().unwrap();
    assert_eq!(texts["config.toml"], stdout(&checked));
    assert!(!texts["README.txt"].contains("A secret was found"), "{}", texts["README.txt"]);
}

#[test]
fn a_file_is_replaced_only_when_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out.tar.gz");
    put(&file, "mine");
    let run = |more: &[&str]| {
        let args = [&["bundle", "--output", "out.tar.gz"], more].concat();
        tidegate(directory.path(), &args).output().unwrap()
    };
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is there already"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    let output = run(&["--force"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // Neither a configuration nor a gateway: every part says why.
    let texts = unpacked(&file);
    for name in ["config.toml", "status.json", "logs.ndjson", "queue.json", "verify.json"] {
        assert!(texts[name].starts_with("not to be had: "), "{name}: {}", texts[name]);
    }
    assert!(texts["system.txt"].contains("kernel: Linux"), "{}", texts["system.txt"]);
}

#[test]
fn a_stopped_gateway_gives_what_there_is() {
    let mut gateway = Running::start();
    gateway.post(CHECKOUT, &gauge("a"));
    gateway.end();
    let done = gateway.command(&["bundle"]).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let name = stdout(&done).split(',').next().unwrap().to_owned();
    let texts = unpacked(&gateway.directory.path().join(name));
    assert!(texts["status.json"].contains("no gateway is running"), "{}", texts["status.json"]);
    assert!(texts["verify.json"].contains("\"sound\": true"), "{}", texts["verify.json"]);
    assert!(texts["queue.json"].contains("\"tuples\": 1"), "{}", texts["queue.json"]);
}

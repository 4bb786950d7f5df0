//! Change without a restart, through the program: what takes effect, what is refused, what waits.

use std::path::Path;

mod live;
mod load;
mod process;
mod quota;
mod rotation;
mod tls;

use process::{BY_HAND, Process, REST, TOP, source};

const GAUGE: &str = r#"{"name":"a","gauge":{"value":1}}"#;

#[expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]
fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}

fn config(more: &str) -> String {
    format!("{TOP}{BY_HAND}{more}{REST}")
}

#[test]
fn a_hangup_brings_a_new_source_and_ends_an_old_one() {
    let gateway = Process::start(&config(&source("one", "old")));
    assert_eq!((gateway.send("old"), gateway.send("new")), (202, 403));
    gateway.write(&config(&source("two", "new")));
    gateway.hang_up();
    let line = gateway.logged("SIGHUP: the configuration was read again");
    let told = line["message"].as_str().unwrap();
    assert!(told.contains("source \"one\" is removed; source \"two\" is added"), "{told}");
    assert_eq!((gateway.send("old"), gateway.send("new")), (403, 202));
    assert!(!gateway.log().contains("\"old\""), "{}", gateway.log());
}

#[test]
fn a_configuration_with_faults_changes_nothing_and_is_told_of_until_it_is_cured() {
    let gateway = Process::start(&config(&source("one", "token-1")));
    let status = || gateway.admin("GET", "/status", &[]).json()["reload"].clone();
    let successful = "tidegate_config_last_reload_successful";
    assert_eq!(gateway.metric(successful), Some(1.0));
    let good = source("one", "token-1") + &source("two", "token-2");
    let bad = config(&good).replace("\"0s\"", "\"soon\"") + "[limits]\nbody_byte = 1\n";
    let answer = gateway.reload(&bad);
    assert_eq!(answer.status, 422, "{answer:?}");
    // `limits` is there twice by now, which TOML does not have.
    let bad = config(&good).replace("\"0s\"", "\"soon\"").replace("[receiver]", "[recever]");
    let answer = gateway.reload(&bad);
    let problems = answer.list("problems");
    assert_eq!((answer.status, problems.len()), (422, 3), "{problems:?}");
    for wanted in ["tidegate.toml:4: `shutdown.grace`", "did you mean `receiver`", "no [receiver]"]
    {
        assert!(problems.iter().any(|problem| problem.contains(wanted)), "{problems:?}");
    }
    assert_eq!((gateway.send("token-1"), gateway.send("token-2")), (202, 403));
    assert_eq!(gateway.metric(successful), Some(0.0));
    assert_eq!(
        (&status()["ok"], status()["problems"].as_array().map(Vec::len)),
        (&false.into(), Some(3))
    );
    gateway.logged("POST /-/reload: the configuration cannot be used, the one before stays");
    gateway.logged("`shutdown.grace` must be");

    let answer = gateway.reload(&config(&good));
    assert_eq!(
        (answer.status, answer.list("changed")),
        (200, vec!["source \"two\" is added".to_owned()])
    );
    assert_eq!((gateway.metric(successful), gateway.send("token-2")), (Some(1.0), 202));
    assert_eq!(
        (&status()["ok"], &status()["changed"][0]),
        (&true.into(), &answer.json()["changed"][0])
    );
    assert!(
        gateway.metric("tidegate_config_last_reload_success_timestamp_seconds").unwrap() > 1.7e9
    );
}

#[test]
fn a_file_that_is_gone_is_a_fault_and_no_end() {
    let gateway = Process::start(&config(&source("one", "token-1")));
    std::fs::remove_file(gateway.path("tidegate.toml")).unwrap();
    gateway.hang_up();
    gateway.logged("cannot read the configuration: No such file");
    assert_eq!(gateway.send("token-1"), 202);
}

#[test]
fn what_needs_a_restart_is_named_each_time_and_the_rest_takes_effect() {
    let gateway = Process::start(&config(&source("one", "token-1")));
    let changed = config(&(source("one", "token-1") + &source("two", "token-2")))
        .replace("listen = \"127.0.0.1:0\"\nadmin", "listen = \"127.0.0.1:1\"\nadmin")
        .replace("127.0.0.1:9/", "127.0.0.1:10/")
        + "timeout = \"20s\"\n";
    for times in 0..2 {
        let answer = gateway.reload(&changed);
        assert_eq!(answer.status, 200, "{answer:?}");
        let waits = answer.list("needs_restart");
        let wanted = ["`listen`", "`timeout` of receiver default", "`url` of receiver default"];
        assert_eq!(waits, wanted);
        assert_eq!(answer.list("changed").len(), 1 - times);
        assert_eq!(gateway.send("token-2"), 202);
        let line = gateway.logged_nth("`listen` needs a restart", times);
        assert_eq!(line["level"], "WARN");
    }
    let answer = gateway.reload(&config(&source("one", "token-1")));
    assert_eq!(answer.list("needs_restart"), Vec::<String>::new(), "back to what runs");
}

#[test]
fn a_change_of_the_files_is_taken_up_by_itself() {
    let watched = |sources: &str| {
        format!("{TOP}reload.interval = \"100ms\"\nlimits.requests_per_minute = 0\n{sources}{REST}")
    };
    let by_file = "[[sources]]\nname = \"two\"\ntoken_file = \"token\"\n";
    let gateway = Process::start(&watched(&source("one", "token-1")));
    write(&gateway.path("token"), "token-2\n");
    gateway.write(&watched(by_file));
    gateway.logged("a file changed: the configuration was read again");
    assert_eq!((gateway.send("token-1"), gateway.send("token-2")), (403, 202));
    write(&gateway.path("token"), "token-3\n");
    let line = gateway.logged("`token` of source");
    assert!(line["message"].as_str().unwrap().starts_with("a file changed"), "{line}");
    assert_eq!((gateway.send("token-2"), gateway.send("token-3")), (403, 202));

    // One that cannot be read is cured where it is wrong.
    write(&gateway.path("token"), "two words");
    gateway.logged("must be visible ASCII characters without spaces");
    assert_eq!(gateway.send("token-3"), 202);
    write(&gateway.path("token"), "token-4");
    gateway.logged_nth("`token` of source", 1);
    assert_eq!((gateway.send("token-3"), gateway.send("token-4")), (403, 202));
}

#[test]
fn variables_and_arguments_still_win() {
    let text = config(&source("one", "token-1"));
    let variables = [("TIDEGATE_AUTH__UNAUTHORIZED_STATUS", "401")];
    let gateway = Process::start_with(&text, &["--listen", "127.0.0.1:0"], &variables);
    let other = text.replace("listen = \"127.0.0.1:0\"\nadmin", "listen = \"127.0.0.1:1\"\nadmin")
        + "[auth]\nunauthorized_status = 403\n[http]\nnothing_accepted_status = 400\n";
    let answer = gateway.reload(&other);
    assert_eq!(answer.list("changed"), ["`http.nothing_accepted_status`: 422 -> 400"]);
    assert_eq!(answer.list("needs_restart"), Vec::<String>::new());
    assert_eq!(gateway.send("wrong"), 401);
}

#[test]
fn only_a_post_that_no_web_page_can_send_reloads() {
    let gateway = Process::start(&config(&source("one", "token-1")));
    for (method, headers, status) in [
        ("GET", &[][..], 405),
        ("PUT", &[], 405),
        ("POST", &[("origin", "http://127.0.0.1:8081")], 403),
        ("POST", &[("sec-fetch-site", "cross-site")], 403),
        ("POST", &[("content-type", "application/x-www-form-urlencoded")], 415),
        ("POST", &[("content-type", "application/json")], 200),
        ("POST", &[], 200),
    ] {
        let answer = gateway.admin(method, "/-/reload", headers);
        assert_eq!(answer.status, status, "{method} {headers:?}: {answer:?}");
    }
}

#[test]
fn a_hangup_during_the_start_does_not_end_it_and_a_file_that_hangs_holds_nothing_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tidegate.toml");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let gateway = Process::begin(directory);
    // From the moment the signal is caught it waits for somebody to write the configuration.
    let catches = || {
        let facts = std::fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
        let caught = facts.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        u64::from_str_radix(caught, 16).unwrap() & 1 == 1
    };
    while !catches() {
        std::thread::yield_now();
    }
    gateway.hang_up();
    write(&path, &config(&source("one", "token-1")));
    let gateway = gateway.started();
    gateway.logged("reading it takes longer than 5s");
    assert_eq!(gateway.send("token-1"), 202);
}

#[test]
fn a_trial_has_nothing_to_read_again_and_ends_with_its_terminal() {
    let args = ["--dev", "--listen", "127.0.0.1:0", "--receiver-listen", "127.0.0.1:0"];
    let admin = [("TIDEGATE_ADMIN__LISTEN", "127.0.0.1:0")];
    let mut gateway = Process::start_with("", &args, &admin);
    assert_eq!((gateway.ask_to_reload().status, gateway.send("dev")), (409, 202));
    gateway.hang_up();
    gateway.logged("SIGHUP received");
    assert!(gateway.ended().success(), "in order: {}", gateway.log());
}

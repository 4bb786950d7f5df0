//! What is said of a change, and what is in effect after it.

use super::*;
use crate::config::{Environment, Loaded, load};

const RECEIVER: &str = "[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n";

fn read(text: &str) -> Loaded {
    load("test", text, &Environment::default()).unwrap()
}

fn source(name: &str, more: &str) -> String {
    format!("[[sources]]\nname = \"{name}\"\n{more}\n")
}

fn told(before: &str, after: &str) -> (Vec<String>, Vec<String>) {
    let (before, after) = (read(before), read(after));
    let (old, new) = (Picture::of(&before.settings), Picture::of(&after.settings));
    let told = difference((&before.config, &old), (&after.config, &new), &Held::default());
    (told.changed, told.needs_restart)
}

/// Of one source to another, what is said; nothing else needs a restart or changes.
fn told_of_sources(before: &str, after: &str) -> Vec<String> {
    let whole = |sources: &str| format!("{sources}{RECEIVER}");
    let (changed, needs_restart) = told(&whole(before), &whole(after));
    assert_eq!(needs_restart, Vec::<String>::new());
    changed
}

#[test]
fn sources_are_known_by_their_names_and_tokens_by_their_digests() {
    let one = source("one", "token = \"1\"");
    let two = source("two", "token = \"2\"");
    // printf %s 1 | sha256sum
    let digest = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    let by_digest = source("one", &format!("token_sha256 = \"{digest}\""));
    for (before, after, wanted) in [
        (one.clone(), one.clone(), &[][..]),
        (one.clone(), by_digest, &[]),
        (one.clone() + &two, two.clone() + &one, &[]),
        (one.clone(), one.clone() + &two, &["source \"two\" is added"]),
        (one.clone() + &two, one.clone(), &["source \"two\" is removed"]),
        (one.clone(), source("uno", "token = \"1\""), &["source \"one\" is called \"uno\" now"]),
        (
            one.clone(),
            source("uno", "token = \"1\"\nnext_token = \"4\"\nhostname = \"h\""),
            &[
                "source \"one\" is called \"uno\" now",
                "`hostname` of source \"uno\"",
                "`next_token` of source \"uno\"",
            ],
        ),
        (one.clone(), source("one", "token = \"3\""), &["`token` of source \"one\""]),
        (
            one.clone(),
            source("one", "token = \"1\"\nhostname = \"h\"\ntags = { a = \"b\" }"),
            &["`hostname` of source \"one\"", "`tags` of source \"one\""],
        ),
    ] {
        assert_eq!(told_of_sources(&before, &after), wanted, "{before} -> {after}");
    }
}

#[test]
fn no_value_of_a_secret_is_told() {
    let jobs = |header: &str| {
        format!(
            "{}[[scrape]]\njob = \"j\"\ntargets = [\"h:1\"]\nheaders = {{ X = \"{header}\" }}\n{}",
            source("one", &format!("token = \"{header}\"")),
            RECEIVER.replace("\"k\"", &format!("\"{header}\"")),
        )
    };
    let (changed, needs_restart) = told(&jobs("hunter1"), &jobs("hunter2"));
    assert_eq!(needs_restart, Vec::<String>::new());
    assert_eq!(
        changed,
        [
            "`token` of source \"one\"",
            "api key of receiver default",
            "headers or certificates of job j",
        ]
    );
}

#[test]
fn receivers_wait_for_a_restart_and_may_become_one_of_several() {
    let one = source("one", "token = \"1\"");
    let before = format!("{one}{RECEIVER}");
    let list = RECEIVER.replace("[receiver]", "[[receivers]]\nname = \"default\"");
    assert_eq!(told(&before, &format!("{one}{list}")), (vec![], vec![]), "it is the same");
    let other = RECEIVER.replace("[receiver]", "[[receivers]]\nname = \"eu\"");
    let (changed, needs_restart) = told(&before, &format!("{one}{list}{other}"));
    assert_eq!(changed, Vec::<String>::new());
    assert_eq!(needs_restart, ["`max_backlog_bytes` of receiver default", "receiver eu is added"]);
}

#[test]
fn what_waits_stays_in_the_picture_of_what_is_in_effect() {
    let text =
        |top: &str, receiver: &str| format!("{top}{}{receiver}", source("one", "token = \"1\""));
    let before = read(&text("listen = \"127.0.0.1:1\"\n", RECEIVER));
    let slow = format!("{RECEIVER}timeout = \"9s\"\n[http]\nidle_timeout = \"9s\"\n");
    let after = read(&text("listen = \"127.0.0.1:2\"\n", &slow));
    let (old, new) = (Picture::of(&before.settings), Picture::of(&after.settings));
    let effective = old.merged(&new, &Held { keys: vec!["http.idle_timeout"], ..Held::default() });
    assert_eq!(effective, old, "all of it waits");
    assert_eq!(old.merged(&old, &Held::default()), old);
    let effective = old.merged(&new, &Held::default());
    let told = difference((&before.config, &effective), (&after.config, &new), &Held::default());
    assert_eq!(told.changed, Vec::<String>::new(), "it has changed already");
    // `connect_timeout` is at most `timeout`, and its default follows it.
    let waits =
        ["`listen`", "`connect_timeout` of receiver default", "`timeout` of receiver default"];
    assert_eq!(told.needs_restart, waits);
}

#[test]
fn a_receiver_that_moves_keeps_its_key_and_all_that_goes_with_it() {
    let one = source("one", "token = \"1\"");
    let before = read(&format!("{one}{RECEIVER}proxy = \"http://p:1\"\n"));
    let moved = RECEIVER.replace("http://r/", "http://s/").replace("\"k\"", "\"other\"");
    let after = read(&format!("{one}{moved}proxy = \"http://p:2\"\n"));
    let (old, new) = (Picture::of(&before.settings), Picture::of(&after.settings));
    let held = Held::of(&before.config, &after.config);
    let told = difference((&before.config, &old), (&after.config, &new), &held);
    let waits =
        ["`proxy` of receiver default", "`url` of receiver default", "api key of receiver default"];
    assert_eq!((told.changed, told.needs_restart), (vec![], waits.map(String::from).to_vec()));
    let effective = super::super::held::merged(&before.config, &after.config, &held);
    assert_eq!(effective.receivers, before.config.receivers);
    assert_eq!(old.merged(&new, &held), old);
}

#[test]
fn another_password_of_a_proxy_is_told_without_it() {
    let with = |proxy: &str| {
        format!("{}{RECEIVER}proxy = \"http://{proxy}@p:1\"\n", source("one", "token = \"1\""))
    };
    let proxy = vec!["`proxy` of receiver default".to_owned()];
    assert_eq!(told(&with("me:hunter1"), &with("me:hunter2")), (proxy, vec![]));
}

//! One token after the other, without a request that is refused.

use super::config;
use super::process::Process;

fn with(tokens: &str) -> String {
    config(&format!("[[sources]]\nname = \"one\"\n{tokens}\n"))
}

#[test]
fn a_token_is_replaced_while_clients_change_one_by_one() {
    let gateway = Process::start(&with("token = \"old\""));
    let sends = || (gateway.send("old"), gateway.send("new"));
    assert_eq!(sends(), (202, 403));
    let used = |key: &str| {
        let labels = format!("{{source=\"one\",token=\"{key}\"}}");
        gateway.metric(&format!("tidegate_source_token_last_used_timestamp_seconds{labels}"))
    };
    assert!(used("token").is_some() && used("next_token").is_none());

    let answer = gateway.reload(&with("token = \"old\"\nnext_token = \"new\""));
    assert_eq!(answer.list("changed"), ["`next_token` of source \"one\""]);
    assert_eq!(used("next_token"), None);
    assert_eq!(sends(), (202, 202));
    let last = used("next_token").expect("it was used");

    let told = gateway.admin("GET", "/status", &[]).json()["sources"][0]["tokens"].clone();
    assert_eq!((&told[0]["key"], &told[1]["key"]), (&"token".into(), &"next_token".into()));
    assert!(told[0]["expires"].is_null() && told[1]["last_used"].is_string(), "{told}");

    let answer = gateway.reload(&with("token = \"new\""));
    let told = answer.list("changed");
    assert_eq!(told, ["`token` of source \"one\"", "`next_token` of source \"one\""]);
    assert!(used("token").unwrap() >= last, "what is known of it goes with it");
    assert_eq!(sends(), (403, 202));
    for secret in ["\"old\"", "\"new\"", "old,", "new,"] {
        assert!(!gateway.log().contains(secret), "{}", gateway.log());
    }
}

#[test]
fn a_token_that_expired_opens_nothing_and_is_warned_of() {
    let expired = "token = \"old\"\ntoken_expires = 2020-01-01T00:00:00Z\n\
                   next_token = \"new\"\nnext_token_expires = \"2999-01-01T00:00:00+01:00\"";
    let gateway = Process::start(&with(expired));
    gateway.logged("`token` of source \\\"one\\\" expired at 2020-01-01T00:00:00Z");
    assert_eq!((gateway.send("old"), gateway.send("new")), (403, 202));
    let answer = gateway.reload(&with(&expired.replace("2020", "2998")));
    assert_eq!(answer.list("changed"), ["`token_expires` of source \"one\""]);
    assert_eq!(gateway.send("old"), 202);
    let answer = gateway.reload(&with(expired));
    assert!(answer.list("warnings").concat().contains("expired at"), "whoever reloads is told");
    assert_eq!(gateway.send("old"), 403);
    assert_eq!(
        gateway.log().matches("expired at").count(),
        2,
        "once a day, and then by the reload"
    );
}

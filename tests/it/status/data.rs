//! `/status`: what it says of what comes in, waits and goes out.

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::super::forward_receiver::{Act, PATIENCE, Scripted, script};
use super::{
    Arc, EVIL, Environment, KEY, SystemClock, TOKEN, Wire, config, get, metric, post, post_as,
    request, start, status,
};

/// Waits until `/status` is as wished.
async fn until(gateway: &super::Gateway, wished: impl Fn(&Value) -> bool) -> Value {
    let reached = async {
        loop {
            let told = status(gateway).await;
            if wished(&told) {
                return told;
            }
            sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("the status is reached")
}

fn source<'t>(told: &'t Value, name: &str) -> &'t Value {
    let sources = told["sources"].as_array().unwrap();
    sources.iter().find(|source| source["name"] == name).unwrap()
}

#[tokio::test]
async fn everything_is_there_from_the_start() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let told = status(&gateway).await;
    for (pointer, wanted) in [
        ("/version", json!(env!("CARGO_PKG_VERSION"))),
        ("/ready", json!(true)),
        ("/causes", json!([])),
        ("/problems", json!([])),
        ("/summary/state", json!("well")),
        ("/durability", json!("memory")),
        ("/crash_loses", json!("a crash loses everything not yet delivered")),
        ("/totals", json!({"accepted": 0, "rejected": 0, "series": 0})),
        ("/rates", json!({"accepted": 0.0, "rejected": 0.0, "delivered": 0.0})),
        ("/queue/bytes", json!(0)),
        ("/queue/tuples", json!(0)),
        ("/queue/full_in_s", json!(null)),
        ("/queue/oldest_age_s", json!(0.0)),
        ("/dead_letters", json!({"letters": 0, "bytes": 0})),
        ("/limits/limits.body_bytes", json!(20 << 20)),
        ("/limits/limits.requests_per_minute", json!(0)),
        ("/receivers/0/name", json!("default")),
        ("/receivers/0/state", json!("flowing")),
        ("/receivers/0/rate", json!(0.0)),
        ("/receivers/0/latency_ms", json!(null)),
        ("/edge/unauthorized", json!(0)),
    ] {
        assert_eq!(told.pointer(pointer), Some(&wanted), "{pointer}");
    }
    // Whoever is configured is there before anything came.
    assert_eq!(told["sources"].as_array().unwrap().len(), 2);
    let cron = source(&told, "cron");
    assert_eq!((&cron["last_seen"], &cron["silent_s"]), (&Value::Null, &Value::Null));
    assert!(told["uptime_s"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    assert!(told["started"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn what_came_is_told_by_source_with_the_last_rejects() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let body = format!("[{},{EVIL}]", metric("a"));
    assert_eq!(post(&gateway, &body).await, 202);
    assert_eq!(post(&gateway, "[{\"name\" nonsense").await, 406);
    let lines = format!("{}\n{{\"name\":\"late\",\"gauge\":true\n", metric("b"));
    let kind = "application/x-ndjson";
    assert_eq!(post_as(&gateway, super::OTHER_TOKEN, kind, &lines).await, 202);
    assert_eq!(post_as(&gateway, "wr0ng", "application/json", "{}").await, 403);

    let told = until(&gateway, |told| told["receivers"][0]["books"]["delivered"] == 2).await;
    let checkout = source(&told, "checkout");
    for (member, wanted) in
        [("accepted", 1), ("rejected", 1), ("refused", 1), ("requests", 2), ("bytes", body.len())]
    {
        assert_eq!(checkout[member], wanted, "{member}: {checkout}");
    }
    assert!(
        checkout["rate"].as_f64().unwrap() > 0.0 && checkout["reject_rate"] == checkout["rate"]
    );
    assert!(checkout["silent_s"].as_f64().unwrap() < 60.0);
    let [refused, rejected] = &checkout["last_rejects"].as_array().unwrap()[..] else {
        panic!("{checkout}")
    };
    assert_eq!((&refused["code"], &refused["example"]), (&json!("body_refused"), &Value::Null));
    assert!(refused["message"].as_str().unwrap().starts_with("Couldn't parse JSON content."));
    assert_eq!((&rejected["code"], &rejected["example"]), (&json!("missing_value"), &json!(EVIL)));
    assert!(rejected["at"].as_str() <= refused["at"].as_str());
    let late = &source(&told, "cron")["last_rejects"][0];
    assert_eq!(late["example"], "{\"name\":\"late\",\"gauge\":true", "{late}");

    // Nobody's request is nobody's.
    assert_eq!(
        (&told["edge"]["unauthorized"], &told["edge"]["last_minute"]["unauthorized"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(told["totals"], json!({"accepted": 2, "rejected": 2, "series": 2}));
    assert!(told["rates"]["delivered"].as_f64().unwrap() > 0.0);
    assert!(told["receivers"][0]["latency_ms"].as_f64().unwrap() >= 1.0);
    assert_eq!(told["summary"]["state"], "look");
}

#[tokio::test]
async fn a_held_receiver_is_the_first_that_is_said() {
    let receiver = Scripted::start(script([])).await;
    receiver.rule(Box::new(|_| Act::answer(403, "", "go away")));
    let gateway = start(&receiver).await;
    assert_eq!(post(&gateway, &format!("[{},{EVIL}]", metric("a"))).await, 202);
    let told = until(&gateway, |told| told["ready"] == false).await;
    assert_eq!(told["summary"]["state"], "trouble");
    let text = told["summary"]["text"].as_str().unwrap();
    assert!(text.starts_with("Needs attention: receiver default answers HTTP 403"), "{text}");
    assert!(text.contains("check `api_key`") && text.ends_with("(and 1 more below)"), "{text}");
    assert_eq!(told["problems"][0]["level"], "trouble");
    assert!(told["receivers"][0]["why"].as_str().unwrap().contains("go away"));
    assert_eq!(told["queue"]["tuples"], 1);
    assert!(!told.to_string().contains(KEY));
}

#[tokio::test]
async fn the_page_is_guarded_and_its_parts_are_there() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let admin = gateway.admin_addr().unwrap();
    assert_eq!(post(&gateway, &format!("[{EVIL}]")).await, 422);
    let page = get(admin, "/").await;
    for (name, wanted) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.header(name), Some(wanted), "{name}");
    }
    let policy = page.header("content-security-policy").unwrap().to_owned();
    for rule in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    // What a client sent is in it, as text.
    assert!(page.text().contains("&#60;script&#62;document.title"), "{}", page.text());
    assert_eq!(page.text().matches("<script").count(), 1);
    assert_eq!(page.text().matches("</noscript>").count(), 2);

    let mut parts = 0;
    for path in page.text().split('"').filter(|text| text.starts_with("/assets/")) {
        let part = get(admin, path).await;
        assert_eq!((part.status, part.header("x-content-type-options")), (200, Some("nosniff")));
        assert_eq!(part.header("content-security-policy"), Some(policy.as_str()), "{path}");
        parts += 1;
    }
    assert!(parts >= 3);
    for path in ["/assets/", "/assets/../status", "/assets/page.css/", "/assets/none.js"] {
        assert_eq!(get(admin, path).await.status, 404, "{path}");
    }
    let mut wire = Wire::connect(admin).await;
    wire.send(&request("POST /", "", b"x")).await;
    assert_eq!(wire.reply().await.status, 405);
    // None of it is on the other port.
    for path in ["/status", "/events", "/assets/page.css"] {
        assert_eq!(get(gateway.addr(), path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_source_over_its_own_limit_is_no_lack_of_room() {
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\n\
         queue.durability = \"memory\"\nlimits.over_limit_status = 503\n\
         [[sources]]\nname = \"checkout\"\ntoken = \"{TOKEN}\"\nrequests_per_minute = 1\n\
         [receiver]\nurl = \"http://127.0.0.1:9/\"\napi_key = \"{KEY}\"\n"
    );
    let config = config::load("test", &text, &Environment::default()).unwrap().config;
    let gateway = super::Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
    assert_eq!(post(&gateway, &metric("a")).await, 202);
    assert_eq!(post(&gateway, &metric("a")).await, 503);
    let told = status(&gateway).await;
    assert_eq!(told["edge"]["no_room"], 0, "{}", told["edge"]);
    assert_eq!(source(&told, "checkout")["quota"]["requests"]["over"], 1);
}

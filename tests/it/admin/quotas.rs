//! A source with limits, as its operator sees it: metrics, status, log and books.

use serde_json::json;

use super::super::forward_receiver::{Scripted, script};
use super::super::support::log::Log;
use super::{config, get, post, scrape, start};

fn body(metric: &str, users: std::ops::Range<usize>) -> String {
    let item = |user| json!({ "name": metric, "tags": { "user": format!("u{user}") }, "gauge": { "value": 1 } });
    serde_json::Value::from(users.map(item).collect::<Vec<_>>()).to_string()
}

#[tokio::test]
async fn series_are_told_before_and_when_they_are_too_many() {
    let log = Log::default();
    let _collecting = log.collect();
    let receiver = Scripted::start(script([])).await;
    let mut config = config(receiver.address, "");
    config.sources[0].limits.series = std::num::NonZeroU64::new(10);
    config.sources[0].limits.requests_per_minute = std::num::NonZeroU64::new(5);
    let gateway = start(config).await;
    let admin = gateway.admin_addr().unwrap();
    let warnings = || -> Vec<String> {
        let lines = log.lines("WARN");
        lines.into_iter().filter(|line| line.contains("series of the")).collect()
    };
    let quota = async || {
        let told = get(admin, "/status").await.json();
        let of = |name: &str| told[name].clone();
        (told["sources"][0]["quota"].clone(), of("problems"))
    };

    assert_eq!(post(&gateway, &body("requests", 0..7)).await.status, 202);
    let page = scrape(admin).await;
    assert!(page.at("tidegate_source_series{source=\"checkout\"}") == 7.0);
    assert!(page.at("tidegate_source_series_limit{source=\"checkout\"}") == 10.0);
    let (told, problems) = quota().await;
    let nothing = json!({ "count": 7, "limit": 10, "window_s": 3600, "grows": null });
    assert_eq!((&told["series"], &problems), (&nothing, &json!([])));
    assert_eq!(told["requests"], json!({ "per_minute": 5, "over": 0 }));
    assert_eq!(warnings(), Vec::<String>::new());

    post(&gateway, &body("requests", 7..8)).await;
    assert_eq!(warnings().len(), 1);
    let says = "source checkout has 8 series of the 10 it may have (`series` of its [[sources]]): metric \
                `requests` has the most, about 8, and about 8 values in its tag `user`";
    assert!(warnings()[0].contains(says), "{:?}", warnings());
    let (told, problems) = quota().await;
    let grows = &told["series"]["grows"];
    assert_eq!(
        (&grows["metric"], &grows["tag"], &grows["values"]),
        (&json!("requests"), &json!("user"), &json!(8))
    );
    let text = problems[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("source checkout has 8 series of the 10 it may have: metric"),
        "{text}"
    );

    post(&gateway, &body("requests", 8..13)).await;
    assert_eq!(post(&gateway, &body("others", 0..1)).await.status, 422);
    assert_eq!(post(&gateway, &body("requests", 0..10)).await.status, 202);
    assert_eq!(post(&gateway, &body("requests", 0..10)).await.status, 429);
    assert_eq!(warnings().len(), 1, "once a window");
    let page = scrape(admin).await;
    for (sample, expected) in [
        ("tidegate_source_series{source=\"checkout\"}", 10.0),
        ("tidegate_rejections_total{code=\"too_many_series\"}", 4.0),
        ("tidegate_metrics_accepted_total", 20.0),
        ("tidegate_metrics_rejected_total", 4.0),
        ("tidegate_metrics_received_total", 24.0),
        ("tidegate_books_balanced", 1.0),
        ("tidegate_source_over_limit_total{source=\"checkout\",limit=\"requests\"}", 1.0),
    ] {
        assert!(page.at(sample) == expected, "{sample} is {}", page.at(sample));
    }
    // No label names a metric or a tag (contract C9).
    let page = get(admin, "/metrics").await;
    assert!(!page.text().contains("\"requests\",tag") && !page.text().contains("user"), "{page:?}");
}

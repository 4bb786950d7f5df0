//! `/metrics`: valid text, and numbers that agree with what happened.

use std::sync::Arc;
use std::time::Duration;

use tidegate::admin::{Admin, Delivery, Parts};
use tidegate::queue::Meters;
use tokio::net::TcpListener;

use super::super::forward_receiver::{Act, Scripted, Side, append, script, settings, until};
use super::super::support::edge::{Edge, PATIENCE};
use super::super::support::faulty::{Faults, FaultyQueue};
use super::super::support::openmetrics::Samples;
use super::{config, get, post, post_as, scrape, start};

/// Contract C7, in one scrape.
fn assert_balanced(page: &Samples, receiver: &str) {
    let of = |name: &str| page.at(&format!("tidegate_{name}{{receiver=\"{receiver}\"}}"));
    let counters =
        |names: &[&str]| -> f64 { names.iter().map(|name| of(&format!("{name}_total"))).sum() };
    let out = ["delivered", "filtered", "dead_lettered", "expired", "damaged", "purged", "lost"];
    assert!(counters(&["series", "replayed"]) == counters(&out) + of("queued"), "{page:#?}");
    let metrics = |name: &str| page.at(&format!("tidegate_metrics_{name}_total"));
    assert!(metrics("received") == metrics("accepted") + metrics("rejected"), "{page:#?}");
    assert!(page.at("tidegate_books_balanced") == 1.0);
}

/// Scrapes until a sample has a value; every page on the way must balance.
async fn until_sample(address: std::net::SocketAddr, sample: &str, wanted: f64) -> Samples {
    let reached = async {
        loop {
            let page = scrape(address).await;
            assert_balanced(&page, "default");
            if page.get(sample).is_some_and(|value| value == wanted) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("no {sample} {wanted}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_in_every_scrape_and_the_counts_are_those_of_what_happened() {
    let receiver = Scripted::start(Box::new(|_| Act::status(503))).await;
    let more = "retry_min = \"10ms\"\nretry_max = \"20ms\"\n";
    let gateway = start(config(receiver.address, more)).await;
    let admin = gateway.admin_addr().unwrap();
    let fresh = scrape(admin).await;
    assert_balanced(&fresh, "default");
    for status in [204, 422, 503] {
        let sample = format!("tidegate_http_requests_total{{status=\"{status}\"}}");
        assert!(fresh.get(&sample) == Some(0.0), "{sample} is shown from the start");
    }

    let body = r#"[{"name":"a","gauge":{"value":1}},{"name":"x"},{"name":"h","histogram":{"count":2,"sum":3,"buckets":[{"upper_limit":0.5,"count":2}]}}]"#;
    assert_eq!(post(&gateway, body).await.status, 202);
    assert_eq!(post(&gateway, "[1,2]").await.status, 422);
    assert_eq!(post(&gateway, "nonsense").await.status, 406);
    assert_eq!(get(gateway.addr(), "/nothing").await.status, 404);
    let dry = format!("authorization: Bearer {}\r\n", super::TOKEN);
    let dry = super::request("POST /metrics?dry_run=1", &dry, body.as_bytes());
    assert_eq!(super::ask(gateway.addr(), &dry).await.status, 200);

    let failing = "tidegate_receiver_state{receiver=\"default\",state=\"retrying\"}";
    let page = until_sample(admin, failing, 1.0).await;
    for (sample, expected) in [
        ("tidegate_metrics_received_total", 5.0),
        ("tidegate_metrics_accepted_total", 2.0),
        ("tidegate_metrics_rejected_total", 3.0),
        ("tidegate_rejections_total{code=\"missing_value\"}", 1.0),
        ("tidegate_rejections_total{code=\"not_an_object\"}", 2.0),
        ("tidegate_rejections_total{code=\"invalid_json\"}", 0.0),
        ("tidegate_series_total{receiver=\"default\"}", 4.0),
        ("tidegate_queued{receiver=\"default\"}", 4.0),
        ("tidegate_queue_waiting_blocks{receiver=\"default\"}", 1.0),
        ("tidegate_queue_waiting_tuples{receiver=\"default\"}", 4.0),
        ("tidegate_http_requests_total{status=\"202\"}", 1.0),
        ("tidegate_http_requests_total{status=\"200\"}", 1.0),
        ("tidegate_http_requests_total{status=\"422\"}", 1.0),
        ("tidegate_http_requests_total{status=\"406\"}", 1.0),
        ("tidegate_http_requests_total{status=\"404\"}", 1.0),
        ("tidegate_http_panics_total", 0.0),
        ("tidegate_receiver_state{receiver=\"default\",state=\"flowing\"}", 0.0),
        ("tidegate_ready", 1.0),
        ("tidegate_queue_limit_bytes", f64::from(256 << 20)),
        ("tidegate_http_memory_limit_bytes", f64::from(256 << 20)),
        ("tidegate_http_connections_limit", 4096.0),
        ("tidegate_queue_info{durability=\"memory\"}", 1.0),
    ] {
        assert!(page.at(sample) == expected, "{sample} is {}", page.at(sample));
    }
    assert!(page.sum("tidegate_rejections_total") == page.at("tidegate_metrics_rejected_total"));
    let retried =
        "tidegate_deliveries_total{receiver=\"default\",outcome=\"retry\",answer=\"5xx\"}";
    assert!(page.at(retried) >= 1.0);
    assert!(page.at("tidegate_queue_bytes") > 0.0);
    assert!(page.at("tidegate_queue_waiting_bytes{receiver=\"default\"}") > 100.0);
    assert!(
        page.get("tidegate_receiver_last_success_timestamp_seconds{receiver=\"default\"}")
            .is_none()
    );
    assert!(page.get("tidegate_queue_disk_free_bytes").is_none(), "there is no disk");

    receiver.rule(script([]));
    let page = until_sample(admin, "tidegate_delivered_total{receiver=\"default\"}", 4.0).await;
    let done = "tidegate_deliveries_total{receiver=\"default\",outcome=\"done\",answer=\"2xx\"}";
    assert!(page.at(done) == 1.0 && page.at("tidegate_queued{receiver=\"default\"}") == 0.0);
    let success = "tidegate_receiver_last_success_timestamp_seconds{receiver=\"default\"}";
    let since_start = page.at(success) - page.at("tidegate_start_time_seconds");
    assert!((0.0..600.0).contains(&since_start), "{since_start}");
    assert!(page.at("tidegate_queue_oldest_age_seconds{receiver=\"default\"}") == 0.0);
}

#[tokio::test]
async fn every_rejection_and_warning_counts_and_not_only_the_listed_ones() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let mut items = vec![r#"{"name":"a"}"#; 250];
    items.extend([r#"{"name":"host.a","gauge":{"value":1},"dt":"soon"}"#; 150]);
    let ndjson = "application/x-ndjson";
    for (kind, body) in
        [("application/json", format!("[{}]", items.join(","))), (ndjson, items.join("\n"))]
    {
        let report = post_as(&gateway, kind, &body).await.json();
        assert_eq!((&report["rejected"], &report["accepted"]), (&250.into(), &150.into()));
        assert_eq!(report["errors"].as_array().unwrap().len(), 100);
    }
    // A broken line takes back what was said of its first value.
    let line = "{\"name\":\"a\"} {\"name\":\"host.a\",\"gauge\":{\"value\":1}} {\n";
    let good = r#"{"name":"a","gauge":{"value":1}}"#;
    let report = post_as(&gateway, ndjson, &format!("{line}{good}")).await.json();
    assert_eq!(report["rejected"], 1);
    let page = scrape(gateway.admin_addr().unwrap()).await;
    for (sample, expected) in [
        ("tidegate_rejections_total{code=\"missing_value\"}", 500.0),
        ("tidegate_rejections_total{code=\"invalid_json\"}", 1.0),
        ("tidegate_warnings_total{code=\"renamed\"}", 300.0),
        ("tidegate_warnings_total{code=\"unparsed_dt\"}", 300.0),
        ("tidegate_warnings_total{code=\"too_old\"}", 0.0),
        ("tidegate_metrics_rejected_total", 501.0),
        ("tidegate_metrics_accepted_total", 301.0),
    ] {
        assert!(page.at(sample) == expected, "{sample} is {}", page.at(sample));
    }
}

/// None of these becomes a tuple, so nothing is queued; they were taken all the same.
#[tokio::test]
async fn what_is_accepted_and_leaves_nothing_is_in_the_books() {
    let receiver = Scripted::start(script([])).await;
    let gateway = start(config(receiver.address, "")).await;
    let report = post_as(&gateway, "text/plain; version=0.0.4", "a NaN\nb +Inf\n").await.json();
    assert_eq!((&report["accepted"], &report["rejected"]), (&2.into(), &0.into()));

    // `timeseries { labels { "__name__" "up" } samples { a stale marker at 1 ms } }`
    let message =
        b"\x0a\x1d\x0a\x0e\x0a\x08__name__\x12\x02up\x12\x0b\x09\x02\0\0\0\0\0\xf0\x7f\x10\x01";
    let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
    let headers = format!(
        "authorization: Bearer {}\r\ncontent-type: application/x-protobuf\r\n\
         content-encoding: snappy\r\n",
        super::TOKEN
    );
    let request = super::request("POST /api/v1/write", &headers, &body);
    let reply = super::ask(gateway.addr(), &request).await;
    assert_eq!(reply.status, 204, "{}", reply.text());
    assert_eq!(reply.header("x-prometheus-remote-write-samples-written"), Some("1"));

    let page = scrape(gateway.admin_addr().unwrap()).await;
    assert_balanced(&page, "default");
    for (sample, expected) in [
        ("tidegate_metrics_received_total", 3.0),
        ("tidegate_metrics_accepted_total", 3.0),
        ("tidegate_metrics_rejected_total", 0.0),
        ("tidegate_stale_markers_total", 1.0),
        ("tidegate_warnings_total{code=\"skipped_value\"}", 2.0),
        ("tidegate_series_total{receiver=\"default\"}", 0.0),
    ] {
        assert!(page.at(sample) == expected, "{sample} is {}", page.at(sample));
    }
}

#[tokio::test]
async fn the_queues_own_work_its_disk_and_every_answer_of_a_receiver_are_measured() {
    let (edge, side) = (Edge::start().await, Side::new());
    let queue = FaultyQueue::over(Arc::clone(&side.queue));
    let receiver = Scripted::start(script([Act::Reset(String::new()), Act::status(429)])).await;
    let mut to = settings(receiver.address);
    to.concurrency = 1;
    let forwarder = side.start(&to);
    let meters = Meters::default();
    let parts = Parts {
        queue: queue.clone(),
        meters: meters.clone(),
        edge: Arc::clone(&edge.state),
        scrapes: Arc::default(),
        deliveries: vec![Delivery::of(&to, &forwarder, side.dead_letters())],
        data_dir: std::path::PathBuf::from("nowhere"),
        clock: side.clock.clone(),
        traffic: Arc::default(),
        tap: Arc::default(),
        allowed_hosts: Vec::new(),
        reload: tidegate::admin::Desk::closed(tidegate::admin::Reloaded::default()),
    };
    let admin = Admin::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), parts).unwrap();

    meters.commit_seconds.observe(0.003);
    meters.group_requests.observe(17.0);
    meters.group_bytes.observe(4096.0);
    meters.commit_failures.inc();
    meters.damages.inc_by(2);
    queue.set(Faults { disk: Some((5000, 700)), ..Faults::default() });
    append(&side.queue, &["m", "n"]).await;
    until(&forwarder, |now| now.delivered_tuples == 2).await;
    receiver.rule(Box::new(|_| Act::status(401)));
    append(&side.queue, &["o"]).await;
    until(&forwarder, |now| {
        now.last_error.is_some() && now.state != tidegate::forward::State::Flowing
    })
    .await;
    side.clock.advance(Duration::from_millis(2500));

    let page = scrape(admin.addr()).await;
    assert_balanced(&page, "default");
    let answer = |outcome: &str, answer: &str| {
        let labels = format!("receiver=\"default\",outcome=\"{outcome}\",answer=\"{answer}\"");
        page.at(&format!("tidegate_deliveries_total{{{labels}}}"))
    };
    assert!(answer("retry", "broken") == 1.0 && answer("retry", "4xx") == 1.0);
    assert!(answer("done", "2xx") == 1.0 && answer("hold", "4xx") >= 1.0);
    for (sample, expected) in [
        ("tidegate_queue_commit_seconds_count", 1.0),
        ("tidegate_queue_commit_seconds_sum", 0.003),
        ("tidegate_queue_group_requests_bucket{le=\"32.0\"}", 1.0),
        ("tidegate_queue_group_requests_bucket{le=\"16.0\"}", 0.0),
        ("tidegate_queue_group_bytes_sum", 4096.0),
        ("tidegate_queue_commit_failures_total", 1.0),
        ("tidegate_queue_damages_total", 2.0),
        ("tidegate_queue_disk_free_bytes", 5000.0),
        ("tidegate_queue_disk_reserve_bytes", 700.0),
        ("tidegate_queue_oldest_age_seconds{receiver=\"default\"}", 2.5),
        ("tidegate_uptime_seconds", 2.5),
        ("tidegate_start_time_seconds", 784_111_777.0),
        ("tidegate_receiver_state{receiver=\"default\",state=\"held\"}", 1.0),
        ("tidegate_unready{cause=\"receiver_held\"}", 1.0),
        ("tidegate_unready{cause=\"no_room\"}", 0.0),
        ("tidegate_ready", 0.0),
    ] {
        assert!(page.at(sample) == expected, "{sample} is {}", page.at(sample));
    }
}

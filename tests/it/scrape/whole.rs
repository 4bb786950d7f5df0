//! Scrapes in a whole gateway: receiver, books, admin port, end.

use std::sync::Arc;
use std::time::Duration;

use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};
use tidegate::receiver::{Options, Receiver};

use super::exporter::{Answer, Exporter, text};
use crate::support::edge::PATIENCE;
use crate::support::openmetrics;
use crate::support::wire::{Wire, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_scraped_reaches_the_receiver_and_the_books_balance() {
    let page = format!("hits 1\nbad{{x=\"{}\"}} 2\n", "x".repeat(4_097));
    let exporter = Exporter::start(move |nth, _| match nth {
        0..3 => Answer::Keep(text(&page)),
        _ => Answer::Silence,
    })
    .await;
    let silent = Exporter::always(Answer::Silence).await;
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\nadmin.listen = \"127.0.0.1:0\"\n\
         [[scrape]]\njob = \"node\"\ntargets = [\"{}\", \"{}\"]\n\
         [receiver]\nurl = \"{}\"\napi_key = \"API_KEY\"\n[queue]\ndurability = \"memory\"\n",
        exporter.at(),
        silent.at(),
        receiver.url()
    );
    let mut config = config::load("test", &config, &Environment::default()).unwrap().config;
    config.scrapes[0].interval = Duration::from_millis(50);
    let gateway = Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
    let arrived = receiver.wait_for_tuples(12, PATIENCE).await.unwrap();
    let tag = format!("\"instance:{}\",\"job:node\"", exporter.at());
    for tuple in &arrived.tuples {
        assert!(tuple.text().contains(&tag) && tuple.text().contains("gateway-1"), "{tuple:?}");
    }
    let ok = "tidegate_scrapes_total{job=\"node\",outcome=\"ok\"}";
    let settled = async {
        loop {
            let mut wire = Wire::connect(gateway.admin_addr().unwrap()).await;
            let accept = "accept: application/openmetrics-text\r\n";
            wire.send(&request("GET /metrics", accept, b"")).await;
            let page = openmetrics::parse(wire.reply().await.text());
            if page.at(ok) as u64 >= 3 {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let page = tokio::time::timeout(PATIENCE, settled).await.expect("three scrapes end");
    assert_eq!(page.at("tidegate_scrape_targets{job=\"node\"}") as u64, 2);
    let of = |outcome: &str| {
        page.at(&format!("tidegate_scrapes_total{{job=\"node\",outcome=\"{outcome}\"}}"))
    };
    assert_eq!(of("ok") as u64, 3);
    assert!(of("down") + of("no_room") < 1.0);
    let of = |name: &str| page.at(&format!("tidegate_metrics_{name}_total"));
    // `hits` and what each scrape says of itself; `bad` has a value that is too long.
    let books = ["received", "accepted", "rejected"].map(|name| of(name) as u64);
    assert_eq!(books, [15, 12, 3]);
    assert_eq!(page.sum("tidegate_rejections_total") as u64, 3);
    let ended = tokio::time::timeout(PATIENCE, gateway.stop()).await.expect("nothing hangs");
    assert_eq!(ended.lost, 0);
    let arrived = receiver.wait_for(PATIENCE, |_| true).await.unwrap();
    assert_eq!(arrived.totals.tuples, ended.delivered);
}

//! The gateway is killed under a Prometheus server that goes on writing: nothing it scraped is lost.

use std::collections::BTreeSet;

use tidegate::receiver::{Options, Received, Receiver};

use super::exporter::Exporter;
use super::points::counted;
use super::prometheus::{Prometheus, Stored};
use super::world::{TOKEN, wait_for_all};
use crate::support::endure::gateway::Gateway;
use crate::support::endure::place;
use crate::support::peers::{PATIENCE, free_address};

const KILLS: u64 = 4;

/// What the server counts when it was not answered.
const RETRIED: &str = "prometheus_remote_storage_samples_retried_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_killed_under_a_prometheus_server_loses_nothing() {
    let Some(exporter) = Exporter::of_this_machine().await else { return };
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let directory = place::on_a_disk();
    // Where it is found again after each start.
    let address = free_address();
    let mut gateway = Gateway::new(
        directory.path(),
        &format!(
            "listen = \"{address}\"\nhostname = \"gateway-1\"\ndata_dir = \"data\"\n\
             admin.listen = \"off\"\n\
             [[sources]]\nname = \"main\"\ntoken = \"{TOKEN}\"\n\
             [receiver]\nurl = \"{}\"\napi_key = \"API_KEY\"\nretry_min = \"5ms\"\nretry_max = \"50ms\"\n\
             [limits]\nrequests_per_minute = 0\n",
            receiver.url()
        ),
    );
    gateway.start().await;
    let url = format!("http://{address}/api/v1/write");
    let jobs = [("live", exporter.target())];
    let Some(server) = Prometheus::start(&jobs, &url).await else { return };

    for nth in 0..KILLS {
        // At work: something new has arrived since it was started.
        let before = receiver.received().totals.tuples;
        receiver.wait_for(PATIENCE, |seen| seen.totals.tuples > before).await.unwrap();
        if nth % 2 == 0 {
            // It dies with what nobody else has any more: acknowledged, and not delivered.
            receiver.faults().stand("503".parse().unwrap());
            let refused = receiver.received().totals.requests;
            let again = |seen: &Received| seen.totals.requests > refused + 2;
            receiver.wait_for(PATIENCE, again).await.unwrap();
            gateway.kill();
            receiver.faults().heal();
        } else {
            gateway.kill();
            // It is missed.
            let retried = server.own(RETRIED).await;
            server.above(RETRIED, retried).await;
        }
        gateway.start().await;
    }
    let scrapes = server.stored("up").await.len();
    let last = server.scraped("live", scrapes + 3).await;
    let stored = server.stored("{job=\"live\"}").await;
    let until_then = stored.iter().filter(|stored| stored.seconds() <= last);
    let expected = counted(until_then.filter_map(Stored::point));
    let arrived = wait_for_all(&receiver, &expected).await;
    // More often than once, perhaps; but nothing that was never scraped.
    let known: BTreeSet<_> = expected.keys().collect();
    let strangers: Vec<_> = arrived
        .iter()
        .map(|(point, _)| point)
        .filter(|point| point.seconds <= last && !known.contains(point))
        .collect();
    assert!(strangers.is_empty(), "{strangers:#?}");
    assert!(gateway.panics().is_empty(), "{:?}", gateway.panics());
    let failed = server.own("prometheus_remote_storage_samples_failed_total").await;
    assert_eq!(failed.to_bits(), 0.0_f64.to_bits(), "the server gave nothing up");
}

//! A Prometheus server scrapes two exporters and writes on: what arrives is what the exporters' pages and
//! the server's storage say.

use std::collections::BTreeSet;

use tidegate::receiver::Kind;

use super::exporter::{CHANGES, Exporter};
use super::page::Sample;
use super::points::{Counted, Point, assert_same, counted};
use super::prometheus::{EXTERNAL, Prometheus, Stored};
use super::world::{World, wait_for_all};

/// Without metadata in the same request only the name tells (Prometheus sends it apart).
fn by_name(name: &str) -> Kind {
    let parts = ["_total", "_bucket", "_sum", "_count"];
    if parts.iter().any(|part| name.ends_with(part)) { Kind::Counter } else { Kind::Gauge }
}

/// What the page says, with the labels a server gives it.
fn of_page(page: &[Sample], job: &str, target: &str) -> BTreeSet<Point> {
    let given = [("job", job), ("instance", target)].into_iter().chain(EXTERNAL);
    let point = |sample: &Sample| {
        Point::new(&sample.name, sample.labels().chain(given.clone()), 0, sample.value)
    };
    page.iter().filter(|sample| sample.name != CHANGES).filter_map(point).collect()
}

/// What a server says of each scrape, of its own accord.
fn is_of_the_server(name: &str) -> bool {
    name == "up" || name.starts_with("scrape_")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_prometheus_server_scraped_arrives_value_by_value() {
    let Some(still) = Exporter::of_a_file().await else { return };
    let Some(live) = Exporter::of_this_machine().await else { return };
    let world = World::start("").await;
    let jobs = [("still", still.target()), ("live", live.target())];
    let Some(server) = Prometheus::start(&jobs, &world.url("/api/v1/write")).await else { return };

    let mut last = server.scraped("still", 4).await;
    last = last.min(server.scraped("live", 4).await);
    let stored = server.stored("{job!=\"\"}").await;
    let until_then = stored.iter().filter(|stored| stored.seconds() <= last);
    let expected: Counted = counted(until_then.filter_map(Stored::point));
    let arrived = wait_for_all(&world.receiver, &expected).await;

    // Every sample of both, once: name, tags, second and value.
    let points = arrived.iter().map(|(point, _)| point.clone());
    let until_then = counted(points.filter(|point| point.seconds <= last));
    assert_same(("stored", &expected), ("arrived", &until_then));
    let series: BTreeSet<_> = until_then.keys().map(|point| &point.series).collect();
    assert!(series.len() > 200, "an exporter measures much: {}", series.len());

    // The page of the file holds what a storage might change on its way in.
    let of_file = arrived.iter().map(|(point, _)| point).filter(|point| point.has("job", "still"));
    let of_file =
        of_file.filter(|point| !is_of_the_server(point.name()) && point.name() != CHANGES);
    let page = counted(of_page(&still.page().await, "still", &still.target()));
    let once: BTreeSet<_> = of_file.map(Point::timeless).collect();
    assert_same(("on the page", &page), ("arrived", &counted(once)));
    assert!(page.len() >= 25, "the file is read: {}", page.len());

    for (point, kind) in &arrived {
        assert_eq!(*kind, by_name(point.name()), "{point:?}");
    }
    assert_eq!(world.rejected(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_and_the_end_of_a_series_do_no_harm() {
    let Some(exporter) = Exporter::of_a_file().await else { return };
    let world = World::start("").await;
    let jobs = [("still", exporter.target())];
    let Some(server) = Prometheus::start(&jobs, &world.url("/api/v1/write")).await else { return };
    server.scraped("still", 2).await;
    server.above("prometheus_remote_storage_metadata_total", 0.0).await;

    // Its series end with it: a stale marker for each, in the same request as `up` of zero.
    let up = format!("up{{job=\"still\",instance=\"{}\"}}", exporter.target());
    drop(exporter);
    let stored = server.until(&up, |stored| stored.iter().any(|stored| stored.value == 0.0)).await;
    let down =
        counted(stored.iter().filter(|stored| stored.value == 0.0).filter_map(Stored::point));
    wait_for_all(&world.receiver, &down).await;
    let page = world.admin("/metrics").await;
    for counted in ["tidegate_stale_markers_total", "tidegate_metadata_total"] {
        let line = page.lines().find(|line| line.starts_with(counted)).unwrap_or_default();
        let count = line.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok());
        assert!(count.is_some_and(|count| count > 25.0), "{counted}: {line:?}");
    }
    for (failed, why) in [
        ("prometheus_remote_storage_samples_failed_total", "samples"),
        ("prometheus_remote_storage_samples_dropped_total", "dropped samples"),
        ("prometheus_remote_storage_metadata_failed_total", "metadata"),
    ] {
        assert_eq!(server.own(failed).await.to_bits(), 0.0_f64.to_bits(), "{why}");
    }
    assert_eq!(world.rejected(), 0);
    world.end().await;
}

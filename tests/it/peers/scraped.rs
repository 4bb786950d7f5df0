//! The gateway scrapes an exporter itself: what arrives is what the page says, types included.

use std::collections::BTreeSet;

use tidegate::receiver::Kind;

use super::exporter::{CHANGES, Exporter};
use super::page::Sample;
use super::points::{Point, assert_same, counted, typed};
use super::world::World;
use crate::support::peers::PATIENCE;

fn by_type(sample: &Sample) -> Kind {
    let is_part = ["_bucket", "_sum", "_count"].iter().any(|part| sample.name.ends_with(part));
    match sample.kind.as_str() {
        "counter" => Kind::Counter,
        "histogram" | "summary" if is_part => Kind::Counter,
        "summary" | "gauge" | "untyped" => Kind::Gauge,
        other => panic!("{}: {other}", sample.name),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_scrapes_arrives_as_it_is_on_the_page() {
    let Some(exporter) = Exporter::of_a_file().await else { return };
    let target = exporter.target();
    let world = World::start(&format!(
        "[[scrape]]\njob = \"still\"\ntargets = [\"{target}\"]\ninterval = \"1s\"\ntimeout = \"1s\"\n\
         labels = {{ cluster = \"loopback\" }}\n"
    ))
    .await;
    let page = exporter.page().await;
    let given = [("job", "still"), ("instance", &target), ("cluster", "loopback")];
    let point = |sample: &Sample| {
        let labels = sample.labels().chain(given);
        Some((Point::new(&sample.name, labels, 0, sample.value)?, by_type(sample)))
    };
    let on_page = page.iter().filter(|sample| sample.name != CHANGES).filter_map(point);
    let on_page = counted(on_page.map(|pair| typed(&pair)));
    assert!(on_page.len() >= 25, "the file is read: {}", on_page.len());

    // Three scrapes, each of which ends with what the gateway says of it.
    let up = Point::new("up", given, 0, 1.0).expect("a finite value");
    let is_up = |(point, _): &(Point, Kind)| point.timeless() == up;
    let arrived = world.receiver.wait_for(PATIENCE, |received| {
        received.tuples.iter().filter(|tuple| is_up(&Point::of(tuple))).count() >= 3
    });
    let arrived = arrived.await.expect("it is scraped again and again");
    let arrived: Vec<_> = arrived.tuples.iter().map(Point::of).collect();
    let seconds: BTreeSet<_> =
        arrived.iter().filter(|pair| is_up(pair)).map(|(point, _)| point.seconds).collect();
    let measured = |name: &str| name != "up" && name != CHANGES && !name.starts_with("scrape_");
    for second in seconds {
        let at = arrived.iter().filter(|(point, _)| point.seconds == second);
        let at = at.filter(|(point, _)| measured(point.name()));
        // Two scrapes of one second say the same.
        let at: BTreeSet<_> = at.map(|pair| typed(pair).timeless()).collect();
        assert_same(("on the page", &on_page), ("arrived", &counted(at)));
    }
    assert_eq!(world.rejected(), 0);
    world.end().await;
}

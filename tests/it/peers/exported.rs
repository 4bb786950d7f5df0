//! The OpenTelemetry SDK exports, in protobuf by its own exporter and in JSON.

use super::points::{Point, assert_same, counted, typed};
use super::python;
use super::world::{TOKEN, World};
use crate::support::peers::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_sdk_of_opentelemetry_exports_arrives_in_either_encoding() {
    let world = World::start("").await;
    let Some(sent) = python::run("otel.py", &[&world.url(""), TOKEN]).await else { return };
    let arrived = world.receiver.wait_for_tuples(sent.len() as u64, PATIENCE).await.unwrap();
    assert!(sent.len() > 250, "twelve exports of all kinds: {}", sent.len());
    let sent = counted(sent.iter().map(typed));
    let arrived = counted(arrived.tuples.iter().map(|tuple| typed(&Point::of(tuple))));
    assert_same(("exported", &sent), ("arrived", &arrived));
    assert_eq!(world.rejected(), 0);
    world.end().await;
}

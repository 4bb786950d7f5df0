//! `prometheus_client` pushes as to a Pushgateway.

use super::points::{Point, assert_same, counted, typed};
use super::python;
use super::world::{TOKEN, World};
use crate::support::peers::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_prometheus_client_pushes_arrives_with_its_grouping_key() {
    let world = World::start("").await;
    let Some(sent) = python::run("push.py", &[&world.url(""), TOKEN]).await else { return };
    let arrived = world.receiver.wait_for_tuples(sent.len() as u64, PATIENCE).await.unwrap();
    assert!(sent.len() > 100, "five pushes of all kinds: {}", sent.len());
    let sent = counted(sent.iter().map(typed));
    let arrived = arrived.tuples.iter().map(Point::of);
    // A push has no instant: reception time is theirs.
    let arrived = counted(arrived.map(|arrived| typed(&arrived).timeless()));
    assert_same(("pushed", &sent), ("arrived", &arrived));
    assert_eq!(world.rejected(), 0);
    world.end().await;
}

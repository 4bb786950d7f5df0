//! What scrapes hold of the memory that all clients share.

use std::time::Duration;

use tidegate::scrape::{BUDGET_PARTS, Outcome};
use tokio::time::Instant;

use super::exporter::{Answer, Exporter, gzip, page, text};
use super::{Settings, World, job, start, until};
use crate::support::edge::PATIENCE;

const MEMORY_BYTES: u64 = 16 << 20;

/// Paths of one exporter, each a target of its own.
fn targets(of: &Exporter, count: usize) -> Vec<String> {
    (0..count).map(|nth| format!("http://{}/{nth}", of.at())).collect()
}

async fn start_small(of: &Exporter, count: usize) -> World {
    let targets = targets(of, count);
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let settings =
        Settings { memory_bytes: MEMORY_BYTES, ..Settings::of(job("node", &targets, "")) };
    settings.start().await
}

#[tokio::test]
async fn targets_that_do_not_answer_hold_no_memory() {
    let dark = Exporter::always(Answer::Silence).await;
    let world = start_small(&dark, 100).await;
    world.until(|_| dark.heads().len() == 100).await;
    assert_eq!(world.budget.used(), 0);
    assert_eq!(world.scrapes(Outcome::NoRoom), 0);
}

#[tokio::test]
async fn pages_that_stall_hold_no_more_than_their_part_and_clients_have_the_rest() {
    let plain = vec![b'#'; 300 << 10];
    // It inflates to nearly all that a page may be.
    let bomb = gzip(&vec![b'#'; (1 << 20) - 1]);
    for (headers, body) in [("", &plain), ("content-encoding: gzip\r\n", &bomb)] {
        let mut short = page(headers, body);
        short.pop();
        let stall = Duration::from_hours(1);
        let liar = Exporter::always(Answer::Endless(short, Vec::new(), stall)).await;
        let world = start_small(&liar, 50).await;
        let part = MEMORY_BYTES / BUDGET_PARTS;
        let is_full = |world: &World| world.budget.used() > part / 2;
        world.until(|world| is_full(world) && world.scrapes(Outcome::NoRoom) > 100).await;
        let used = world.budget.used();
        assert!(used <= part, "{used} bytes");
        let mut client = world.budget.grant().unwrap();
        client.resize(MEMORY_BYTES - part).unwrap();
        assert!(world.up().is_empty(), "no target is to blame");
        let (budget, World { scraper, .. }) = (world.budget.clone(), world);
        scraper.stop(Instant::now() + PATIENCE).await;
        drop(client);
        until(|| budget.used() == 0).await;
    }
}

#[tokio::test]
async fn memory_that_others_hold_costs_a_scrape_and_is_given_back_by_every_one() {
    let exporter = Exporter::always(Answer::Keep(text(&"# 345678\n".repeat(20_000)))).await;
    let world = start(job("node", &[&exporter.at()], "")).await;
    let mut others = world.budget.grant().unwrap();
    // Enough to begin with, not enough for the page.
    others.resize((64 << 20) - (64 << 10)).unwrap();
    let ok = world.scrapes(Outcome::Ok);
    world.until(|world| world.scrapes(Outcome::NoRoom) > 1).await;
    assert!(world.scrapes(Outcome::Ok) <= ok + 1, "one may have been under way");
    assert!(world.up().values().all(|up| up == "1.0"), "its target is not to blame");
    drop(others);
    let ok = world.scrapes(Outcome::Ok);
    world.until(|world| world.scrapes(Outcome::Ok) > ok).await;
    let (budget, World { scraper, .. }) = (world.budget.clone(), world);
    scraper.stop(Instant::now() + PATIENCE).await;
    // A page that is being computed gives back its share when that is done.
    until(|| budget.used() == 0).await;
}

//! Jobs of a source that is limited.

use tidegate::normalize::Code;
use tidegate::scrape::Outcome;

use super::exporter::{Answer, Exporter, page};
use super::{World, job, start};

const PAGE: &[u8] = b"# TYPE a gauge\na{b=\"1\"} 1\na{b=\"2\"} 1\na{b=\"3\"} 1\na{b=\"4\"} 1\n";

async fn scraped(limits: &str) -> (Exporter, World) {
    let exporter = Exporter::always(Answer::Keep(page("", PAGE))).await;
    let target = exporter.address.to_string();
    let source = format!("[[sources]]\nname = \"shop\"\ntoken = \"t\"\n{limits}\n");
    let world = start(source + &job("j", &[&target], "source = \"shop\"")).await;
    (exporter, world)
}

#[tokio::test]
async fn a_scrape_over_a_rate_of_its_source_is_dropped_and_counted_as_such() {
    for limits in ["requests_per_minute = 1", "metrics_per_minute = 4", "bytes_per_minute = 30"] {
        let (exporter, world) = scraped(limits).await;
        world.until(|world| world.scrapes(Outcome::OverQuota) >= 2).await;
        assert_eq!(world.scrapes(Outcome::NoRoom), 0, "{limits}");
        assert_eq!((world.scrapes(Outcome::Ok), world.queue.entries().len()), (1, 1), "{limits}");
        assert_eq!(exporter.heads().len(), 1, "nobody is asked for what is not wanted: {limits}");
    }
}

#[tokio::test]
async fn series_of_a_page_beyond_the_limit_of_its_source_are_rejected() {
    let (_exporter, world) = scraped("series = 3").await;
    world.until(|world| world.scrapes(Outcome::Ok) >= 2).await;
    let entries = world.queue.entries();
    for entry in &entries[..2] {
        // What is said of the scrape itself is not the source's.
        assert_eq!((entry.accepted, entry.rejected), (3 + 3, 1));
    }
    assert!(world.counts.rejections(Code::TooManySeries) >= 2);
}

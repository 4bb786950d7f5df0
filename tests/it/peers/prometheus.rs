//! A Prometheus server that scrapes and writes on, and what its own storage says it scraped.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::points::Point;
use crate::support::peers::{self, PATIENCE, Peer};

/// What the server adds to everything it writes on.
pub(crate) const EXTERNAL: [(&str, &str); 2] = [("cluster", "loopback"), ("replica", "r0")];

const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Prometheus {
    peer: Peer,
    _directory: TempDir,
}

/// A sample of its storage.
pub(crate) struct Stored {
    labels: BTreeMap<String, String>,
    pub(crate) millis: i64,
    pub(crate) value: f64,
}

impl Stored {
    /// As it is written on.
    pub(crate) fn point(&self) -> Option<Point> {
        let labels = self.labels.iter().filter(|(name, _)| *name != "__name__");
        let labels = labels.map(|(name, value)| (name.as_str(), value.as_str())).chain(EXTERNAL);
        Point::new(&self.labels["__name__"], labels, self.seconds(), self.value)
    }

    pub(crate) fn seconds(&self) -> i64 {
        self.millis.div_euclid(1000)
    }
}

impl Prometheus {
    /// Scrapes every job's target each second and writes to `url`.
    pub(crate) async fn start(jobs: &[(&str, String)], url: &str) -> Option<Self> {
        let program = peers::program("prometheus")?;
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("prometheus.yml");
        peers::put(&config, &configuration(jobs, url));
        let data = directory.path().join("data");
        let arguments = |address| {
            vec![
                format!("--web.listen-address={address}"),
                format!("--config.file={}", config.display()),
                format!("--storage.tsdb.path={}", data.display()),
                "--log.level=warn".to_owned(),
            ]
        };
        let peer = Peer::start(&program, arguments, "/-/ready").await;
        Some(Self { peer, _directory: directory })
    }

    /// Waits until it has scraped the job so often, well or not; the last second of which everything is
    /// in its storage: that of the scrape before the last, for one scrape is stored before the next begins.
    pub(crate) async fn scraped(&self, job: &str, times: usize) -> i64 {
        assert!(times > 1, "what the first scrape brought is not complete before the second");
        let query = format!("up{{job=\"{job}\"}}");
        let scrapes = self.until(&query, |scrapes| scrapes.len() >= times).await;
        scrapes[scrapes.len() - 2].seconds() - 1
    }

    /// [`Self::stored`], once `is_so` of it.
    pub(crate) async fn until(
        &self,
        selector: &str,
        is_so: impl Fn(&[Stored]) -> bool,
    ) -> Vec<Stored> {
        let until = Instant::now() + PATIENCE;
        loop {
            let stored = self.stored(selector).await;
            if is_so(&stored) {
                return stored;
            }
            assert!(Instant::now() < until, "{selector}: {} samples and no more", stored.len());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Every sample its storage has of what `selector` selects; stale markers are none.
    pub(crate) async fn stored(&self, selector: &str) -> Vec<Stored> {
        #[derive(Deserialize)]
        struct Answer {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            result: Vec<Series>,
        }
        #[derive(Deserialize)]
        struct Series {
            metric: BTreeMap<String, String>,
            values: Vec<(f64, String)>,
        }
        let query = serde_urlencoded::to_string([("query", format!("{selector}[1h]"))]).unwrap();
        let path = format!("/api/v1/query?{query}");
        let (status, body) = peers::get(self.peer.address, &path).await.unwrap();
        assert_eq!(status, 200, "{body}");
        let answer: Answer = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}"));
        let mut stored = Vec::new();
        for Series { metric, values } in answer.data.result {
            for (seconds, value) in values {
                // Its doubles have milliseconds to spare.
                let millis = (seconds * 1000.0).round() as i64;
                let value = value.replace("Inf", "inf").parse().unwrap();
                stored.push(Stored { labels: metric.clone(), millis, value });
            }
        }
        stored.sort_by_key(|stored| stored.millis);
        stored
    }

    /// The sum over all labels of one of its own metrics.
    pub(crate) async fn own(&self, name: &str) -> f64 {
        let (status, page) = peers::get(self.peer.address, "/metrics").await.unwrap();
        assert_eq!(status, 200, "{page}");
        let of_name = super::page::read(&page).into_iter().filter(|sample| sample.name == name);
        let values: Vec<f64> = of_name.map(|sample| sample.value).collect();
        assert!(!values.is_empty(), "it has no {name}");
        values.iter().sum()
    }

    /// Waits until one of its own metrics is above this.
    pub(crate) async fn above(&self, name: &str, least: f64) {
        let until = Instant::now() + PATIENCE;
        while self.own(name).await <= least {
            assert!(Instant::now() < until, "{name} stays at {least}");
            sleep(LOOK_EVERY).await;
        }
    }
}

/// JSON, which is YAML.
fn configuration(jobs: &[(&str, String)], url: &str) -> String {
    let scrapes: Vec<Value> = jobs
        .iter()
        .map(|(job, target)| {
            serde_json::json!({ "job_name": job, "static_configs": [{ "targets": [target] }] })
        })
        .collect();
    let write = serde_json::json!({
        "url": url,
        "authorization": { "credentials": super::world::TOKEN },
        "metadata_config": { "send": true, "send_interval": "1s" },
        "queue_config": {
            "batch_send_deadline": "100ms", "min_backoff": "20ms", "max_backoff": "200ms",
        },
    });
    let config = serde_json::json!({
        "global": {
            "scrape_interval": "1s", "scrape_timeout": "1s",
            "external_labels": BTreeMap::from(EXTERNAL),
        },
        "scrape_configs": scrapes,
        "remote_write": [write],
    });
    config.to_string()
}

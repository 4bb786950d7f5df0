//! A gateway in this process with a receiver behind it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use tidegate::app::Gateway;
use tidegate::clock::SystemClock;
use tidegate::config::{self, Environment};
use tidegate::receiver::{Kind, Options, Receiver, Running};

use super::points::{Counted, Point, missing};
use crate::support::peers::PATIENCE;

pub(crate) const TOKEN: &str = "a-token";

pub(crate) struct World {
    pub(crate) receiver: Running,
    gateway: Gateway,
    _directory: TempDir,
}

impl World {
    /// With these settings besides.
    pub(crate) async fn start(more: &str) -> Self {
        let receiver = Receiver::start(Options::for_tests()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let text = format!(
            "listen = \"127.0.0.1:0\"\nhostname = \"gateway-1\"\nadmin.listen = \"127.0.0.1:0\"\n\
             data_dir = \"{}\"\n\
             [[sources]]\nname = \"main\"\ntoken = \"{TOKEN}\"\n\
             [receiver]\nurl = \"{}\"\napi_key = \"API_KEY\"\n\
             [limits]\nrequests_per_minute = 0\n[queue]\ndurability = \"memory\"\n{more}",
            directory.path().display(),
            receiver.url()
        );
        let config = config::load("test", &text, &Environment::default()).unwrap().config;
        let gateway = Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap();
        Self { receiver, gateway, _directory: directory }
    }

    /// The URL of a path at the gateway.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.addr())
    }

    /// Metrics that were refused so far.
    pub(crate) fn rejected(&self) -> u64 {
        self.gateway.edge().counts().rejected.load(Ordering::Relaxed)
    }

    /// A page of the gateway about itself.
    pub(crate) async fn admin(&self, path: &str) -> String {
        let address = self.gateway.admin_addr().unwrap();
        let (status, body) = crate::support::peers::get(address, path).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Ends it; the books balance.
    pub(crate) async fn end(self) {
        let ended = self.gateway.stop().await;
        assert_eq!((ended.lost, ended.queued), (0, 0));
    }
}

/// Waits until everything wanted has arrived, each at least as often; everything that has by then.
pub(crate) async fn wait_for_all(receiver: &Running, wanted: &Counted) -> Vec<(Point, Kind)> {
    let mut arrived = Vec::new();
    let mut counts = Counted::new();
    let all = receiver.wait_for(PATIENCE, |received| {
        for tuple in received.tuples.iter().skip(arrived.len()) {
            let (point, kind) = Point::of(tuple);
            *counts.entry(point.clone()).or_default() += 1;
            arrived.push((point, kind));
        }
        missing(wanted, &counts).is_empty()
    });
    let all = all.await.is_ok();
    assert!(all, "these never arrive: {:#?}", missing(wanted, &counts));
    arrived
}

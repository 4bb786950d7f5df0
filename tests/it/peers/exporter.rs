//! `prometheus-node-exporter`: with the page of a file, which does not change, or as it comes.

use tempfile::TempDir;

use super::page::{self, Sample};
use crate::support::peers::{self, Peer};

/// What the exporter measures of itself; the only thing on a page of the file that is never the same twice.
pub(crate) const CHANGES: &str = "node_scrape_collector_duration_seconds";

pub(crate) struct Exporter {
    peer: Peer,
    _directory: TempDir,
}

impl Exporter {
    /// One with the page in `app.prom` and little else.
    pub(crate) async fn of_a_file() -> Option<Self> {
        Self::start(&[
            "--collector.disable-defaults",
            "--collector.textfile",
            "--web.disable-exporter-metrics",
        ])
        .await
    }

    /// One that measures this machine.
    pub(crate) async fn of_this_machine() -> Option<Self> {
        // There need not be a systemd.
        Self::start(&["--no-collector.systemd"]).await
    }

    async fn start(options: &[&str]) -> Option<Self> {
        let program = peers::program("prometheus-node-exporter")?;
        let directory = tempfile::tempdir().unwrap();
        peers::put(&directory.path().join("app.prom"), include_str!("app.prom"));
        let arguments = |address| {
            let files = directory.path().display();
            let own = [
                format!("--web.listen-address={address}"),
                format!("--collector.textfile.directory={files}"),
                "--log.level=warn".to_owned(),
            ];
            own.into_iter().chain(options.iter().map(ToString::to_string)).collect()
        };
        let peer = Peer::start(&program, arguments, "/").await;
        Some(Self { peer, _directory: directory })
    }

    /// `host:port`, as a target is named.
    pub(crate) fn target(&self) -> String {
        self.peer.address.to_string()
    }

    /// Its page now.
    pub(crate) async fn page(&self) -> Vec<Sample> {
        let (status, page) = peers::get(self.peer.address, "/metrics").await.unwrap();
        assert_eq!(status, 200, "{page}");
        page::read(&page)
    }
}

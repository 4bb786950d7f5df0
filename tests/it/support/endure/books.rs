//! The gateway's own books, read from its admin port (contract C7).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// How tuples leave a receiver's queue, or wait in it.
const OUT: [&str; 8] =
    ["delivered", "filtered", "queued", "dead_lettered", "expired", "damaged", "purged", "lost"];

/// One reading.
#[derive(Clone, Debug)]
pub(crate) struct Books {
    samples: BTreeMap<String, f64>,
}

impl Books {
    /// Reads the page once.
    pub(crate) async fn read(admin: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(admin).await.expect("the admin port answers");
        let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers in UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let lines = answer.lines().filter(|line| line.starts_with("tidegate_"));
        let samples = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self { samples: samples.collect() }
    }

    /// Reads until nothing is queued; the last reading, if that takes too long.
    pub(crate) async fn emptied(admin: SocketAddr) -> Self {
        let deadline = Instant::now() + super::PATIENCE;
        loop {
            let books = Self::read(admin).await;
            if books.of("queued") == 0 || Instant::now() > deadline {
                return books;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Tuples of the one receiver.
    pub(crate) fn of(&self, column: &str) -> u64 {
        let total = if column == "queued" { "" } else { "_total" };
        self.sample(&format!("tidegate_{column}{total}{{receiver=\"default\"}}"))
    }

    /// A sample by its name and labels, as they are written.
    pub(crate) fn sample(&self, name: &str) -> u64 {
        let value = self.samples.get(name);
        *value.unwrap_or_else(|| panic!("no {name} among {:#?}", self.samples.keys())) as u64
    }

    /// What does not add up, when `ids` metrics of one tuple each were taken, `dead` of them are dead
    /// letters and all others were delivered.
    pub(crate) fn faults(&self, ids: u64, dead: u64) -> Vec<String> {
        let mut faults = Vec::new();
        let out: u64 = OUT.iter().map(|column| self.of(column)).sum();
        let series = self.of("series");
        if series + self.of("replayed") != out {
            faults.push("in and out do not balance".to_owned());
        }
        if self.of("delivered") + dead != out {
            faults.push("not all of it was delivered".to_owned());
        }
        let dead_lettered = self.of("dead_lettered");
        if dead_lettered != dead {
            faults
                .push(format!("{dead} dead letters were expected, the books have {dead_lettered}"));
        }
        if series != ids {
            faults.push(format!("{ids} metrics are known to be in, the books say {series}"));
        }
        for (name, wanted) in [
            ("metrics_accepted_total", ids),
            ("metrics_rejected_total", 0),
            ("metrics_received_total", ids),
            ("books_balanced", 1),
        ] {
            let value = self.sample(&format!("tidegate_{name}"));
            if value != wanted {
                faults.push(format!("tidegate_{name} is {value}, not {wanted}"));
            }
        }
        if faults.is_empty() {
            faults
        } else {
            [faults, vec![format!("{:#?}", self.samples)]].concat()
        }
    }
}

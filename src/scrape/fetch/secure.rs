//! The client of a job's `https:` targets: made when the first of them is scraped, and made again when its
//! certificate files hold something else. No scrape waits for that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use reqwest::Client;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::{Names, builder};
use crate::causes::in_one_line;
use crate::config;

/// Time between two looks at the files, at least.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug)]
pub(super) struct Secure {
    shared: Arc<Shared>,
    every: Duration,
    looked: Mutex<Instant>,
    making: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    job: config::Scrape,
    names: Names,
    made: ArcSwapOption<Made>,
    /// One look at a time, however long it takes.
    is_looking: AtomicBool,
    /// What was wrong with the files, once that was said.
    fault: Mutex<Option<String>>,
}

#[derive(Debug)]
struct Made {
    client: Client,
    /// Of what the files held.
    digest: [u8; 32],
}

impl Secure {
    pub(super) fn new(job: &config::Scrape, names: &Names) -> Self {
        let shared = Shared {
            job: job.clone(),
            names: names.clone(),
            made: ArcSwapOption::empty(),
            is_looking: AtomicBool::new(false),
            fault: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            every: LOOK_EVERY,
            looked: Mutex::new(Instant::now()),
            making: tokio::sync::Mutex::default(),
        }
    }

    /// The client; the first time certificates are read from the disk.
    pub(super) async fn client(&self) -> Result<Client, String> {
        if let Some(made) = self.shared.made.load_full() {
            self.look();
            return Ok(made.client.clone());
        }
        let _one_at_a_time = self.making.lock().await;
        if let Some(made) = self.shared.made.load_full() {
            return Ok(made.client.clone());
        }
        let shared = Arc::clone(&self.shared);
        let made = spawn_blocking(move || shared.make(None)).await;
        let made = made.map_err(|error| error.to_string())??;
        let made = made.ok_or_else(|| "there is nothing to compare with".to_owned())?;
        let client = made.client.clone();
        self.shared.made.store(Some(Arc::new(made)));
        Ok(client)
    }

    /// Has the files read again, if it is time.
    fn look(&self) {
        let tls = &self.shared.job.tls;
        if tls.ca_file.is_none() && tls.identity.is_none() {
            return;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() < self.every || self.shared.is_looking.swap(true, Ordering::AcqRel) {
            return;
        }
        *looked = Instant::now();
        let shared = Arc::clone(&self.shared);
        // Whoever scrapes next finds what it brings.
        drop(spawn_blocking(move || {
            shared.renew();
            shared.is_looking.store(false, Ordering::Release);
        }));
    }
}

impl Shared {
    /// Blocks. `None` where the files hold what they held.
    fn make(&self, before: Option<[u8; 32]>) -> Result<Option<Made>, String> {
        let credentials = self.job.tls.load().map_err(|fault| fault.to_string())?;
        let digest = credentials.digest();
        if before == Some(digest) {
            return Ok(None);
        }
        let client = credentials.apply(builder(&self.job, &self.names)).build();
        let client = client.map_err(|error| in_one_line(&error))?;
        Ok(Some(Made { client, digest }))
    }

    /// Blocks.
    fn renew(&self) {
        let made = self.make(self.made.load().as_ref().map(|made| made.digest));
        let job = &*self.job.job;
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match made {
            Ok(None) => *fault = None,
            Ok(Some(made)) => {
                *fault = None;
                self.made.store(Some(Arc::new(made)));
                tracing::info!(
                    scrape.job = job,
                    "targets of job {job} are scraped with what its certificate files say now, which changed"
                );
            }
            Err(text) if fault.as_ref() != Some(&text) => {
                tracing::warn!(
                    scrape.job = job,
                    "job {job} keeps its certificates, others cannot be used: {text}"
                );
                *fault = Some(text);
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the files of these tests need not be durable")]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Environment, load};

    #[tokio::test]
    async fn files_that_were_renewed_are_taken_up_and_faulty_ones_are_not() {
        let fixture = |name: &str| {
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name))
        };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ca.pem");
        std::fs::write(&file, fixture("ca.pem").unwrap()).unwrap();
        let text = format!(
            "[[scrape]]\njob = \"node\"\ntargets = [\"h:1\"]\nscheme = \"https\"\nca_file = '{}'\n\
             [receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n",
            file.display()
        );
        crate::forward::install_crypto();
        let config = load("test", &text, &Environment::default()).unwrap().config;
        let secure = Secure {
            every: Duration::ZERO,
            ..Secure::new(&config.scrapes[0], &Names::of_system())
        };
        let held = || secure.shared.made.load().as_ref().map(|made| made.digest);
        assert_eq!(held(), None);
        secure.client().await.unwrap();
        let first = held();
        let until = async |is_done: &dyn Fn() -> bool| {
            let looks = async {
                while !is_done() {
                    secure.client().await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_mins(1), looks).await.expect("it is found");
        };
        std::fs::write(&file, "no certificate").unwrap();
        until(&|| secure.shared.fault.lock().unwrap().is_some()).await;
        assert_eq!(held(), first, "what cannot be used changes nothing");
        std::fs::write(&file, fixture("other-ca.pem").unwrap()).unwrap();
        until(&|| held() != first).await;
        assert_eq!(*secure.shared.fault.lock().unwrap(), None);
    }
}

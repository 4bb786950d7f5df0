//! Which data directory is meant, and what is configured for it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;

use crate::config::{Admin, Environment, Storage};

use super::{ConfigArg, Failure, load};
use crate::queue::Durability;

/// Which data directory.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    pub(super) config: ConfigArg,

    /// The directory that `data_dir` names, instead of a configuration
    ///
    /// No configuration is read then, so what is configured is not known; given together with
    /// --config, the names come from there, if it can be used, and the files from here.
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

/// Where the queue is, and the destinations of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    /// `None` when no configuration was read.
    pub(super) configured: Option<Vec<Arc<str>>>,
    /// The same.
    pub(super) storage: Option<Storage>,
}

impl Place {
    /// The configuration is looked for as `serve` does, unless --data-dir makes it unnecessary.
    pub(super) fn find(args: &PlaceArgs, environment: &Environment) -> Result<Self, Failure> {
        if let (None, Some(data_dir)) = (&args.config.path, &args.data_dir) {
            return Ok(Self { data_dir: data_dir.clone(), configured: None, storage: None });
        }
        let storage = match (load::storage(&args.config, environment), &args.data_dir) {
            (Ok(storage), _) => storage,
            // What is broken by now may have been sound when the gateway started: it can be asked.
            (Err(Failure::Usage(error)), Some(data_dir)) => {
                super::say(&format!(
                    "warning: {error:#}\nIt is left aside: --data-dir names the directory."
                ));
                return Ok(Self { data_dir: data_dir.clone(), configured: None, storage: None });
            }
            (Err(Failure::Usage(error)), None) => {
                return Err(Failure::Usage(anyhow!(
                    "{error:#}\n\nThe data directory can be named as well, the configuration is not needed then: \
                     --data-dir DIR"
                )));
            }
            (Err(failure @ Failure::Run(_)), _) => return Err(failure),
        };
        let data_dir = args.data_dir.clone().unwrap_or_else(|| storage.data_dir.clone());
        let names = storage.receivers.iter().map(|receiver| Arc::clone(&receiver.name));
        Ok(Self { data_dir, configured: Some(names.collect()), storage: Some(storage) })
    }

    /// The directory of the log's files; fails with what to do when there is none.
    pub(super) fn queue_dir(&self) -> Result<PathBuf, Failure> {
        let queue = self.data_dir.join("queue");
        let there =
            queue.try_exists().with_context(|| format!("cannot look into {}", queue.display()));
        match there {
            Ok(true) => Ok(queue),
            Ok(false) => Err(Failure::Usage(anyhow!(
                "there is no queue in {}: {} does not exist. Nothing was ever queued on disk there \
                 (with `queue.durability = \"memory\"` nothing is), or `data_dir` is another one: \
                 name it with --data-dir",
                self.data_dir.display(),
                queue.display()
            ))),
            Err(error) => Err(Failure::Usage(error)),
        }
    }

    /// Where a gateway has its admin port that keeps its queue in memory; `None` where the configuration
    /// has it on disk, or was not read.
    pub(super) fn admin_in_memory(&self) -> Option<Admin> {
        let storage = self.storage.as_ref()?;
        (storage.queue.durability == Durability::Memory).then(|| storage.admin.clone())
    }

    /// Whether a destination is configured; `None` when that is not known.
    pub(super) fn is_configured(&self, name: &str) -> Option<bool> {
        self.configured.as_ref().map(|names| names.iter().any(|known| **known == *name))
    }
}

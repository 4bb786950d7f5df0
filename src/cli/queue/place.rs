//! Which queue is meant, and what is configured for it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};

use crate::config::{Admin, Environment};

use super::super::{Failure, load};
use super::args::PlaceArgs;

/// Where the queue is, and the destinations of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) data_dir: PathBuf,
    /// `None` when no configuration was read.
    pub(super) configured: Option<Vec<Arc<str>>>,
    /// The same.
    admin: Option<Admin>,
}

impl Place {
    /// The configuration is looked for as `serve` does, unless --data-dir makes it unnecessary.
    pub(super) fn find(args: &PlaceArgs, environment: &Environment) -> Result<Self, Failure> {
        if let (None, Some(data_dir)) = (&args.config.path, &args.data_dir) {
            return Ok(Self { data_dir: data_dir.clone(), configured: None, admin: None });
        }
        let storage =
            load::storage(&args.config, environment).map_err(|failure| match failure {
                Failure::Usage(error) => Failure::Usage(anyhow!(
                    "{error:#}\n\nA queue can be named without a configuration: --data-dir DIR"
                )),
                Failure::Run(error) => Failure::Run(error),
            })?;
        let data_dir = args.data_dir.clone().unwrap_or(storage.data_dir);
        let names = storage.receivers.into_iter().map(|receiver| receiver.name);
        Ok(Self { data_dir, configured: Some(names.collect()), admin: Some(storage.admin) })
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

    /// Where the configuration has the admin port of whoever works on the queue; `None` when that is not
    /// known.
    pub(super) fn running(&self) -> Option<Admin> {
        self.admin
    }

    /// Whether a destination is configured; `None` when that is not known.
    pub(super) fn is_configured(&self, name: &str) -> Option<bool> {
        self.configured.as_ref().map(|names| names.iter().any(|known| **known == *name))
    }
}

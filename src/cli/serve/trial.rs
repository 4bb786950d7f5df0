//! What `serve --dev` decides by itself: its data directory, a temporary one, so that a trial leaves nothing
//! behind, and where reports point to.

use std::io;

use tempfile::TempDir;

use super::super::gateway;
use crate::config::{Loaded, Place};
use crate::queue::Durability;

/// A directory in the system's place for temporary files (`TMPDIR`), gone when this is. A process
/// that is killed leaves it there, as `tidegate-dev-` and six characters.
#[derive(Debug)]
pub(super) struct Trial(TempDir);

impl Trial {
    /// Turns the configuration to a new directory, with the whole disk to use; `None` when a variable
    /// names one (`TIDEGATE_DATA_DIR`) or the queue is in memory.
    pub(super) fn begin(loaded: &mut Loaded) -> io::Result<Option<Self>> {
        if loaded.config.queue.durability == Durability::Memory || !is_default(loaded, "data_dir") {
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("tidegate-dev-").tempdir()?;
        directory.path().clone_into(&mut loaded.config.data_dir);
        // Small machines have less room for temporary files than the reserve would keep.
        if is_default(loaded, "min_free_bytes") {
            loaded.config.queue.min_free_bytes = 0;
        }
        Ok(Some(Self(directory)))
    }

    /// Removes it, and says what that costs.
    pub(super) fn end(self, undelivered: u64) {
        let path = self.0.path().display().to_string();
        if undelivered > 0 {
            tracing::warn!(
                queue.lost = undelivered,
                data_dir = path,
                "removing {path}, and with it {undelivered} tuples that were not delivered; to keep a \
                 queue, name a directory with TIDEGATE_DATA_DIR"
            );
        }
        if let Err(error) = self.0.close() {
            tracing::warn!(%error, data_dir = path, "cannot remove {path}: {error}");
        }
    }
}

/// Reports point to the admin port's own page of codes, which whoever tries something out can open. A port
/// that is not known yet cannot be named.
pub(super) fn explain_codes(loaded: &mut Loaded) {
    let is_theirs = !is_default(loaded, "help_url");
    let admin = loaded.config.admin.listen.filter(|admin| admin.port() != 0 && !is_theirs);
    if let Some(admin) = admin {
        let scheme = if loaded.config.admin.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/codes", gateway::reachable(admin));
        loaded.config.http.help_url = url.into();
    }
}

fn is_default(loaded: &Loaded, key: &str) -> bool {
    let setting = loaded.settings.iter().find(|setting| setting.key == key);
    setting.is_some_and(|setting| setting.place == Place::File)
}

#[cfg(test)]
mod tests {
    use super::super::DEV;
    use super::*;
    use crate::config::{Environment, load};

    fn loaded(variables: &[(&str, &str)]) -> Loaded {
        let variables = variables.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        let environment =
            Environment { variables: variables.collect(), nodename: "trial".to_owned() };
        load("serve --dev", DEV, &environment).unwrap()
    }

    #[test]
    fn a_trial_syncs_into_a_directory_that_is_gone_afterwards() {
        let mut loaded = loaded(&[]);
        let trial = Trial::begin(&mut loaded).unwrap().expect("nothing names another");
        let config = loaded.config;
        assert_eq!(config.queue.durability, Durability::Fsync);
        assert_eq!(config.queue.min_free_bytes, 0);
        assert!(config.data_dir.is_dir());
        std::fs::create_dir(config.data_dir.join("queue")).unwrap();
        trial.end(0);
        assert!(!config.data_dir.exists());
    }

    #[test]
    fn reports_point_to_the_admin_port_unless_something_else_is_said() {
        for (variables, expected) in [
            (&[][..], "http://127.0.0.1:8081/codes"),
            (&[("TIDEGATE_ADMIN__LISTEN", "0.0.0.0:9")], "http://127.0.0.1:9/codes"),
            (&[("TIDEGATE_ADMIN__LISTEN", "127.0.0.1:0")], "docs/codes.md"),
            (&[("TIDEGATE_ADMIN__LISTEN", "off")], "docs/codes.md"),
            (
                &[
                    ("TIDEGATE_ADMIN__CERT_FILE", "fixtures/tls/server.pem"),
                    ("TIDEGATE_ADMIN__KEY_FILE", "fixtures/tls/server.key"),
                ],
                "https://127.0.0.1:8081/codes",
            ),
            (&[("TIDEGATE_HTTP__HELP_URL", "https://wiki/codes")], "https://wiki/codes"),
        ] {
            let mut loaded = loaded(variables);
            explain_codes(&mut loaded);
            assert_eq!(&*loaded.config.http.help_url, expected, "{variables:?}");
        }
    }

    #[test]
    fn a_variable_beats_what_a_trial_chooses() {
        for (name, value) in
            [("TIDEGATE_DATA_DIR", "/srv/kept"), ("TIDEGATE_QUEUE__DURABILITY", "memory")]
        {
            let mut loaded = loaded(&[(name, value)]);
            let before = loaded.config.data_dir.clone();
            assert!(Trial::begin(&mut loaded).unwrap().is_none(), "{name}");
            assert_eq!(loaded.config.data_dir, before, "{name}");
        }
        let mut loaded = loaded(&[("TIDEGATE_QUEUE__MIN_FREE_BYTES", "1MiB")]);
        Trial::begin(&mut loaded).unwrap();
        assert_eq!(loaded.config.queue.min_free_bytes, 1 << 20);
    }
}

//! Where the configuration comes from, so that it can be read once more.

use std::path::Path;
use std::sync::Arc;

use super::watch::Prints;
use crate::config::{self, Environment, Loaded, Problems, Settings};

/// A file, and what was in it when the gateway started.
#[derive(Clone, Debug)]
pub struct Origin {
    path: Arc<Path>,
    environment: Arc<Environment>,
    /// Keys that the command line decided.
    decided: &'static [&'static str],
    pub(super) settings: Settings,
    pub(super) prints: Prints,
}

impl Origin {
    /// Reads the file for the first time. The variables of this environment beat it, now and whenever it is
    /// read again. Blocks.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration.
    pub fn read(path: &Path, environment: &Environment) -> Result<(Self, Loaded), Problems> {
        let (loaded, prints) = load(path, environment, &Prints::default());
        let loaded = loaded?;
        let origin = Self {
            path: path.into(),
            environment: Arc::new(environment.clone()),
            decided: &[],
            settings: loaded.settings.clone(),
            prints,
        };
        Ok((origin, loaded))
    }

    /// The command line beats the file in these keys.
    #[must_use]
    pub fn decided(self, keys: &'static [&'static str]) -> Self {
        Self { decided: keys, ..self }
    }

    /// Whether a change of the key says nothing, as the command line decided it.
    pub(super) fn is_decided(&self, key: &str) -> bool {
        self.decided.contains(&key)
    }

    /// The file once more, and what it and those that it names held. Blocks.
    pub(super) fn load(&self, seen: &Prints) -> (Result<Loaded, Problems>, Prints) {
        load(&self.path, &self.environment, seen)
    }
}

/// What files held before they were read tells whether they have changed since: those that were not known
/// before are looked at right after.
fn load(
    path: &Path,
    environment: &Environment,
    seen: &Prints,
) -> (Result<Loaded, Problems>, Prints) {
    let mut paths = seen.paths();
    if !paths.iter().any(|known| known == path) {
        paths.push(path.to_owned());
    }
    let before = Prints::of(&paths);
    let origin = path.display().to_string();
    let loaded = match std::fs::read_to_string(path) {
        Ok(text) => config::load(&origin, &text, environment),
        Err(error) => {
            let text = format!("cannot read the configuration: {error}");
            Err(Problems::of_file(&origin, text))
        }
    };
    let named = match &loaded {
        Ok(loaded) => [&loaded.files[..], &[path.to_owned()]].concat(),
        // What it named before may be what cures it.
        Err(problems) => [&problems.files[..], &paths].concat(),
    };
    (loaded, before.only(&named))
}

//! Finding and reading the configuration file.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::app::reload::Origin;
use crate::config::{self, Environment, Loaded, Problems, Shaping, Storage};

use super::{ConfigArg, Failure};

/// Where the configuration is looked for when nothing names it.
const DEFAULT_PATH: &str = "tidegate.toml";

/// The whole configuration, and where it can be read again; for `serve`.
pub(super) fn origin(
    arg: &ConfigArg,
    environment: &Environment,
) -> Result<(Origin, Loaded), Failure> {
    let path = find(arg, environment).map_err(Failure::Usage)?;
    Origin::read(&path, environment).map_err(refused)
}

/// The whole configuration, for `check-config`.
pub(super) fn whole(arg: &ConfigArg, environment: &Environment) -> Result<Loaded, Failure> {
    let path = find(arg, environment).map_err(Failure::Usage)?;
    let text = read(&path).map_err(Failure::Usage)?;
    let origin = path.display().to_string();
    config::load(&origin, &text, environment).map_err(refused)
}

/// What shapes tuples, for `convert`; without a file the defaults, under the variables.
pub(super) fn shaping(path: Option<&Path>, environment: &Environment) -> Result<Shaping, Failure> {
    let (origin, text) = match path {
        Some(path) => (path.display().to_string(), read(path).map_err(Failure::Usage)?),
        None => ("defaults".to_owned(), String::new()),
    };
    config::load_shaping(&origin, &text, environment).map_err(refused)
}

/// The same for `test`, with the configuration that `serve` would find, if there is one.
pub(super) fn shaping_found(
    arg: &ConfigArg,
    environment: &Environment,
) -> Result<Shaping, Failure> {
    let path = named(arg, environment);
    let default = Path::new(DEFAULT_PATH);
    shaping(path.as_deref().or_else(|| default.exists().then_some(default)), environment)
}

/// Where the queue is kept and for whom, for `queue`.
pub(super) fn storage(arg: &ConfigArg, environment: &Environment) -> Result<Storage, Failure> {
    let path = find(arg, environment).map_err(Failure::Usage)?;
    let text = read(&path).map_err(Failure::Usage)?;
    config::load_storage(&path.display().to_string(), &text, environment).map_err(refused)
}

/// The text of the configuration that `serve` would read, right or wrong.
pub(super) fn text(arg: &ConfigArg, environment: &Environment) -> anyhow::Result<String> {
    read(&find(arg, environment)?)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn refused(problems: Problems) -> Failure {
    Failure::Usage(anyhow!("the configuration cannot be used\n{problems}"))
}

fn find(arg: &ConfigArg, environment: &Environment) -> anyhow::Result<PathBuf> {
    let default = Path::new(DEFAULT_PATH);
    match named(arg, environment) {
        Some(path) => Ok(path),
        None if default.exists() => Ok(default.to_owned()),
        None => Err(anyhow!(
            "no configuration: there is no ./{DEFAULT_PATH} and neither --config nor TIDEGATE_CONFIG \
             names a file\n\nTo try tidegate without one:\n  tidegate serve --dev\n\nOr put this into \
             {DEFAULT_PATH} and change the secrets:\n\n{}",
            include_str!("../../fixtures/config/minimal.toml")
        )),
    }
}

/// The file that an argument or a variable names.
fn named(arg: &ConfigArg, environment: &Environment) -> Option<PathBuf> {
    let variable = || environment.variables.get("TIDEGATE_CONFIG").filter(|path| !path.is_empty());
    arg.path.clone().or_else(|| variable().map(PathBuf::from))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration {}", path.display()))
}

//! Logs: to stderr always, human on a terminal and JSON otherwise. The last lines of level `info` and above
//! are kept besides, whatever `log.level` lets through to stderr: who asks for them wants to know what went
//! on before.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::{Log, LogFormat};

mod recent;

pub use recent::recent;

/// The way to change what is shown while the process runs.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Shows this from now on: `log.level`.
    ///
    /// # Errors
    ///
    /// It is no level, or nothing is logged; what was shown before still is.
    pub fn change(&self, level: &str) -> Result<(), String> {
        let filter = EnvFilter::try_new(level).map_err(|error| error.to_string())?;
        self.0.reload(filter).map_err(|error| error.to_string())
    }
}

/// Starts logging for the process. A second call changes nothing.
pub fn start(log: &Log) -> Level {
    // The configuration has parsed it already; what remains is how strict each parser is.
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if is_human(log.format) {
        fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).boxed()
    } else {
        fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    };
    let kept = fmt::layer().json().flatten_event(true).with_writer(|| recent::Keeping);
    let registry = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .with(kept.with_filter(LevelFilter::INFO));
    // Only a test process starts twice.
    drop(registry.try_init());
    Level(handle)
}

fn is_human(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => io::stderr().is_terminal(),
        LogFormat::Human => true,
        LogFormat::Json => false,
    }
}

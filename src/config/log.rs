//! `[log]`: what is logged, and in which form. Always to stderr.

use tracing_subscriber::EnvFilter;

use super::section::Section;

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `auto` (default): human on a terminal, JSON otherwise; `human` and `json` force one.
    pub format: LogFormat,
    /// Least level shown: `error`, `warn`, `info` (default), `debug`, `trace`; or directives by
    /// module, like `info,tidegate::forward=debug`. No level shows tokens, keys or bodies.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    Auto,
    /// One readable line per event.
    Human,
    /// One JSON object per event.
    Json,
}

impl Log {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let formats =
            [("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)];
        let log = Self {
            format: section.choice("format", LogFormat::Auto, &formats),
            level: section.parsed("level", "info".to_owned(), String::clone, level),
        };
        section.finish();
        log
    }
}

fn level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A bare word that is no level would be read as a module's name, and `inof` show everything of
    // a module that does not exist and nothing else.
    let word = |part: &str| part.contains('=') || LEVELS.contains(&part.trim());
    if !text.split(',').all(word) || EnvFilter::try_new(text).is_err() {
        return Err("a level (error, warn, info, debug, trace) or directives like \
             \"info,tidegate::forward=debug\""
            .to_owned());
    }
    Ok(text.to_owned())
}

//! `[[sources]]`: who may send, and what their tuples get on the way.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::file::Needs;
use super::limits::Limits;
use super::names::{Names, any_name};
use super::problem::Place;
use super::section::Section;

mod expiry;
mod limits;
mod token;

pub use expiry::{Expiring, expiring};
pub use limits::{OverSeries, SourceLimits};
pub use token::Token;

/// One `[[sources]]` entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// What logs and the status page call it; unique, `[A-Za-z0-9._-]{1,64}`.
    pub name: Arc<str>,
    /// What opens it: the token that `token`, `token_file`, `token_env` or `token_sha256` gives, and while it
    /// is replaced a second one, of `next_token`, `next_token_file`, `next_token_env` or
    /// `next_token_sha256`: both open it, so that clients can change one by one. The first has to be there;
    /// visible ASCII, unique among all sources.
    pub tokens: Vec<Token>,
    /// false: its token is treated as unknown (contract C1.2). Default true.
    pub enabled: bool,
    /// false: the token is good, and metrics are refused as with an unknown one. Default true.
    pub allow_metrics: bool,
    /// false: exempt from `limits.requests_per_minute` (contract C1.10). Default true. For
    /// aggregators in front of many clients. Only a token in the Authorization header exempts: the limit
    /// comes before the body, and with it before a label that names one.
    pub rate_limit: bool,
    /// true: a remote write request without an Authorization header may name this source's token in the
    /// label `better_stack_source_token` of its series. Default false: such a body has to be read before
    /// it is known who sends it. The label never becomes a tag.
    pub label_token: bool,
    /// The host name of tuples whose metric names none (contract C4.5). Default: the gateway's own.
    pub hostname: Option<String>,
    /// Tags added to every tuple, in the order of their keys; the metric's own win (contract C4.7).
    /// At most 128, keys to 255 bytes, values to 4,096, 16 KiB together.
    pub tags: Vec<(String, String)>,
    /// What it may send; without limits by default.
    pub limits: SourceLimits,
}

/// Without the digest: it would let somebody who reads a log test guesses of the token.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("name", &self.name)
            .field("enabled", &self.enabled)
            .field("allow_metrics", &self.allow_metrics)
            .field("rate_limit", &self.rate_limit)
            .field("label_token", &self.label_token)
            .field("hostname", &self.hostname)
            .field("tags", &self.tags)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

const TAGS_MAX: usize = 128;
const TAG_KEY_BYTES_MAX: usize = 255;
const TAG_VALUE_BYTES_MAX: usize = 4_096;
const TAGS_BYTES_MAX: usize = 16 << 10;

/// All sources, names and tokens unique; and every name that was written, also where the rest of its
/// source is at fault.
pub(super) fn read_all(top: &mut Section<'_>) -> (Vec<Source>, Vec<Arc<str>>) {
    let mut sources: Vec<Source> = Vec::new();
    let sections = top.sections("sources");
    let is_none = sections.is_empty() && !top.is_written("sources") && !top.is_written("scrape");
    if is_none && top.needs() == Needs::Everything {
        top.fault_at(
            Place::File,
            "no [[sources]]: add one with a `name` and a `token` that clients send as \
             `Authorization: Bearer <token>`; or \
             a [[scrape]] with a `job` and its `targets`"
                .to_owned(),
        );
    }
    let (mut names, mut tokens) = (Names::default(), HashMap::new());
    for mut section in sections {
        let name = names.read(&mut section, "what logs call this source", any_name);
        let source = Source::read(&mut section, name);
        if let Some(source) = source {
            for token in &source.tokens {
                let same = tokens.insert(token.sha256, Arc::clone(&source.name));
                if let (Some(first), Needs::Everything) = (same, section.needs()) {
                    let text = format!(
                        "source \"{}\" has the token of source \"{first}\": give each its own",
                        source.name
                    );
                    section.fault_of_section(text);
                }
            }
            sources.push(source);
        }
        section.finish();
    }
    (sources, names.list())
}

/// Says that a token in a label comes too late to exempt anybody, unless the limit does no harm there.
pub(super) fn warn_of_late_exemption(top: &Section<'_>, sources: &[Source], limits: &Limits) {
    if limits.requests_per_minute == 0 || limits.over_limit_status == 503 {
        return;
    }
    for source in sources.iter().filter(|source| source.label_token && !source.rate_limit) {
        top.warn(format!(
            "source \"{}\" has `rate_limit` = false and `label_token` = true: a request that names its \
             token only in a label is limited all the same, because its body is not read before that; \
             send the token in the Authorization header, or set `limits.over_limit_status` = 503, which \
             senders of remote write try again",
            source.name
        ));
    }
}

impl Source {
    /// One that these tokens open, all else as it is where nobody says anything.
    pub fn plain(name: &str, tokens: Vec<Token>) -> Self {
        Self {
            name: name.into(),
            tokens,
            enabled: true,
            allow_metrics: true,
            rate_limit: true,
            label_token: false,
            hostname: None,
            tags: Vec::new(),
            limits: SourceLimits::default(),
        }
    }

    /// `None` when its name or token is missing or at fault.
    fn read(section: &mut Section<'_>, name: Option<Arc<str>>) -> Option<Self> {
        let tokens = token::read(section);
        let enabled = section.switch("enabled", true);
        let allow_metrics = section.switch("allow_metrics", true);
        let rate_limit = section.switch("rate_limit", true);
        let label_token = section.switch("label_token", false);
        let hostname = section.optional("hostname", String::clone, super::hostname);
        let tags = tags(section);
        let limits = SourceLimits::read(section);
        let (name, tokens) = (name?, tokens?);
        Some(Self {
            name,
            tokens,
            enabled,
            allow_metrics,
            rate_limit,
            label_token,
            hostname,
            tags,
            limits,
        })
    }
}

fn tags(section: &mut Section<'_>) -> Vec<(String, String)> {
    let Some((tags, place)) = section.pairs("tags") else { return Vec::new() };
    let path = section.name("tags");
    let fault = |text: String| section.fault_at(place.clone(), text);
    if tags.len() > TAGS_MAX {
        fault(format!("`{path}` has {} tags; at most {TAGS_MAX} are allowed", tags.len()));
    }
    for (key, value) in &tags {
        if key.is_empty() || key.len() > TAG_KEY_BYTES_MAX {
            fault(format!(
                "`{path}` has a key of {} bytes; 1 to {TAG_KEY_BYTES_MAX} are allowed",
                key.len()
            ));
        }
        if value.len() > TAG_VALUE_BYTES_MAX {
            fault(format!(
                "`{path}.{key}` has {} bytes; at most {TAG_VALUE_BYTES_MAX} are allowed",
                value.len()
            ));
        }
    }
    let bytes: usize = tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    if bytes > TAGS_BYTES_MAX {
        fault(format!("`{path}` has {bytes} bytes; at most {TAGS_BYTES_MAX} are allowed together"));
    }
    tags
}

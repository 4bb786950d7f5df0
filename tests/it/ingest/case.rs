//! A case as it lies on disk. What is misspelt, missing or too much is an error: a case that tests
//! nothing must not pass.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use serde::Deserialize;
use tidegate::config::{self, Config, Environment};
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::Profile;

/// The token of the cases' only source.
pub(super) const TOKEN: &str = "test-token";

/// The same as the password of somebody.
const BASIC: &str = "Basic dXNlcjp0ZXN0LXRva2Vu";

pub(super) struct Case {
    pub(super) path: PathBuf,
    pub(super) request: Request,
    /// Bytes of the file `request.*`; none when there is no such file.
    pub(super) body: Option<Vec<u8>>,
    pub(super) now: Timestamp,
    /// None in a case that was not blessed yet.
    pub(super) expect: Option<Expect>,
    /// Lines of `tuples.ndjson`, the case's own or that of [`Case::same_tuples_as`].
    pub(super) tuples: Vec<String>,
    /// The case whose tuples are expected here too: the same metrics, wrapped differently.
    pub(super) same_tuples_as: Option<String>,
    /// The gateway of the case.
    pub(super) config: Config,
}

/// `case.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "note")]
    _note: Option<String>,
    now: toml::value::Datetime,
    same_tuples_as: Option<String>,
    request: Request,
    #[serde(default)]
    source: toml::Table,
    #[serde(default)]
    settings: toml::Table,
    expect: Option<Expect>,
}

/// `[request]`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    #[serde(default = "post")]
    pub(super) method: String,
    #[serde(default = "metrics")]
    pub(super) path: String,
    /// `Name: value`, in the order sent; `Host` and the body's framing are added.
    pub(super) headers: Vec<String>,
    /// A push to a Pushgateway's path: the labels that the path stands for, name before value.
    pub(super) labels: Option<Vec<(String, String)>>,
    /// Sent in two chunks instead of with a Content-Length.
    #[serde(default)]
    pub(super) chunked: bool,
}

/// `[expect]`: an answer in plain text, or what became of the items.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) status: u16,
    pub(super) text: Option<String>,
    pub(super) accepted: Option<u64>,
    pub(super) rejected: Option<u64>,
    #[serde(default)]
    pub(super) errors: Vec<Entry>,
    #[serde(default)]
    pub(super) warnings: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) index: u64,
    pub(super) line: Option<u64>,
    pub(super) code: String,
    pub(super) message: String,
}

fn post() -> String {
    "POST".to_owned()
}

fn metrics() -> String {
    "/metrics".to_owned()
}

impl Case {
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let mut body = None;
        let mut tuples = None;
        let mut file = None;
        for entry in fs::read_dir(path).map_err(|_| "not a directory")? {
            let entry = entry.unwrap();
            let bytes = || fs::read(entry.path()).unwrap();
            match entry.file_name().to_str().unwrap() {
                "case.toml" => file = Some(String::from_utf8(bytes()).unwrap()),
                "tuples.ndjson" => tuples = Some(String::from_utf8(bytes()).unwrap()),
                name if name.starts_with("request.") => {
                    if body.replace(bytes()).is_some() {
                        return Err("more than one file request.*".to_owned());
                    }
                }
                name => return Err(format!("{name} is none of a case's files")),
            }
        }
        let file: File = toml::from_str(&file.ok_or("there is no case.toml")?)
            .map_err(|error| format!("case.toml: {error}"))?;
        if let Some(other) = &file.same_tuples_as {
            let theirs = path.with_file_name(other);
            if !theirs.is_dir() {
                return Err(format!("there is no case {other}"));
            }
            // It may have to be blessed first.
            let theirs = fs::read_to_string(theirs.join("tuples.ndjson")).unwrap_or_default();
            if tuples.replace(theirs).is_some() {
                return Err("both a tuples.ndjson and `same_tuples_as`".to_owned());
            }
        }
        Ok(Self {
            path: path.to_owned(),
            now: instant(file.now)?,
            request: file.request,
            body,
            expect: file.expect,
            tuples: tuples.unwrap_or_default().lines().map(str::to_owned).collect(),
            same_tuples_as: file.same_tuples_as,
            config: configure(file.settings, file.source)?,
        })
    }

    /// Whether the bytes of the body come to be read: the edge has no reason to refuse before. What
    /// remains is the source's profile and the pipeline.
    pub(super) fn reaches_the_body(&self) -> bool {
        let path = self.request.path.split('?').next().unwrap();
        let authorizations: Vec<_> = self.header_values("authorization").collect();
        let is_push = self.request.labels.is_some();
        let posts = self.request.method == "POST" && matches!(path, "/" | "/metrics");
        let is_known = |value: &str| {
            value.to_lowercase() == format!("bearer {TOKEN}") || (is_push && value == BASIC)
        };
        (posts || is_push) && matches!(authorizations[..], [value] if is_known(value))
    }

    pub(super) fn is_dry_run(&self) -> bool {
        let query = self.request.path.split_once('?').map_or("", |(_, query)| query);
        query.split('&').any(|pair| pair == "dry_run=1")
    }

    pub(super) fn header<'c>(&'c self, name: &'c str) -> Option<&'c str> {
        self.header_values(name).next()
    }

    fn header_values<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c str> {
        let pairs = self.request.headers.iter().filter_map(|line| line.split_once(": "));
        pairs.filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn profile(&self) -> Profile {
        let source = &self.config.sources[0];
        Profile::new(self.config.policy.clone(), source.hostname.as_deref(), &source.tags)
    }
}

/// The configuration file that a case's `[settings]` and `[source]` stand for.
fn configure(mut settings: toml::Table, mut source: toml::Table) -> Result<Config, String> {
    source.insert("name".to_owned(), "main".into());
    source.insert("token".to_owned(), TOKEN.into());
    settings.entry("hostname").or_insert("gateway".into());
    settings.insert("sources".to_owned(), vec![source].into());
    let receiver = [("url", "http://127.0.0.1:1/"), ("api_key", "unused")];
    settings.insert("receiver".to_owned(), toml::Table::from_iter(receiver.map(owned)).into());
    let loaded = config::load("[settings]", &settings.to_string(), &Environment::default());
    loaded.map(|loaded| loaded.config).map_err(|problems| problems.to_string())
}

fn owned((key, value): (&str, &str)) -> (String, toml::Value) {
    (key.to_owned(), value.into())
}

impl Expect {
    /// Contradictions would otherwise show as a puzzling difference, or not at all.
    pub(super) fn validate(&self, tuples: &[String]) -> Result<(), &'static str> {
        let report = self.accepted.is_some() && self.rejected.is_some();
        let none = self.accepted.is_none() && self.rejected.is_none();
        match &self.text {
            None if !report => return Err("[expect] needs `text`, or `accepted` and `rejected`"),
            Some(_) if !none || !self.errors.is_empty() || !self.warnings.is_empty() => {
                return Err("[expect] has both a `text` and a report");
            }
            _ => {}
        }
        match (self.accepted.unwrap_or(0), tuples) {
            (1.., []) => Err("there is no tuples.ndjson, but something is accepted"),
            (0, [_, ..]) => Err("there is a tuples.ndjson, but nothing is accepted"),
            _ => Ok(()),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.rejected == Some(0) && self.warnings.is_empty()
    }
}

fn instant(now: toml::value::Datetime) -> Result<Timestamp, String> {
    let parsed = DateTime::parse_from_rfc3339(&now.to_string());
    let at = parsed.map_err(|_| "`now` needs a date, a time and a zone")?;
    Ok(Timestamp::from_unix(at.timestamp(), at.timestamp_subsec_nanos()))
}

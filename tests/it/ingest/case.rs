//! A case as it lies on disk. What is misspelt, missing or too much is an error: a case that tests
//! nothing must not pass.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use serde::Deserialize;
use tidegate::metric::timestamp::Timestamp;
use tidegate::normalize::{Outside, Policy, Profile, ReservedAction, TupleType};

use crate::support::edge::{Settings, source};

/// The token of the cases' only source.
pub(super) const TOKEN: &str = "test-token";

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
    source: Source,
    changes: Changes,
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
    source: Source,
    #[serde(default, rename = "settings")]
    changes: Changes,
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
    /// Sent in two chunks instead of with a Content-Length.
    #[serde(default)]
    pub(super) chunked: bool,
}

/// `[source]`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    hostname: Option<String>,
    #[serde(default)]
    tags: toml::Table,
}

/// `[settings]`: what differs from the defaults, under the names of the configuration file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Changes {
    hostname_tags: Option<Vec<String>>,
    time: TimeChanges,
    stackstate: StackstateChanges,
    reserved_names: ReservedChanges,
    limits: LimitChanges,
    http: HttpChanges,
    auth: AuthChanges,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TimeChanges {
    max_age: Option<String>,
    max_future: Option<String>,
    outside: Option<String>,
    keep_unparsed: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StackstateChanges {
    r#type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReservedChanges {
    action: Option<String>,
    prefix: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitChanges {
    body_bytes: Option<usize>,
    expanded_bytes: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpChanges {
    nothing_accepted_status: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct AuthChanges {
    unauthorized_status: Option<u16>,
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
            source: file.source,
            changes: file.changes,
        })
    }

    /// Whether the bytes of the body come to be read: the edge has no reason to refuse before. What
    /// remains is the source's profile and the pipeline.
    pub(super) fn reaches_the_body(&self) -> bool {
        let path = self.request.path.split('?').next().unwrap();
        let authorizations: Vec<_> = self.header_values("authorization").collect();
        self.request.method == "POST"
            && matches!(path, "/" | "/metrics")
            && matches!(authorizations[..], [value] if value.to_lowercase() == format!("bearer {TOKEN}"))
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
        let hostname = self.source.hostname.as_deref();
        Profile::new(Arc::new(self.settings().policy), hostname, &self.fixed_tags())
    }

    /// The defaults with the case's changes, and its clock.
    pub(super) fn settings(&self) -> Settings {
        let Changes { hostname_tags, time, stackstate, reserved_names, limits, http, auth } =
            &self.changes;
        let mut policy = Policy { gateway_hostname: "gateway".to_owned(), ..Policy::default() };
        let mut settings = Settings::default();
        set(&mut policy.hostname_tags, hostname_tags.clone());
        set(&mut policy.time.max_age_s, time.max_age.as_deref().map(seconds));
        set(&mut policy.time.max_future_s, time.max_future.as_deref().map(seconds));
        set(&mut policy.time.outside, time.outside.as_deref().map(outside));
        set(&mut policy.time.keep_unparsed, time.keep_unparsed);
        set(&mut policy.tuple_type, stackstate.r#type.as_deref().map(tuple_type));
        set(&mut policy.reserved_names.action, reserved_names.action.as_deref().map(action));
        set(&mut policy.reserved_names.prefix, reserved_names.prefix.clone());
        set(&mut policy.expanded_bytes, limits.expanded_bytes);
        set(&mut settings.limits.body_bytes, limits.body_bytes);
        set(&mut settings.http.nothing_accepted_status, http.nothing_accepted_status);
        set(&mut settings.auth.unauthorized_status, auth.unauthorized_status);
        settings.policy = policy;
        settings.now = self.now;
        settings.sources = vec![source("main", TOKEN)];
        settings.sources[0].hostname.clone_from(&self.source.hostname);
        settings.sources[0].tags = self.fixed_tags();
        settings
    }

    fn fixed_tags(&self) -> Vec<(String, String)> {
        let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
        self.source.tags.iter().map(|(key, value)| (key.clone(), text(value))).collect()
    }
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

fn set<T>(setting: &mut T, change: Option<T>) {
    if let Some(change) = change {
        *setting = change;
    }
}

fn seconds(text: &str) -> u64 {
    humantime::parse_duration(text).unwrap().as_secs()
}

fn outside(text: &str) -> Outside {
    match text {
        "warn" => Outside::Warn,
        "reject" => Outside::Reject,
        _ => panic!("time.outside = {text:?}"),
    }
}

fn tuple_type(text: &str) -> TupleType {
    match text {
        "as_sent" => TupleType::AsSent,
        "raw" => TupleType::Raw,
        _ => panic!("stackstate.type = {text:?}"),
    }
}

fn action(text: &str) -> ReservedAction {
    match text {
        "prefix" => ReservedAction::Prefix,
        "reject" => ReservedAction::Reject,
        "keep" => ReservedAction::Keep,
        _ => panic!("reserved_names.action = {text:?}"),
    }
}

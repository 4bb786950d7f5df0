//! The folders of cases, and what is in one.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use toml::{Table, Value};

use crate::config::closest;
use crate::metric::timestamp::Timestamp;

/// How deep folders are looked into, and how many cases there may be.
const DEPTH_MAX: usize = 8;
const CASES_MAX: usize = 10_000;

/// Most bytes of any file of a case.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// 2026-01-01T00:00:00Z
const NOW: Timestamp = Timestamp::from_unix(1_767_225_600, 0);

const KEYS: [&str; 7] =
    ["about", "content_type", "content_encoding", "path", "source", "now", "status"];

/// What the endings of a request's file stand for.
const TYPES: [(&str, &str); 10] = [
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("jsonl", "application/x-ndjson"),
    ("msgpack", "application/msgpack"),
    ("mp", "application/msgpack"),
    ("prom", "text/plain; version=0.0.4"),
    ("om", "application/openmetrics-text; version=1.0.0"),
    ("openmetrics", "application/openmetrics-text; version=1.0.0"),
    ("pb", "application/x-protobuf"),
    ("protobuf", "application/x-protobuf"),
];

const CODINGS: [(&str, &str); 4] =
    [("gz", "gzip"), ("zst", "zstd"), ("sz", "snappy"), ("snappy", "snappy")];

/// Where a case is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    /// Below the directory that was named.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its request.
    pub(super) request: PathBuf,
}

/// All cases, by name. None is an error.
pub(super) fn find(directory: &Path) -> anyhow::Result<Vec<Folder>> {
    let mut found = Vec::new();
    look_into(directory, directory, 0, &mut found)?;
    if found.is_empty() {
        bail!(
            "{} has no case: a case is a folder with a request.json (or .ndjson, .prom, ...) and a \
             tuples.ndjson; `tidegate help test` explains",
            directory.display()
        );
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn look_into(
    root: &Path,
    directory: &Path,
    depth: usize,
    found: &mut Vec<Folder>,
) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let cannot = || format!("cannot look into {}", directory.display());
    let mut requests = Vec::new();
    for entry in fs::read_dir(directory).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let kind = entry.file_type().with_context(cannot)?;
        if kind.is_dir() {
            look_into(root, &entry.path(), depth + 1, found)?;
        } else if entry.file_name().to_string_lossy().starts_with("request.") {
            requests.push(entry.path());
        }
    }
    let Some(request) = requests.pop() else { return Ok(()) };
    if !requests.is_empty() {
        bail!("{} has more than one request: a case has one", directory.display());
    }
    if found.len() >= CASES_MAX {
        bail!("there are more than {CASES_MAX} cases");
    }
    let below = directory.strip_prefix(root).unwrap_or(directory);
    let name = if below.as_os_str().is_empty() { directory } else { below };
    found.push(Folder { name: name.display().to_string(), path: directory.to_owned(), request });
    Ok(())
}

/// What is posted.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) path: String,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) source: Option<String>,
    pub(super) now: Timestamp,
    /// `None` for any 2xx.
    pub(super) status: Option<u16>,
    pub(super) body: Bytes,
}

impl Case {
    pub(super) fn read(folder: &Folder) -> anyhow::Result<Self> {
        let file = folder.path.join("case.toml");
        let text = optional(&file)?.unwrap_or_default();
        let text = String::from_utf8(text).context("case.toml is not UTF-8")?;
        let mut keys = Keys::parse(&text)?;
        let (content_type, content_encoding) = by_name(&folder.request);
        let path = keys.text("path")?.unwrap_or_else(|| "/metrics".to_owned());
        if !path.starts_with('/') {
            bail!("`path` in case.toml must begin with a slash, like \"/api/v1/write\"");
        }
        Ok(Self {
            content_type: keys.text("content_type")?.or(content_type),
            content_encoding: keys.text("content_encoding")?.or(content_encoding),
            source: keys.text("source")?,
            now: keys.instant("now")?.unwrap_or(NOW),
            status: keys.status("status")?,
            body: required(&folder.request)?.into(),
            path,
        })
    }
}

/// The keys of a case.toml.
struct Keys(Table);

impl Keys {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let table: Table = text.parse().map_err(|error| anyhow!("case.toml: {error}"))?;
        if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let meant = match closest(key, KEYS) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it knows {}", KEYS.join(", ")),
            };
            bail!("case.toml has an unknown key `{key}`: {meant}");
        }
        let mut keys = Self(table);
        keys.text("about")?;
        Ok(keys)
    }

    fn text(&mut self, key: &str) -> anyhow::Result<Option<String>> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(anyhow!("`{key}` in case.toml must be a string in quotes")),
        }
    }

    fn instant(&mut self, key: &str) -> anyhow::Result<Option<Timestamp>> {
        let text = match self.0.remove(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Datetime(instant)) => instant.to_string(),
            Some(Value::Integer(seconds)) => seconds.to_string(),
            Some(_) => String::new(),
        };
        let instant = Timestamp::parse(&text);
        let expected = "must be an instant like 2026-01-01T00:00:00Z";
        instant.map(Some).ok_or_else(|| anyhow!("`{key}` in case.toml {expected}"))
    }

    fn status(&mut self, key: &str) -> anyhow::Result<Option<u16>> {
        match self.0.remove(key) {
            None => Ok(None),
            Some(Value::Integer(status @ 100..=999)) => Ok(u16::try_from(status).ok()),
            Some(_) => Err(anyhow!("`{key}` in case.toml must be an HTTP status like 202")),
        }
    }
}

/// The headers that go with `request.json.gz`.
fn by_name(request: &Path) -> (Option<String>, Option<String>) {
    let name = request.file_name().unwrap_or_default().to_string_lossy();
    let mut endings = name.split('.').skip(1);
    let (kind, wrapping) = (endings.next().unwrap_or_default(), endings.next());
    let of = |list: &[(&str, &str)], ending: &str| {
        list.iter().find(|(known, _)| *known == ending).map(|(_, value)| (*value).to_owned())
    };
    (of(&TYPES, kind), wrapping.and_then(|ending| of(&CODINGS, ending)))
}

/// What should come of it.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) status: Option<u16>,
    /// One tuple each; `None` where there is no file.
    pub(super) tuples: Option<Vec<String>>,
    pub(super) report: Option<serde_json::Value>,
}

/// The files that say what is expected.
pub(super) const TUPLES: &str = "tuples.ndjson";
pub(super) const REPORT: &str = "report.json";

impl Expected {
    pub(super) fn read(folder: &Folder, case: &Case) -> anyhow::Result<Self> {
        let tuples = match optional(&folder.path.join(TUPLES))? {
            None => None,
            Some(text) => {
                let text =
                    String::from_utf8(text).with_context(|| format!("{TUPLES} is not UTF-8"))?;
                let lines = text.lines().filter(|line| !line.trim().is_empty());
                Some(lines.map(str::to_owned).collect())
            }
        };
        let report = optional(&folder.path.join(REPORT))?;
        let report = report.map(|text| serde_json::from_slice(&text));
        let report = report.transpose().with_context(|| format!("{REPORT} is not JSON"))?;
        Ok(Self { status: case.status, tuples, report })
    }
}

fn optional(file: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match file.metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        _ => required(file).map(Some),
    }
}

fn required(file: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", file.display());
    if file.metadata().with_context(cannot)?.len() > FILE_BYTES_MAX {
        bail!("{} is larger than {} MiB", file.display(), FILE_BYTES_MAX >> 20);
    }
    fs::read(file).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_request_says_what_it_is() {
        for (name, kind, wrapping) in [
            ("request.json", Some("application/json"), None),
            ("request.ndjson.gz", Some("application/x-ndjson"), Some("gzip")),
            ("request.prom.zst", Some("text/plain; version=0.0.4"), Some("zstd")),
            ("request.pb.sz", Some("application/x-protobuf"), Some("snappy")),
            ("request.txt", None, None),
        ] {
            let found = by_name(Path::new(name));
            assert_eq!((found.0.as_deref(), found.1.as_deref()), (kind, wrapping), "{name}");
        }
    }

    #[test]
    fn keys_that_are_not_known_are_refused_with_the_one_that_was_meant() {
        for (text, wanted) in [
            ("contenttype = \"a\"", "did you mean `content_type`?"),
            ("colour = 1", "it knows about, content_type,"),
            ("about = 1", "`about` in case.toml must be a string"),
            ("a = ", "case.toml: TOML parse error"),
        ] {
            let error = Keys::parse(text).err().unwrap().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn instants_are_dates_texts_or_seconds() {
        for text in ["2026-01-01T00:00:00Z", "\"2026-01-01 00:00:00 UTC\"", "1767225600"] {
            let mut keys = Keys::parse(&format!("now = {text}")).unwrap();
            assert_eq!(keys.instant("now").unwrap(), Some(NOW), "{text}");
        }
        for text in ["true", "\"yesterday\"", "00:00:00"] {
            let mut keys = Keys::parse(&format!("now = {text}")).unwrap();
            assert!(keys.instant("now").is_err(), "{text}");
        }
    }
}

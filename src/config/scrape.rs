//! `[[scrape]]`: pages of metrics that the gateway fetches itself, from exporters that cannot send.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::file::Needs;
use super::names::{Names, any_name};
use super::problem::Place;
use super::section::Section;
use super::source::Source;
use super::suggest::closest;
use super::tls::{ClientTls, Peer};
use super::units::quoted;

mod address;
mod headers;
mod labels;

pub(crate) use address::{address, instance};
pub(crate) use labels::{LABELS_MAX, check as check_label, of_target as labels_of_target};

/// One `[[scrape]]` entry: a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// The label `job` of everything it brings, and what logs and books call it; unique,
    /// `[A-Za-z0-9._-]{1,64}`. Where it has no `source` it is the source's name in the books and for
    /// `receivers.sources`, and so no source may be called the same.
    pub job: Arc<str>,
    /// The one of `[[sources]]` whose `hostname` and `tags` the tuples get, and under whose name they are
    /// counted. Default: none; the host is then the gateway's own unless a label names it (contract
    /// C4.5).
    pub source: Option<Arc<str>>,
    /// What is fetched: `host:port`, or a whole address like `https://host:9100/metrics`, without user name
    /// and password; values of a query never show.
    /// At most 10,000, those of `target_files` included.
    pub targets: Vec<String>,
    /// Files that name more of them, in the JSON form of Prometheus' file discovery; the last component
    /// may have `*` and `?`. Read again within seconds of a change. A file that cannot be read or does not
    /// parse keeps the targets it last had; one that is gone takes its targets with it.
    pub target_files: Vec<PathBuf>,
    /// Of targets that are no whole address. Default `http`.
    pub scheme: Scheme,
    /// The path, and perhaps a query, whose values never show, of targets that are no whole address. Default
    /// `/metrics`.
    pub path: String,
    /// Time from one scrape of a target to the next. Targets are spread over it, each always at the same
    /// point of it. 1 s to 1 h; default 15 s.
    pub interval: Duration,
    /// How long a scrape may take, from connecting to the end of the page. 100 ms to `interval`; default
    /// 10 s, or `interval` if that is less.
    pub timeout: Duration,
    /// Headers of each request, all of them treated as secrets; they go to the target and, after a
    /// redirect, to no other. Default none.
    pub headers: Vec<(String, super::Secret)>,
    /// Labels of everything it brings, in the order of their names; those of a target file win. An empty
    /// one takes a label away. Default none.
    pub labels: Vec<(String, String)>,
    /// true: where a page has a label that the target has too (`job`, `instance`, ...), the page's stays.
    /// false, the default: it is renamed to `exported_<name>`. For federation and Pushgateways: true.
    pub honor_labels: bool,
    /// true, the default: a sample with an instant of its own keeps it. false: it gets that of the scrape.
    pub honor_timestamps: bool,
    /// `ca_file`, `cert_file`, `key_file`, `insecure_skip_verify`: for `https:`. The files are read when the
    /// job asks its first such target.
    pub tls: ClientTls,
}

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`
    Https,
}

impl Scheme {
    /// As the setting `scheme` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Every key, whether written or not.
const KEYS: [&str; 16] = [
    NAME,
    "source",
    "targets",
    "target_files",
    "scheme",
    "path",
    "interval",
    "timeout",
    "headers",
    "labels",
    "honor_labels",
    "honor_timestamps",
    "ca_file",
    "cert_file",
    "key_file",
    "insecure_skip_verify",
];

/// What every `[[scrape]]` is found by.
const NAME: &str = "job";

/// Most targets of a job, those of files included.
const TARGETS_MAX: usize = 10_000;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);

/// All jobs. `names` are those of the sources; what jobs call themselves in the books is added to them.
pub(super) fn read_all(
    top: &mut Section<'_>,
    sources: &[Source],
    names: &mut Vec<Arc<str>>,
) -> Vec<Scrape> {
    // They exist, whether written or not.
    for key in KEYS {
        top.know_below("scrape", key);
    }
    let (mut jobs, mut list) = (Names::default(), Vec::new());
    let known = names.clone();
    for mut section in top.sections("scrape") {
        let what = "the label `job` of everything it brings, and what logs call it";
        let job = jobs.read_key(&mut section, NAME, what, any_name);
        let source = read_source(&mut section, &known);
        if let (Some(job), None) = (&job, &source)
            && !section.is_written("source")
        {
            if known.contains(job) {
                let (key, source) = (section.name(NAME), section.name("source"));
                let text = format!(
                    "`{key}` is \"{job}\", which a source is called: set `{source} = \"{job}\"` if they \
                     belong together, or choose another name"
                );
                section.fault(NAME, text);
            }
            names.push(Arc::clone(job));
        }
        if section.needs() == Needs::NoSecrets {
            section.ignore(&KEYS);
        } else {
            warn_of_disabled(&section, sources, source.as_deref());
            let scrape = Scrape::read(&mut section, job.unwrap_or_default(), source);
            list.push(scrape);
        }
        section.finish();
    }
    list
}

fn read_source(section: &mut Section<'_>, known: &[Arc<str>]) -> Option<Arc<str>> {
    section.optional("source", ToString::to_string, |text| {
        let found = known.iter().find(|name| ***name == *text);
        found.cloned().ok_or_else(|| match closest(text, known.iter().map(|name| &**name)) {
            Some(meant) => format!("the name of one of [[sources]], perhaps \"{meant}\""),
            None => "the name of one of [[sources]]".to_owned(),
        })
    })
}

/// A source that may not send is scraped for all the same: nobody shows its token.
fn warn_of_disabled(section: &Section<'_>, sources: &[Source], source: Option<&str>) {
    let of = |of: &&Source| Some(&*of.name) == source && !(of.enabled && of.allow_metrics);
    if let Some(source) = sources.iter().find(of) {
        section.warn(format!(
            "`{}`: source \"{}\" may not send metrics, and is scraped for all the same",
            section.name("source"),
            source.name
        ));
    }
}

impl Scrape {
    /// The name in the books.
    pub fn book(&self) -> &Arc<str> {
        self.source.as_ref().unwrap_or(&self.job)
    }

    fn read(section: &mut Section<'_>, job: Arc<str>, source: Option<Arc<str>>) -> Self {
        let schemes = [Scheme::Http, Scheme::Https].map(|scheme| (scheme.as_str(), scheme));
        let targets = read_targets(section);
        let files = section.list("target_files", Vec::new(), String::clone, target_file);
        if !section.is_written("targets") && !section.is_written("target_files") {
            section.fault_of_section(format!(
                "`{}` is missing: what to fetch, like [\"127.0.0.1:9100\"]; or name `target_files`",
                section.name("targets")
            ));
        }
        let scheme = section.choice("scheme", Scheme::Http, &schemes);
        let path = read_path(section);
        let interval = section.duration("interval", 15 * SECOND, SECOND..=HOUR);
        let least = Duration::from_millis(100);
        let timeout = section.duration("timeout", (10 * SECOND).min(interval), least..=HOUR);
        if timeout > interval {
            let (timeout, interval) = (section.name("timeout"), section.name("interval"));
            let text = format!("`{timeout}` must not be longer than `{interval}`");
            section.fault("timeout", text);
        }
        let labels = labels::read(section);
        check_together(section, (&job, &labels), &targets, (scheme, &path));
        Self {
            job,
            source,
            targets,
            target_files: files.into_iter().map(PathBuf::from).collect(),
            scheme,
            path,
            interval,
            timeout,
            headers: headers::read(section),
            labels,
            honor_labels: section.switch("honor_labels", false),
            honor_timestamps: section.switch("honor_timestamps", true),
            tls: ClientTls::read(section, Peer::Target),
        }
    }
}

/// A fault never repeats a query: somebody may have put a token into it.
fn read_path(section: &mut Section<'_>) -> String {
    let (key, default) = ("path", "/metrics".to_owned());
    let Some((scalar, place)) = section.scalar(key) else {
        section.show(key, quoted(&default), Place::File);
        return default;
    };
    let text = scalar.text();
    match text.ok_or_else(|| "a string in quotes".to_owned()).and_then(address::path) {
        Ok(path) => {
            section.show(key, quoted(&address::shown(&path)), place);
            return path;
        }
        Err(expected) if text.is_some_and(|text| text.contains('?')) => {
            section.fault_at(place, format!("`{}` must be {expected}", section.name(key)));
        }
        Err(expected) => section.must_be(key, place, &expected, &scalar.found()),
    }
    default
}

/// A fault never repeats the text: somebody may have put a password into it.
fn read_targets(section: &mut Section<'_>) -> Vec<String> {
    if let Some(value) = section.value("targets")
        && value.get_ref().is_str()
    {
        section.know("targets");
        let place = section.file.line(value);
        section.must_be("targets", place, "a list, like [\"127.0.0.1:9100\"]", "a string");
        return Vec::new();
    }
    let show = |target: &String| address::shown(target);
    let targets = section.list("targets", Vec::new(), show, |text| Ok(text.to_owned()));
    for (nth, target) in targets.iter().enumerate() {
        if let Err(expected) = address(target, Scheme::Http, "/metrics") {
            let name = section.name("targets");
            section.fault("targets", format!("`{name}[{nth}]` must be {expected}"));
        }
    }
    if targets.is_empty() && section.is_written("targets") && !section.is_written("target_files") {
        let name = section.name("targets");
        section.warn(format!(
            "`{name}` is empty, and there are no `target_files`: nothing is scraped"
        ));
    }
    targets
}

/// What the targets of the file come to with the labels of the job.
fn check_together(
    section: &Section<'_>,
    (job, labels): (&str, &[(String, String)]),
    targets: &[String],
    (scheme, path): (Scheme, &str),
) {
    if targets.len() > TARGETS_MAX {
        let text = format!(
            "`{}` has {} targets; at most {TARGETS_MAX} are allowed in a job",
            section.name("targets"),
            targets.len()
        );
        section.fault("targets", text);
    }
    let urls = targets.iter().filter_map(|target| {
        let url = address(target, scheme, path).ok()?;
        Some((instance(target, &url), url))
    });
    let (mut seen, mut longest) = (BTreeMap::new(), String::new());
    for (instance, url) in urls {
        if instance.len() > longest.len() {
            longest.clone_from(&instance);
        }
        let names_itself = labels.iter().any(|(name, _)| name == "instance");
        let instance = if names_itself { String::new() } else { instance };
        if *seen.entry(instance).or_insert_with(|| url.clone()) != url {
            section.warn(format!(
                "two of `{}` have the same labels: their series cannot be told apart; put one of them \
                 into a job of its own",
                section.name("targets")
            ));
            break;
        }
    }
    if let Err(text) = labels_of_target(job, labels, &BTreeMap::new(), &longest) {
        section.fault("labels", format!("`{}`: {text}", section.name("labels")));
    }
}

/// A path whose last component may have `*` and `?`.
fn target_file(text: &str) -> Result<String, String> {
    let is_wild = |part: &str| part.contains(['*', '?', '[']);
    let (directory, name) = text.rsplit_once('/').unwrap_or(("", text));
    if is_wild(directory) || name.contains('[') {
        return Err("a path with `*` or `?` in its last component alone".to_owned());
    }
    if !name.to_ascii_lowercase().ends_with(".json") || name.len() <= ".json".len() {
        return Err("the path of a .json file, like \"targets/*.json\"".to_owned());
    }
    Ok(text.to_owned())
}

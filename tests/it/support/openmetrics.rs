//! A strict reader of OpenMetrics 1.0 text, and of text 0.0.4: panics at anything the format does not allow.

use std::collections::{BTreeMap, BTreeSet};

/// How names begin.
const OURS: [&str; 2] = ["tidegate_", "process_"];

/// Every sample of a page.
#[derive(Debug)]
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// The value of `name{key="value",..}`, labels in the order of the page.
    pub(crate) fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// The same, which has to be there.
    pub(crate) fn at(&self, sample: &str) -> f64 {
        self.get(sample).unwrap_or_else(|| panic!("no {sample} in {self:#?}"))
    }

    /// The sum over all labels of one name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |sample: &str| sample.split('{').next() == Some(name);
        self.0.iter().filter(|(sample, _)| of_name(sample)).map(|(_, value)| value).sum()
    }

    /// Names and values of all samples.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(sample, value)| (sample.as_str(), *value))
    }

    /// Label keys that occur.
    pub(crate) fn label_keys(&self) -> BTreeSet<&str> {
        let labels = self.0.keys().filter_map(|sample| sample.split_once('{'));
        let pairs = labels.flat_map(|(_, labels)| labels.trim_end_matches('}').split("\","));
        pairs.map(|pair| pair.split_once('=').unwrap().0).collect()
    }
}

/// What was read of a histogram.
#[derive(Default)]
struct Histogram {
    /// The last bound, the last count.
    bucket: Option<(f64, f64)>,
    count: Option<f64>,
}

/// The family that is being read.
#[derive(Default)]
struct Family {
    name: String,
    kind: String,
    unit: bool,
    is_helped: bool,
    /// Of each histogram, by its labels.
    histograms: BTreeMap<String, Histogram>,
}

pub(crate) fn parse(page: &str) -> Samples {
    let lines = page.strip_suffix("# EOF\n").expect("it ends with the end marker");
    assert!(lines.ends_with('\n') && page.is_ascii());
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let mut family = Family::default();
    for line in lines.strip_suffix('\n').unwrap().split('\n') {
        if let Some(comment) = line.strip_prefix("# ") {
            let (word, rest) = comment.split_once(' ').expect(line);
            let (name, text) = rest.split_once(' ').expect(line);
            match word {
                "HELP" => {
                    family.ends();
                    family = Family { name: name.to_owned(), is_helped: true, ..Family::default() };
                    assert!(families.insert(name.to_owned()), "{name} comes twice");
                    assert!(is_name(name), "{line}");
                    assert!(OURS.iter().any(|prefix| name.starts_with(prefix)), "{line}");
                    assert!(text.ends_with('.') && !text.contains(['"', '\\']), "{line}");
                }
                "TYPE" => {
                    assert!(family.is_helped && family.name == name && family.kind.is_empty());
                    let kinds = ["counter", "gauge", "histogram", "info"];
                    assert!(kinds.contains(&text), "{line}");
                    assert!(!name.ends_with("_total") && !name.ends_with("_info"), "{line}");
                    text.clone_into(&mut family.kind);
                }
                "UNIT" => {
                    assert!(family.name == name && !family.kind.is_empty() && !family.unit);
                    assert!(name.ends_with(&format!("_{text}")), "{line}");
                    family.unit = true;
                }
                _ => panic!("{line}"),
            }
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect(line);
        assert!(value.bytes().all(|byte| b"0123456789+-.eE".contains(&byte)), "{line}");
        let value: f64 = value.parse().expect(line);
        family.takes(sample, value);
        assert!(samples.insert(sample.to_owned(), value).is_none(), "{line} comes twice");
    }
    family.ends();
    Samples(samples)
}

/// The same of text 0.0.4: every family has its help and type, before its samples and once.
pub(crate) fn parse_plain(page: &str) -> Samples {
    assert!(page.ends_with('\n') && page.is_ascii() && !page.contains("# EOF"));
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut name, mut kind) = ("", "");
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            (name, kind) = (help.split(' ').next().unwrap(), "");
            assert!(families.insert(name), "{name} comes twice");
        } else if let Some(of) = line.strip_prefix("# TYPE ") {
            let (of, text) = of.split_once(' ').expect(line);
            assert!(of == name && kind.is_empty(), "{line}");
            assert!(["counter", "gauge", "histogram"].contains(&text), "{line}");
            assert_eq!(text == "counter", name.ends_with("_total"), "{line}");
            kind = text;
        } else {
            let (sample, value) = line.rsplit_once(' ').expect(line);
            let suffix = sample.split('{').next().unwrap().strip_prefix(name).expect(line);
            let suffixes: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(!kind.is_empty() && suffixes.contains(&suffix), "{line}");
            let before = samples.insert(sample.to_owned(), value.parse().expect(line));
            assert!(before.is_none(), "{line} comes twice");
        }
    }
    Samples(samples)
}

impl Family {
    fn takes(&mut self, sample: &str, value: f64) {
        let (name, labels) = match sample.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect(sample)),
            None => (sample, ""),
        };
        let mut keys = label_pairs(labels);
        let suffix = name.strip_prefix(&self.name).unwrap_or_else(|| panic!("{sample} is astray"));
        assert!(!self.kind.is_empty(), "{sample} before its type");
        assert!(value >= 0.0, "nothing here can be negative: {sample}");
        match (&*self.kind, suffix) {
            ("counter", "_total") | ("gauge", "") | ("histogram", "_sum") => {}
            ("info", "_info") => assert!(value.to_bits() == 1_f64.to_bits(), "{sample}"),
            ("histogram", "_count") => {
                self.histograms.entry(format!("{keys:?}")).or_default().count = Some(value);
            }
            ("histogram", "_bucket") => {
                let bound = keys.remove("le").expect(sample);
                let histogram = self.histograms.get_mut(&format!("{keys:?}")).expect(sample);
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                if let Some((last_bound, last_value)) = histogram.bucket {
                    assert!(bound > last_bound && value >= last_value, "{sample}");
                }
                histogram.bucket = Some((bound, value));
            }
            (kind, _) => panic!("{sample} in a {kind}"),
        }
    }

    fn ends(&self) {
        for histogram in self.histograms.values() {
            let (bound, count) = histogram.bucket.expect("buckets");
            assert!(bound.is_infinite() && Some(count) == histogram.count, "{}", self.name);
        }
    }
}

/// Keys and values of `a="b",c="d"`.
fn label_pairs(labels: &str) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    let mut rest = labels;
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"").expect(labels);
        let (value, after) = after.split_once('"').expect(labels);
        assert!(is_name(key) && !key.contains(':') && !value.contains(['\\', '\n']), "{labels}");
        assert!(pairs.insert(key.to_owned(), value.to_owned()).is_none(), "{labels}");
        rest = after.strip_prefix(',').unwrap_or(after);
        assert_eq!(rest.is_empty(), after.is_empty(), "{labels}");
        assert!(rest.is_empty() || rest.len() < after.len(), "{labels}");
    }
    pairs
}

fn is_name(text: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(part)
}

//! A page of Prometheus' text, read in the plainest way there is: it shares nothing with the gateway's.

use std::collections::BTreeMap;

/// One line with a value.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    /// What `# TYPE` calls its family; empty where there is none.
    pub(crate) kind: String,
}

impl Sample {
    pub(crate) fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Every sample of a page without timestamps.
pub(crate) fn read(page: &str) -> Vec<Sample> {
    let mut kinds = BTreeMap::new();
    let mut samples = Vec::new();
    for line in page.lines() {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (family, kind) = declared.split_once(' ').expect(line);
            kinds.insert(family.to_owned(), kind.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            samples.push(sample(line, &kinds));
        }
    }
    samples
}

fn sample(line: &str, kinds: &BTreeMap<String, String>) -> Sample {
    let (series, value) = line.rsplit_once(' ').expect(line);
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let parts = ["_bucket", "_sum", "_count"].iter().filter_map(|part| name.strip_suffix(part));
    let kind = [name].into_iter().chain(parts).find_map(|family| kinds.get(family));
    Sample {
        name: name.to_owned(),
        labels: read_labels(labels.strip_suffix('}').expect(line)),
        value: value.replace("Inf", "inf").parse().expect(line),
        kind: kind.cloned().unwrap_or_default(),
    }
}

/// `a="b",c="d"`, with the three escapes.
fn read_labels(text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    let mut letters = text.chars().peekable();
    while letters.peek().is_some() {
        let name: String = letters.by_ref().take_while(|letter| *letter != '=').collect();
        assert_eq!(letters.next(), Some('"'), "{text}");
        let mut value = String::new();
        loop {
            match letters.next().expect(text) {
                '"' => break,
                '\\' => match letters.next().expect(text) {
                    'n' => value.push('\n'),
                    escaped => value.push(escaped),
                },
                letter => value.push(letter),
            }
        }
        labels.push((name, value));
        letters.next_if_eq(&',');
    }
    labels
}

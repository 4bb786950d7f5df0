//! Every query of the dashboard and of the alert rules asks for metrics and labels that a busy gateway has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::busy::Busy;

/// What Prometheus adds to everything it scrapes; a label `job` of the page becomes `exported_job`.
const OF_PROMETHEUS: [&str; 3] = ["instance", "job", "exported_job"];

/// Sample names of the page and their labels.
type Known = BTreeMap<String, BTreeSet<String>>;

fn known(page: &str) -> Known {
    let mut known = Known::new();
    for line in page.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            // Also of those that have no sample at the moment.
            let (name, kind) = line.split_once(' ').unwrap();
            let endings: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            for ending in endings {
                known.entry(format!("{name}{ending}")).or_default();
            }
        } else if !line.starts_with('#') {
            let (name, labels) = line.split_once('{').unwrap_or((line, ""));
            let keys = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
            let keys = keys.map(|(key, _)| key.to_owned());
            if let Some(of) = known.get_mut(name.split(' ').next().unwrap()) {
                of.extend(keys);
            }
        }
    }
    known
}

/// The words of an expression, in order; texts in quotes are left out, and signs stand alone.
fn words(expression: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut in_text, mut in_word) = (false, false);
    for letter in expression.chars() {
        if letter == '"' {
            in_text = !in_text;
        } else if !in_text && (letter.is_ascii_alphanumeric() || letter == '_') {
            if !in_word {
                words.push(String::new());
            }
            words.last_mut().unwrap().push(letter);
            in_word = true;
            continue;
        } else if !in_text && !letter.is_whitespace() {
            words.push(letter.to_string());
        }
        in_word = false;
    }
    words
}

/// What is wrong with an expression.
fn faults(expression: &str, known: &Known) -> Vec<String> {
    let (words, mut faults) = (words(expression), Vec::new());
    let is_ours = |word: &str| word.starts_with("tidegate_") || word.starts_with("process_");
    let (mut asked, mut grouped) = (BTreeSet::new(), Vec::new());
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        if is_ours(word) {
            let Some(labels) = known.get(word) else {
                faults.push(format!("there is no {word}"));
                at += 1;
                continue;
            };
            asked.extend(labels.iter().map(String::as_str));
            if words.get(at + 1).is_some_and(|next| next == "{") {
                let end = words[at..].iter().position(|word| word == "}").unwrap() + at;
                for pair in words[at + 2..end].windows(2).filter(|pair| "=!".contains(&*pair[1])) {
                    let key = pair[0].as_str();
                    if key.len() > 1 && !labels.contains(key) && !OF_PROMETHEUS.contains(&key) {
                        faults.push(format!("{word} has no label {key}"));
                    }
                }
                at = end;
            }
        } else if matches!(word, "by" | "on" | "without" | "ignoring") {
            let end = words[at..].iter().position(|word| word == ")").unwrap() + at;
            grouped.extend(words[at + 2..end].iter().filter(|word| *word != ",").cloned());
            at = end;
        }
        at += 1;
    }
    if asked.is_empty() && !words.iter().any(|word| is_ours(word)) {
        faults.push("asks for nothing of ours".to_owned());
    }
    let is_there = |key: &str| asked.contains(key) || OF_PROMETHEUS.contains(&key);
    faults.extend(grouped.iter().filter(|key| !is_there(key)).map(|key| format!("no label {key}")));
    faults
}

/// Every `expr` and every query of a variable.
fn of_dashboard(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str() {
                    Some(text) if key == "expr" || key == "definition" => {
                        found.push(text.to_owned());
                    }
                    _ => of_dashboard(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| of_dashboard(item, found)),
        _ => {}
    }
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/grafana").join(name);
    fs::read_to_string(path).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("dashboard.json")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_asks_for_metrics_and_labels_that_there_are() {
    let known = known(&Busy::start().await.plain().await);
    let mut queries = Vec::new();
    of_dashboard(&dashboard(), &mut queries);
    let of_panels = queries.len();
    let rules = read("alerts.yaml");
    let rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: '"));
    queries.extend(rules.map(|text| text.strip_suffix('\'').unwrap().replace("''", "'")));
    assert!(of_panels > 60 && queries.len() - of_panels > 20, "{}", queries.len());
    let wrong: Vec<_> = queries
        .iter()
        .filter_map(|query| {
            let faults = faults(query, &known);
            (!faults.is_empty()).then(|| format!("{query}: {}", faults.join(", ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_metric_or_a_label_that_is_not_there_is_seen() {
    let page = "# TYPE tidegate_a_total counter\ntidegate_a_total{code=\"x\"} 1\n\
                # TYPE tidegate_h_seconds histogram\ntidegate_h_seconds_bucket{le=\"1\"} 1\n";
    let known = known(page);
    for (query, expected) in [
        ("rate(tidegate_a_total{code=~\"x|y\", instance=\"i\"}[5m])", ""),
        ("sum by (code, instance) (rate(tidegate_a_total[5m])) > 0", ""),
        ("histogram_quantile(0.9, sum by (le) (tidegate_h_seconds_bucket))", ""),
        ("tidegate_a > 0", "there is no tidegate_a"),
        ("tidegate_h_seconds > 0", "there is no tidegate_h_seconds"),
        ("tidegate_a_total{kode!=\"x\"}", "tidegate_a_total has no label kode"),
        ("sum by (kode) (tidegate_a_total)", "no label kode"),
        ("up == 0", "asks for nothing of ours"),
    ] {
        assert_eq!(faults(query, &known).join(", "), expected, "{query}");
    }
}

#[test]
fn the_dashboard_goes_as_the_road_goes_and_can_be_loaded_anywhere() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    let rows: Vec<_> = rows.map(|row| row["title"].as_str().unwrap()).collect();
    let road = [
        "At a glance",
        "In",
        "Reject reasons",
        "Queue",
        "Out",
        "Dead letters and losses",
        "Limits and settings",
        "Process",
    ];
    assert_eq!(rows, road);
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("instance=~\"$instance\""), "{query}");
        }
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<_> =
        variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance"]);
}

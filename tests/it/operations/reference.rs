//! `docs/metrics.md` is what a busy gateway says of its metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::support::busy::Busy;

/// Set to 1, the file is written anew.
const BLESS: &str = "TIDEGATE_BLESS";

const HEAD: &str = "# Metrics of the gateway itself

`GET /metrics` on the admin port (`admin.listen`), as OpenMetrics to those who accept it and as Prometheus' text format 0.0.4 to
everybody else. Names here are those of the samples; a histogram has `_bucket`, `_sum` and `_count` besides. Alert rules and a dashboard
lie in [packaging/grafana](../packaging/grafana); what to do when something is wrong stands in [operations.md](operations.md).

This file is made from the page of a gateway: `TIDEGATE_BLESS=1 cargo test --test it operations`.

| metric | type | labels | what it says |
|---|---|---|---|
";

/// Families of text 0.0.4, in the order of the page, with the labels that their samples have.
fn table(page: &str) -> String {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut families: Vec<(&str, &str, &str)> = Vec::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|of| of.split_once(' ')) {
            families.push((name, "", help));
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            families.last_mut().unwrap().1 = kind.rsplit(' ').next().unwrap();
        } else if let Some((_, pairs)) = line.rsplit_once(' ').unwrap().0.split_once('{') {
            let keys = pairs.split("\",").map(|pair| pair.split('=').next().unwrap());
            let of = families.last().unwrap().0;
            labels.entry(of).or_default().extend(keys.filter(|key| *key != "le"));
        }
    }
    let mut table = HEAD.to_owned();
    for (name, kind, help) in families {
        let labels: Vec<_> =
            labels.get(name).into_iter().flatten().map(|key| format!("`{key}`")).collect();
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reference_has_every_metric_with_its_labels_and_words() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let expected = table(&Busy::start().await.plain().await);
    assert!(expected.lines().count() > 100);
    if env::var(BLESS).is_ok_and(|value| value == "1") {
        crate::support::peers::put(&path, &expected);
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let differs = expected.lines().find(|line| !written.contains(*line));
    assert!(differs.is_none(), "docs/metrics.md lacks this, {BLESS}=1 writes it: {differs:?}");
    assert_eq!(written, expected, "{BLESS}=1 writes docs/metrics.md anew");
}

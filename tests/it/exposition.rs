//! Pages of Prometheus' text format and of OpenMetrics, against the tables of the projects that made them.

use serde::Deserialize;
use tidegate::decode::{Exposition, Format};
use tidegate::pipeline::BodyError;

use crate::mutation::robust;
use crate::support::corpus;

mod bounds;

/// What the reader has against a page; through the pipeline, with every promise checked.
fn fault(page: &[u8], syntax: Exposition) -> Option<String> {
    match robust::body(page, Format::Exposition(syntax)) {
        Ok(_) => None,
        Err(BodyError::Malformed { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    }
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(rename = "shouldParse")]
    should_parse: bool,
}

#[test]
fn every_case_of_openmetrics_gets_the_verdict_it_asks_for() {
    let Some(folder) = corpus::folder("openmetrics/tests/testdata/parsers") else { return };
    let (mut sound, mut wrong) = (0, Vec::new());
    let mut cases: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for case in &cases {
        let verdict = std::fs::read(case.join("test.json")).unwrap();
        let verdict: Verdict = serde_json::from_slice(&verdict).unwrap();
        let page = std::fs::read(case.join("metrics")).unwrap();
        let fault = fault(&page, Exposition::OpenMetrics);
        sound += usize::from(verdict.should_parse);
        if fault.is_none() != verdict.should_parse {
            wrong.push(format!("{}: {fault:?}", case.file_name().unwrap().display()));
        }
    }
    assert_eq!((cases.len(), sound), (211, 44));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    input_text: String,
    /// Rust's JSON text holds no bytes that are not UTF-8: where the table shows them as `\xff`, the
    /// bytes are here.
    input_b64: String,
    should_fail: bool,
}

fn check_table(name: &str, count: usize, syntax: Exposition) {
    use base64::Engine as _;
    let Some(folder) = corpus::folder("prometheus-textparse") else { return };
    let table: Table = serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    assert_eq!(table.cases.len(), count);
    for case in table.cases {
        let mut page = base64::prelude::BASE64_STANDARD.decode(&case.input_b64).unwrap();
        // As the tests of the parser do from which the table is.
        if syntax == Exposition::Text && !page.ends_with(b"\n") {
            page.push(b'\n');
        }
        let fault = fault(&page, syntax);
        assert_eq!(fault.is_some(), case.should_fail, "{:?}: {fault:?}", case.input_text);
    }
}

#[test]
fn the_table_of_prometheus_for_openmetrics_holds() {
    check_table("openmetrics-errors.json", 82, Exposition::OpenMetrics);
}

#[test]
fn the_table_of_prometheus_for_its_text_holds() {
    check_table("promtext-errors.json", 27, Exposition::Text);
}

/// The samples of a page are as many as its lines that are neither empty nor begin with `#`.
fn check_page(name: &str, page: &str, syntax: Exposition) {
    let samples = page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    let report = robust::body(page.as_bytes(), Format::Exposition(syntax));
    let report = report.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    assert_eq!((report.accepted, report.rejected), (samples as u64, 0), "{name}");
}

#[test]
fn pages_of_real_servers_are_taken_whole() {
    let Some(folder) = corpus::folder("prometheus-textparse") else { return };
    for (name, syntax) in [
        ("alltypes.237mfs.nometa.prom.txt", Exposition::Text),
        ("alltypes.237mfs.prom.txt", Exposition::Text),
        ("1histogram.om.txt", Exposition::OpenMetrics),
    ] {
        let page = std::fs::read_to_string(folder.join(name)).unwrap();
        check_page(name, &page, syntax);
    }
}

/// Here the tables contradict each other: this page of a real server has a histogram with negative buckets
/// and a negative sum, and a summary with negative quantiles; the cases of OpenMetrics (`bad_histograms_3`,
/// `bad_counter_values_5` and `_19`) refuse all three. The cases win, because they are the format's own;
/// the page is a benchmark's input, of a parser that checks no values.
#[test]
fn a_page_with_negative_sums_and_quantiles_is_refused_for_these_alone() {
    let Some(folder) = corpus::folder("prometheus-textparse") else { return };
    let page = std::fs::read_to_string(folder.join("alltypes.5mfs.om.txt")).unwrap();
    let fault = fault(page.as_bytes(), Exposition::OpenMetrics);
    let expected = "expected a total or sum that is not negative at line 33, column 37";
    assert_eq!(fault.as_deref(), Some(expected));
    let refused = [
        "rpc_durations_histogram_seconds_sum",
        "rpc_durations_histogram_seconds_count",
        "rpc_durations_seconds{",
    ];
    let is_refused = |line: &&str| {
        let is_negative = line.contains("_sum{") && line.contains("} -");
        is_negative || refused.iter().any(|begins| line.starts_with(begins))
    };
    let less: String = page.split_inclusive('\n').filter(|line| !is_refused(line)).collect();
    check_page("the rest", &less, Exposition::OpenMetrics);
}

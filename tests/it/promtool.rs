//! What Prometheus' own tool says of the page, of the alert rules, and of what they do.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tidegate::decode::{Exposition, Format};

use crate::mutation::robust;
use crate::support::busy::Busy;
use crate::support::openmetrics::{self, Samples};
use crate::support::peers;

const ALERTS: &str = "packaging/grafana/alerts.yaml";
const TESTS: &str = "packaging/grafana/alerts_test.yaml";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where it is missing the test says so and skips; in CI that is a failure.
fn promtool() -> Option<PathBuf> {
    peers::program("promtool")
}

fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It reads everything before it says anything.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn words(output: &Output) -> String {
    let [out, errors] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{}: {out}{errors}", output.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_a_busy_gateway_has_no_fault_in_either_format() {
    let busy = Busy::start().await;
    let (open, plain) = (busy.open().await, busy.plain().await);
    for (page, syntax) in [(&open, Exposition::OpenMetrics), (&plain, Exposition::Text)] {
        let report = robust::body(page.as_bytes(), Format::Exposition(syntax)).unwrap();
        assert_eq!(report.rejected, 0, "{syntax:?}: {:?}", report.errors);
    }
    let (open, plain) = (openmetrics::parse(&open), openmetrics::parse_plain(&plain));
    let names = |page: &Samples| page.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&open), names(&plain));
    let settled = ["tidegate_http_body_bytes", "tidegate_rejections", "tidegate_decode_duration"];
    let mut compared = 0;
    for (sample, value) in
        open.iter().filter(|(name, _)| settled.iter().any(|of| name.starts_with(of)))
    {
        assert!(plain.at(sample).to_bits() == value.to_bits(), "{sample}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_has_nothing_to_say_about_the_page() {
    let Some(promtool) = promtool() else { return };
    let page = Busy::start().await.plain().await;
    let output = run(&promtool, &["check", "metrics"], &page);
    assert!(
        output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
        "{}",
        words(&output)
    );
    // It would have something to say about another one.
    let worse = page.replace("# HELP tidegate_ready ", "# HELP tidegate_ready_count ");
    assert!(!run(&promtool, &["check", "metrics"], &worse).status.success());
}

#[test]
fn promtool_takes_the_alert_rules_and_their_tests_pass() {
    let Some(promtool) = promtool() else { return };
    for arguments in
        [["check", "rules", "--lint-fatal", ALERTS].as_slice(), &["test", "rules", TESTS]]
    {
        let output = run(&promtool, arguments, "");
        assert!(output.status.success(), "{arguments:?} {}", words(&output));
    }
}

/// A rule, as its file has it.
#[derive(Debug)]
struct Rule {
    name: String,
    text: String,
}

/// The rules of the file, which is written so that each begins with `- alert:`.
fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(root().join(ALERTS)).unwrap();
    let rules = text.split("- alert: ").skip(1).map(|text| {
        let name = text.lines().next().unwrap().trim().to_owned();
        Rule { name, text: text.to_owned() }
    });
    rules.collect()
}

#[test]
fn each_alert_says_what_to_do_and_where_that_is_written() {
    let guide = fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let rules = rules();
    assert!(rules.len() >= 20, "{}", rules.len());
    for Rule { name, text } in &rules {
        for part in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
            assert!(text.contains(part), "{name} has no {part}");
        }
        let severity = text.split("severity: ").nth(1).unwrap().lines().next().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        let link = text.split("runbook_url: ").nth(1).unwrap().lines().next().unwrap();
        let (page, anchor) = link.trim_matches('"').split_once('#').expect(name);
        assert!(page.ends_with("docs/operations.md"), "{name}: {page}");
        let heading = format!("### {name}\n");
        assert!(guide.contains(&heading) && anchor == name.to_lowercase(), "{name}: no {anchor}");
    }
}

/// Each alert fires in one case at least, and in another it is looked for and does not.
#[test]
fn each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet() {
    let text = fs::read_to_string(root().join(TESTS)).unwrap();
    let cases: Vec<&str> = text.split("alertname: ").skip(1).collect();
    let of = |name: &str, fires: bool| {
        let is_it = |case: &&str| {
            let (first, rest) = case.split_once('\n').unwrap();
            // What follows belongs to the next case.
            let rest = rest.split("- eval_time").next().unwrap();
            first.trim() == name && rest.contains("exp_alerts: []") != fires
        };
        cases.iter().filter(|case| is_it(case)).count()
    };
    for Rule { name, .. } in rules() {
        assert!(of(&name, true) > 0, "{name} fires nowhere");
        assert!(of(&name, false) > 0, "{name} is quiet nowhere");
    }
}

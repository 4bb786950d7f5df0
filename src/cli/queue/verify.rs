//! `tidegate queue verify`: every record read, and the books proved from the files.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::config::Environment;
use crate::queue::log::inspect::View;
use crate::queue::log::inspect::account::Account;
use crate::queue::log::inspect::verify::{Finding, Report, Step, verify};
use crate::queue::log::segment::Name;

use super::super::{Failure, convert};
use super::args::VerifyArgs;
use super::table::{Align, Table, grouped, size};
use super::{Opened, finding, words};

/// Findings that are printed; of more it is said how many.
const FINDINGS_MAX: usize = 1_000;

pub(super) fn run(args: &VerifyArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let opened = Opened::find(&args.place, environment)?;
    let mut findings = Findings::new(!args.json);
    let progress = Progress::new(&opened.view);
    let report = verify(&opened.view, &mut |step| match step {
        Step::Found(finding) => progress.bar.suspend(|| findings.add(&finding)),
        Step::Read { file, bytes } => progress.show(*file, bytes),
    });
    progress.bar.finish_and_clear();
    let report = report.map_err(|error| opened.place.unreadable(&error))?;
    let text = if args.json {
        format!("{:#}\n", as_json(&report, &findings))
    } else {
        as_text(&opened, &report, &findings)
    };
    convert::print(&text).map_err(|error| Failure::Run(error.into()))?;
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was found, kept or shown at once.
#[derive(Default)]
struct Findings {
    is_shown: bool,
    number: usize,
    objects: Vec<Value>,
}

impl Findings {
    fn new(is_shown: bool) -> Self {
        Self { is_shown, ..Self::default() }
    }

    fn add(&mut self, finding: &Finding) {
        self.number += 1;
        if self.number > FINDINGS_MAX {
            return;
        }
        if !self.is_shown {
            self.objects.push(finding::object(finding));
            return;
        }
        let mark = if finding.is_fault() { "FAULT" } else { "note " };
        // Nobody to read it is no reason to stop: the exit code still says what came out.
        drop(writeln!(io::stdout(), "{mark}  {}", finding::sentence(finding)));
    }

    fn left_out(&self) -> usize {
        self.number.saturating_sub(FINDINGS_MAX)
    }
}

/// A bar over the bytes of all segments, where somebody watches.
struct Progress {
    bar: ProgressBar,
    /// Bytes of the segments before each one.
    before: HashMap<Name, u64>,
}

impl Progress {
    fn new(view: &View) -> Self {
        let bar = if io::stderr().is_terminal() {
            ProgressBar::with_draw_target(Some(view.bytes()), ProgressDrawTarget::stderr())
        } else {
            ProgressBar::hidden()
        };
        let style = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        let style = ProgressStyle::with_template(style).expect("the template is well-formed");
        let mut sum = 0;
        let start = |segment: &crate::queue::log::inspect::view::Segment| {
            let before = sum;
            sum += segment.bytes;
            (segment.name, before)
        };
        let before = view.segments.iter().map(start).collect();
        Self { bar: bar.with_style(style), before }
    }

    fn show(&self, file: Name, bytes: u64) {
        self.bar.set_position(self.before.get(&file).copied().unwrap_or(0) + bytes);
    }
}

fn as_text(opened: &Opened, report: &Report, findings: &Findings) -> String {
    let more = match findings.left_out() {
        0 => String::new(),
        more => format!("       and {} more\n", grouped(more as u64)),
    };
    let gap = if findings.number > 0 { "\n" } else { "" };
    format!(
        "{more}{gap}{} read, {}, in {}; the log ends at record {}\n\n{}\n{}",
        words::count(report.records, "record"),
        size(report.bytes),
        words::count(opened.view.segments.len() as u64, "segment"),
        report.end.head,
        books(&report.accounts),
        verdict(report),
    )
}

fn books(accounts: &[Account]) -> String {
    if accounts.is_empty() {
        return "no destination has a position: there are no books\n".to_owned();
    }
    let names = accounts.iter().map(|account| (&*account.name, Align::Right));
    let mut table = Table::new(std::iter::once(("tuples", Align::Left)).chain(names));
    let mut row = |class: &str, cell: &dyn Fn(&Account) -> String| {
        let cells = accounts.iter().map(cell);
        table.row(std::iter::once(class.to_owned()).chain(cells).collect::<Vec<_>>());
    };
    row("  series", &|account| grouped(account.books.series));
    row("+ replayed", &|account| grouped(account.books.replayed));
    row("= delivered", &|account| grouped(account.books.delivered));
    row("+ filtered", &|account| grouped(account.books.filtered));
    row("+ queued, counted", &|account| grouped(account.books.queued));
    row("+ dead-lettered", &|account| grouped(account.books.dead_lettered));
    row("+ expired", &|account| grouped(account.books.expired));
    row("+ damaged", &|account| grouped(account.books.damaged));
    row("+ purged", &|account| grouped(account.books.purged));
    row("+ unreadable", &|account| grouped(account.lost));
    row("", &balance);
    table.render()
}

fn balance(account: &Account) -> String {
    match account.off_by() {
        // What of a lost stretch was delivered before, only the books say.
        0 if account.is_inferred => "balances, inferred".to_owned(),
        0 => "balances".to_owned(),
        off_by => format!("OFF BY {off_by}"),
    }
}

fn verdict(report: &Report) -> String {
    if report.is_sound() {
        return "sound: every record is intact, and the books balance\n".to_owned();
    }
    let off = report.accounts.iter().filter(|account| !account.is_balanced()).count();
    let books = match off {
        0 => "the books balance".to_owned(),
        1 => "the books of 1 destination do not balance".to_owned(),
        more => format!("the books of {more} destinations do not balance"),
    };
    format!("NOT sound: {}; {books}\n", words::count(report.faults, "fault"))
}

fn as_json(report: &Report, findings: &Findings) -> Value {
    let account = |account: &Account| {
        // Only a queue in memory has any that are lost.
        let classes = account.books.classes().into_iter().filter(|(class, _)| *class != "lost");
        let of_itself = [
            ("name", json!(&*account.name)),
            ("unreadable", json!(account.lost)),
            ("balances", json!(account.is_balanced())),
            ("inferred", json!(account.is_inferred)),
            ("off_by", json!(account.off_by().to_string())),
        ];
        classes.map(|(class, tuples)| (class, json!(tuples))).chain(of_itself).collect::<Value>()
    };
    let totals = report.end.totals;
    json!({
        "sound": report.is_sound(),
        "faults": report.faults,
        "records": report.records,
        "bytes": report.bytes,
        "last_record": report.end.head,
        "totals": {
            "tuples": totals.tuples, "accepted": totals.accepted, "rejected": totals.rejected,
        },
        "destinations": report.accounts.iter().map(account).collect::<Vec<_>>(),
        "findings": findings.objects,
        "findings_left_out": findings.left_out(),
    })
}

//! Medians over the rounds, with the least and the most, as lines.

use tidegate::config::Compression;
use tidegate::forward::envelope::content_encoding;

use crate::measure::{Limits, Run};
use crate::spread::Spread;

/// What everything is divided by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amounts {
    pub(crate) tuples: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) wire_bytes: u64,
}

/// One case of one round, both sides, and the parts of the gateway's work on their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    pub(crate) tidegate: Run,
    pub(crate) limits: Limits,
    pub(crate) bare: Run,
    /// Seconds of one thread that packed everything.
    pub(crate) pack: f64,
    pub(crate) log: Run,
}

/// A cell: its median, its spread, with so many digits.
fn cell(spread: &Spread, digits: usize) -> String {
    format!("{spread:.digits$}")
}

fn row(name: &str, cells: [&str; 4]) {
    let cells = cells.map(|cell| format!("{cell:<26}")).concat();
    println!("  {name:<28}{}", cells.trim_end());
}

/// Says what the columns of [`case`] are.
pub(crate) fn head() {
    row("", ["MB/s raw", "MB/s on the wire", "M tuples/s", "CPU s per M tuples"]);
}

/// The figures of one side, a row of them.
fn side(name: &str, rounds: &[Round], amounts: Amounts, run: impl Fn(&Round) -> Run) {
    let millions = |amount: u64, digits| {
        cell(&Spread::of(rounds, |round| amount as f64 / 1e6 / run(round).took), digits)
    };
    let cpu = Spread::of(rounds, |round| per_million(run(round).cpu, amounts));
    let cells = [
        millions(amounts.raw_bytes, 0),
        millions(amounts.wire_bytes, 0),
        millions(amounts.tuples, 2),
        cell(&cpu, 3),
    ];
    row(name, cells.each_ref().map(String::as_str));
}

fn per_million(seconds: f64, amounts: Amounts) -> f64 {
    seconds * 1e6 / amounts.tuples as f64
}

/// One case: both sides, their ratio, and what the gateway's time went into.
pub(crate) fn case(compression: Compression, cap: usize, rounds: &[Round], amounts: Amounts) {
    let spread = |of: &dyn Fn(&Round) -> f64| Spread::of(rounds, of);
    println!(
        "{}, at most {cap} in flight: the limit was {} on average, {} at the end",
        name(compression),
        cell(&spread(&|round| round.limits.mean), 1),
        cell(&spread(&|round| round.limits.last as f64), 0),
    );
    side("tidegate", rounds, amounts, |round| round.tidegate);
    side("bare", rounds, amounts, |round| round.bare);
    let throughput = cell(&spread(&|round| round.bare.took / round.tidegate.took), 3);
    let cpu = cell(&spread(&|round| round.tidegate.cpu / round.bare.cpu), 2);
    row("tidegate / bare", [&throughput, "", "", &cpu]);
    let cpu = cell(&spread(&|round| rest(round) / round.bare.cpu), 2);
    row("posting alone / bare", ["", "", "", &cpu]);
    let share = |of: &dyn Fn(&Round) -> f64| {
        cell(&spread(&|round| 100.0 * of(round) / round.tidegate.cpu), 0)
    };
    println!(
        "  % of tidegate's CPU: packing {}, reading the log {}, posting and the rest {}",
        share(&|round| round.pack),
        share(&|round| round.log.cpu),
        share(&rest),
    );
}

/// What the gateway's side took beyond packing and reading.
fn rest(round: &Round) -> f64 {
    round.tidegate.cpu - round.pack - round.log.cpu
}

/// The parts of one encoding on their own: one thread that packs, and a log that is only read.
pub(crate) fn parts(compression: Compression, rounds: &[Round], amounts: Amounts) {
    println!("{}, its parts alone", name(compression));
    side("packing, one thread", rounds, amounts, |round| Run { took: round.pack, cpu: round.pack });
    // Nothing of it is on a wire.
    let amounts = Amounts { wire_bytes: 0, ..amounts };
    side("leases, acknowledged", rounds, amounts, |round| round.log);
}

fn name(compression: Compression) -> &'static str {
    content_encoding(compression).unwrap_or("identity")
}

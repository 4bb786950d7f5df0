//! `tidegate queue` as a process, over directories written for the purpose.

use std::path::Path;
use std::process::{Command, Output, Stdio};

mod books;
mod change;
mod damage;
mod look;
mod real;

use crate::support::log_files::{Files, Plan, Written, waiting};
use crate::support::output::{code, json, stderr, stdout};
use tidegate::queue::Totals;
use tidegate::queue::log::position::Tally;

/// A command that inherits nothing.
fn command(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.arg("queue").args(args).env_clear().current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// `tidegate queue ARGS` in the directory of the data directory's files.
fn queue(files: &Files, args: &[&str]) -> Output {
    let mut args = args.to_vec();
    if !args.contains(&"--config") {
        args.extend(["--data-dir", "."]);
    }
    command(files.data_dir(), &args).output().unwrap()
}

fn delivered(tuples: u64) -> Tally {
    Tally { delivered: tuples, ..Tally::default() }
}

/// Two sealed segments and an open one, ten records in all: 1 to 4, 5 to 8, 9 and 10. `default` waits
/// for 3, 6 and 7, 9 and 10; every record has as many tuples as its number says.
fn sample(files: &Files) -> [Written; 3] {
    let one = files.segment(&Plan::behind(0, Totals::default(), &[1, 2, 3, 4]));
    let two = files.segment(&Plan::behind(one.last, one.totals, &[5, 6, 7, 8]));
    let three = files.segment(&Plan::behind(two.last, two.totals, &[9, 10]).open());
    let mut saved = waiting(9, Totals::default(), delivered(20), &[(3, 3), (6, 7), (9, u64::MAX)]);
    saved.totals.tuples = 45;
    saved.between = vec![delivered(9), delivered(8)];
    files.position("default", &saved);
    [one, two, three]
}

//! What can be typed after `tidegate queue`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::place::PlaceArgs;

/// Look into the queue on disk, and take things out of it
///
/// ls, verify and export only read, also while a gateway is running. purge and forget change what a
/// gateway relies on: they need it stopped, and --yes.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  tidegate queue ls
      What waits for whom, since when, and in which files.

  tidegate queue verify && echo sound
      Read all of it and prove that nothing is missing.

  tidegate queue export --receiver default > waiting.ndjson

  tidegate queue purge --older-than 2d --yes
  tidegate queue forget old-receiver --yes

`tidegate queue help <command>` explains one of them."
)]
pub(in super::super) struct QueueArgs {
    #[command(subcommand)]
    pub(super) command: QueueCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueCommand {
    Ls(LsArgs),
    Verify(VerifyArgs),
    Export(ExportArgs),
    Purge(PurgeArgs),
    Forget(ForgetArgs),
}

/// Show what waits for whom, since when, what a running gateway does about it, and in which files
///
/// Reads positions, footers, and the segments that have none: the one being written, and what a crash
/// left. What receivers do now, and what went wrong last, it asks the gateway that runs, through its
/// admin port; without one it shows the rest. What a filter leaves out counts as waiting until it is
/// passed. Records are numbered from 1; bytes are what they take in the files. Damage in sealed
/// segments is found by verify. Exits with 0, or with 2 when there is no queue or it cannot be read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate queue ls --config /etc/tidegate/tidegate.toml

  tidegate queue ls --data-dir /mnt/backup/tidegate-data
      A copy of the directory is as good as the directory.

  tidegate queue ls --json | jq '.destinations[] | {name, tuples: .queued.tuples}'")]
pub(super) struct LsArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Read every record and prove the books from the files
///
/// Checks every checksum, that sequences and totals rise without a gap, and for each destination
/// that series + replayed = delivered + filtered + queued + dead-lettered + expired + damaged +
/// purged, where queued is counted from the records. Each finding names file and offset, and whether
/// something is lost. Exits with 0 when all is sound, 1 when something is damaged or does not
/// balance, 2 when the queue cannot be read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate queue verify
      Also while a gateway is running: what it writes meanwhile does not count.

  tidegate queue verify --data-dir /mnt/backup/tidegate-data --json")]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Print tuples that wait, one JSON array a line
///
/// In the order they were accepted. What a running gateway delivers or writes meanwhile may be
/// printed or not. Exits with 1 when something could not be printed because it is damaged.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate queue export > waiting.ndjson

  tidegate queue export --receiver default | head -3

  tidegate queue export --all | wc -l
      Everything that is still in the files, delivered or not.")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// What waits for this destination; may be left out when there is only one
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub(super) receiver: Option<String>,

    /// Everything that is still in the files, delivered or not
    #[arg(long)]
    pub(super) all: bool,
}

/// Throw away what waits for a destination
///
/// It is counted as purged and never delivered. The records stay in their files until the gateway
/// starts and every destination has passed them. Without --yes nothing is changed: it says what it
/// would do and exits with 2.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate queue purge
      What would be thrown away.

  tidegate queue purge --receiver default --older-than 12h --yes")]
pub(super) struct PurgeArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// The destination; may be left out when there is only one
    #[arg(long, value_name = "NAME")]
    pub(super) receiver: Option<String>,

    /// Only what was received longer ago than this, like 90min, 12h or 2d
    ///
    /// From the oldest on, up to the first record that is younger.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) older_than: Option<Duration>,

    /// Do it
    #[arg(long)]
    pub(super) yes: bool,
}

/// Drop the position of a destination that is no longer configured
///
/// It goes on collecting everything that comes in until then, its filter having left with its
/// configuration. What still waits for it is given up, and files kept for it alone go when the gateway
/// starts.
/// Without --yes nothing is changed: it says what it would do and exits with 2.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate queue ls
      Names those that are no longer configured.

  tidegate queue forget old-receiver --yes")]
pub(super) struct ForgetArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// Its exact name
    #[arg(value_name = "NAME")]
    pub(super) name: String,

    /// Do it
    #[arg(long)]
    pub(super) yes: bool,
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;
    use crate::cli::tests::assert_examples;

    #[test]
    fn every_command_shows_examples() {
        let command = QueueArgs::augment_args(Command::new("queue"));
        assert_eq!(assert_examples(&command), 5);
    }
}

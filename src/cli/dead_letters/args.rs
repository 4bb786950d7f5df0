//! What can be typed after `tidegate dead-letters`.

use clap::{Args, Subcommand};

use super::super::place::PlaceArgs;

/// Look at what receivers refused for good, and let them have it again
///
/// A tuple that a receiver refuses alone, while it takes others, is kept as a dead letter with the
/// answer that refused it. ls and show only read, also while a gateway is running. replay puts them
/// into the queue for the receiver that refused them; what it takes then is delivered, what it
/// refuses again is a dead letter again.
#[derive(Debug, Args)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_long_help = "\
Examples:
  tidegate dead-letters ls
      Who refused what, how often, and why.

  tidegate dead-letters show --receiver default --code 422 --limit 20

  tidegate dead-letters replay --since 2h --dry-run
  tidegate dead-letters replay --since 2h

`tidegate dead-letters help <command>` explains one of them."
)]
pub(in super::super) struct DeadLettersArgs {
    #[command(subcommand)]
    pub(super) command: DeadLettersCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLettersCommand {
    Ls(LsArgs),
    Show(ShowArgs),
    Replay(ReplayArgs),
}

/// Which letters: all that is given must hold.
#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    #[command(flatten)]
    pub(super) place: PlaceArgs,

    /// Only those that this receiver refused
    #[arg(long, value_name = "NAME")]
    pub(super) receiver: Option<String>,

    /// Only those refused since then: how long ago, like 90min or 2h, or 2026-11-22T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<String>,

    /// Only those of this source, by its exact name
    #[arg(long, value_name = "NAME")]
    pub(super) source: Option<String>,

    /// Only those refused with this HTTP status
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(super) code: Option<u16>,
}

/// Show who refused what, how often, and why
///
/// One line for each receiver, status, source and answer, with the name of one metric as an example.
/// Exits with 0, with 1 when something is damaged, or with 2 when nothing can be read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate dead-letters ls --config /etc/tidegate/tidegate.toml

  tidegate dead-letters ls --since 1day --code 400

  tidegate dead-letters ls --json | jq '.receivers[] | {name, letters}'")]
pub(super) struct LsArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Print dead letters, the newest last
///
/// Answer, status, times and tuple of each. Exits with 0, with 1 when something is damaged, or with 2
/// when nothing can be read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate dead-letters show --limit 5

  tidegate dead-letters show --source checkout --json | jq -c .tuple")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    /// Only the newest of them, so many for each receiver
    #[arg(long, value_name = "N")]
    pub(super) limit: Option<usize>,

    /// Print one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// Put dead letters into the queue once more, for the receiver that refused them
///
/// Mend the cause first: what is refused again becomes a dead letter again, and what waits for a
/// receiver that is down can expire under its `max_backlog_bytes`. Each letter is put in once,
/// whatever interrupts this. A gateway that runs on the data directory is asked to do it through its
/// admin port; else the queue is opened here, and the letters are delivered when the gateway starts.
/// With `queue.durability = "memory"` the gateway has to run, and is asked at `admin.listen`. Letters of receivers that are not configured stay where they are. Exits with 0,
/// with 1 when something could not be replayed, or with 2 when nothing was started.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate dead-letters replay --dry-run
      What would be replayed.

  tidegate dead-letters replay --receiver default --since 2026-11-22T08:00:00Z --code 400

  curl -X POST localhost:8081/dead-letters/replay -H 'Content-Type: application/json' \\
      -d '{\"receiver\": \"default\", \"since\": \"2h\"}'
      The same without this command; again as long as it answers \"more\": true.")]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    /// Only say what would be replayed
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command};

    use super::*;
    use crate::cli::tests::assert_examples;

    #[test]
    fn every_command_shows_examples() {
        let command = DeadLettersArgs::augment_args(Command::new("dead-letters"));
        assert_eq!(assert_examples(&command), 3);
    }
}

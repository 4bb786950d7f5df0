//! `tidegate bundle`: what somebody needs to know who is asked for help, in one file.
//!
//! Every part is bounded in size and time, and what cannot be had is replaced by a text that says why: a
//! bundle is wanted most where little works. 0: written. 1: not written. 2: wrong arguments.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;

use super::ask::AskArgs;
use super::table::size;
use super::{Failure, convert, load, words};
use crate::clock::{Clock, SystemClock};
use crate::config::Environment;
use crate::metric::timestamp::Timestamp;

mod archive;
mod facts;
mod own;
mod parts;
mod secrets;

use parts::Part;
use secrets::Secrets;

/// Gather what somebody needs to know who is asked for help
///
/// Writes one .tar.gz with the settings in effect, what the running gateway says of itself, its last log
/// lines, what is in the queue and whether it is sound, how many dead letters there are, and facts of this
/// machine. It works on a gateway that is stopped, too, with what there is then. Secrets are hidden, and
/// looked for once more before anything is written. No tuple is in it, but texts of errors may name
/// metrics, sources and addresses: look at it before you send it.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tidegate bundle --config /etc/tidegate/tidegate.toml

  tidegate bundle --output for-support.tar.gz && tar tzf for-support.tar.gz

  tidegate bundle --admin http://127.0.0.1:8081 --data-dir /var/lib/tidegate
      Without a configuration.")]
pub(super) struct BundleArgs {
    #[command(flatten)]
    ask: AskArgs,

    /// Where to write it [default: tidegate-bundle-<time>.tar.gz in the working directory]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &BundleArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let now = SystemClock::new().now();
    let output = args.output.clone().unwrap_or_else(|| default_name(now));
    if !args.force && output.symlink_metadata().is_ok() {
        return Err(Failure::Usage(anyhow!(
            "{} is there already: name another file with --output, or say --force",
            output.display()
        )));
    }
    let text = load::text(&args.ask.place.config, environment).ok();
    let secrets = Secrets::of(text.as_deref(), environment);
    let mut parts = parts::gather(&args.ask, environment);
    let cleaned: Vec<_> = parts.iter_mut().filter_map(|part| part.clean(&secrets)).collect();
    let mut readme = Part::new("README.txt", readme(&parts, &cleaned, now));
    readme.clean(&secrets);
    parts.insert(0, readme);
    if let Some(part) = parts.iter().find(|part| secrets.is_in(&part.text)) {
        return Err(Failure::Run(anyhow!(
            "{} holds a secret that cannot be taken out of it: nothing was written",
            part.name
        )));
    }
    let bytes = archive::pack(&parts, now).context("cannot pack it").map_err(Failure::Run)?;
    archive::write(&output, &bytes, args.force)
        .with_context(|| format!("cannot write {}", output.display()))
        .map_err(Failure::Run)?;
    convert::print(&told(&output, &parts, bytes.len())).map_err(|e| Failure::Run(e.into()))?;
    Ok(ExitCode::SUCCESS)
}

/// `tidegate-bundle-20261122T044159Z.tar.gz`
fn default_name(now: Timestamp) -> PathBuf {
    let time = words::instant(now).replace(['-', ':'], "");
    format!("tidegate-bundle-{time}.tar.gz").into()
}

fn told(output: &Path, parts: &[Part], bytes: usize) -> String {
    let mut lines =
        vec![format!("{}, {}, readable by you alone:\n", output.display(), size(bytes as u64))];
    lines.extend(parts.iter().map(|part| {
        let missing = if part.is_missing { "  (not to be had: it says why)" } else { "" };
        format!("  {:<20} {:>10}{missing}\n", part.name, size(part.text.len() as u64))
    }));
    lines.push("Secrets are hidden in it. Look at it before you send it.\n".to_owned());
    lines.concat()
}

fn readme(parts: &[Part], cleaned: &[&'static str], now: Timestamp) -> String {
    let mut lines = vec![format!(
        "A bundle of tidegate {}, written at {}.\n\nLook at it before you send it. Secrets of the \
         configuration are replaced by ***. There are no tuples in it, but names of sources, receivers and \
         metrics, addresses and paths may be.\n\n",
        env!("CARGO_PKG_VERSION"),
        words::instant(now),
    )];
    lines.extend(parts.iter().map(|part| format!("{:<20} {}\n", part.name, part.about())));
    if !cleaned.is_empty() {
        lines.push(format!(
            "\nA secret was found in {} and replaced by ***. It should not have been there: please say \
             so.\n",
            cleaned.join(", ")
        ));
    }
    lines.concat()
}

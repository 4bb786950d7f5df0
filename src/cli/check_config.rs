//! `tidegate check-config`: what is wrong, or the settings in effect with secrets hidden.

use std::process::ExitCode;

use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, expiring};

use super::{CheckConfigArgs, Failure, load};

pub(super) fn run(args: &CheckConfigArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let loaded = load::whole(&args.config, environment)?;
    for warning in &loaded.warnings {
        super::say(&format!("warning: {warning}"));
    }
    for expiring in expiring(&loaded.config.sources, SystemClock::new().now()) {
        super::say(&format!("warning: {}", expiring.text));
    }
    super::convert::print(&loaded.settings.to_string())
        .map_err(|error| Failure::Run(error.into()))?;
    Ok(ExitCode::SUCCESS)
}

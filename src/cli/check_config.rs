//! `tidegate check-config`: what is wrong, or the settings in effect with secrets hidden.

use std::process::ExitCode;

use crate::config::Environment;

use super::{CheckConfigArgs, Failure, load};

pub(super) fn run(args: &CheckConfigArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let loaded = load::whole(&args.config, environment)?;
    for warning in &loaded.warnings {
        super::say(&format!("warning: {warning}"));
    }
    super::convert::print(&loaded.settings.to_string())
        .map_err(|error| Failure::Run(error.into()))?;
    Ok(ExitCode::SUCCESS)
}

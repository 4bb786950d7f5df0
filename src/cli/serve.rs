//! `tidegate serve`: the gateway, or with `--dev` the gateway and a receiver to try it with.

use std::process::ExitCode;

use crate::config::Environment;

use super::{Failure, ServeArgs, load};

pub(super) fn run(args: &ServeArgs, environment: &Environment) -> Result<ExitCode, Failure> {
    let _loaded = load::whole(&args.config, environment)?;
    Ok(ExitCode::SUCCESS)
}

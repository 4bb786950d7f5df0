//! `tidegate receiver`: the embedded StackState receiver alone.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};

use crate::app::signal::Signals;
use crate::config::{ClientAuth, Log, LogFormat, ServerTls};
use crate::observe;
use crate::receiver::{ApiKeys, BodyLimit, Options, Printer, Receiver, Rules, StartError};

use super::{Failure, ReceiverArgs};

pub(super) fn run(args: ReceiverArgs) -> Result<ExitCode, Failure> {
    let _level = observe::start(&Log { format: LogFormat::Auto, level: "info".to_owned() });
    let mut rules =
        Rules { api_keys: ApiKeys::only(args.api_keys), poisons: args.poisons, ..Rules::default() };
    if let Some(bytes) = args.body_limit {
        rules.body_limit = BodyLimit::both(bytes);
    }
    if !args.encodings.is_empty() {
        rules.encodings = args.encodings;
    }
    let tls = tls(args.cert_file, args.key_file, args.client_ca_file);
    let options = Options {
        tls,
        listen: args.listen,
        rules,
        print: (!args.quiet).then(|| Printer::new(io::stdout())),
        fault: args.fault,
        ..Options::default()
    };
    let runtime = tokio::runtime::Runtime::new().context("cannot start").map_err(Failure::Run)?;
    let served: anyhow::Result<()> = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        let receiver = Receiver::start(options).await;
        let receiver = receiver.map_err(|error| match error {
            StartError::Listen { .. } => {
                anyhow!("{error}; choose another address with --listen")
            }
            StartError::Tls(_) => anyhow!("{error}"),
        })?;
        let url = receiver.url();
        tracing::info!(receiver.url = url, "receiver takes deliveries at {url}");
        signals.next().await;
        let totals = receiver.stop().await.totals;
        tracing::info!(tuples = totals.tuples, "receiver took {} tuples", totals.tuples);
        Ok(())
    });
    // A print that nobody takes from the pipe would hold the process.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS).map_err(Failure::Run)
}

/// Both files, or neither: the arguments are checked for that.
fn tls(
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    client_ca_file: Option<PathBuf>,
) -> Option<ServerTls> {
    let (cert_file, key_file) = cert_file.zip(key_file)?;
    let client_auth = if client_ca_file.is_some() { ClientAuth::Required } else { ClientAuth::Off };
    Some(ServerTls { cert_file, key_file, client_ca_file, client_auth })
}

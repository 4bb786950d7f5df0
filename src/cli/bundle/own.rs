//! What this program's own commands print, each in a process that can be ended.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::ask::AskArgs;

/// Most bytes that are read of what one prints; far more than a part has.
const PRINTED_BYTES_MAX: u64 = 8 << 20;

/// How to run one on the same directory.
pub(super) struct Own {
    program: PathBuf,
    config: Vec<String>,
    data_dir: Vec<String>,
}

impl Own {
    pub(super) fn of(ask: &AskArgs) -> Self {
        // The one that runs, also where an upgrade has replaced its file.
        let running = PathBuf::from("/proc/self/exe");
        let program =
            if running.exists() { running } else { std::env::current_exe().unwrap_or_default() };
        let option = |name: &str, value: &Option<PathBuf>| match value {
            Some(path) => vec![name.to_owned(), path.display().to_string()],
            None => Vec::new(),
        };
        Self {
            program,
            config: option("--config", &ask.place.config.path),
            data_dir: option("--data-dir", &ask.place.data_dir),
        }
    }

    /// What a command prints that needs a data directory; else what it complains of.
    pub(super) fn prints(&self, args: &[&str], wait: Duration) -> Result<String, String> {
        self.run(args, &[&self.config[..], &self.data_dir].concat(), wait)
    }

    /// The same for one that needs a configuration.
    pub(super) fn prints_as_configured(
        &self,
        args: &[&str],
        wait: Duration,
    ) -> Result<String, String> {
        self.run(args, &self.config, wait)
    }

    fn run(&self, args: &[&str], more: &[String], wait: Duration) -> Result<String, String> {
        let cannot = |error: std::io::Error| format!("it cannot be run: {error}");
        let mut command = Command::new(&self.program);
        command.args(args).args(more).stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot)?;
        let printed = reader(child.stdout.take());
        let complained = reader(child.stderr.take());
        // Its end is seen when it closes both.
        let Ok(printed) = printed.recv_timeout(wait) else {
            end(&mut child);
            return Err(format!("`tidegate {}` takes longer than {wait:?}", args.join(" ")));
        };
        let complained = complained.recv_timeout(wait).unwrap_or_default();
        end(&mut child);
        if printed.is_empty() { Err(complained) } else { Ok(printed) }
    }
}

/// It has ended, or does now. A further process of it there is not.
fn end(child: &mut Child) -> Option<ExitStatus> {
    child.kill().ok();
    child.wait().ok()
}

fn reader(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(stream) = stream {
            // What came before it broke is better than nothing.
            stream.take(PRINTED_BYTES_MAX).read_to_end(&mut bytes).ok();
        }
        send.send(String::from_utf8_lossy(&bytes).into_owned()).ok();
    });
    receive
}

//! `perf record` beside a program, for as long as that runs.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// Waited for when it is dropped: it ends by itself when the program has ended.
pub(crate) struct Recorder(Child);

/// Until it has attached itself.
const ATTACHES_WITHIN: Duration = Duration::from_millis(500);

impl Recorder {
    /// Samples the process into a file of the directory that bears the name.
    pub(crate) fn start(directory: &Path, name: &str, process: u32) -> Self {
        fs::create_dir_all(directory).expect("a directory can be made");
        let file = directory.join(format!("{}.data", name.replace([',', ' '], "")));
        // A clock, not a counter of the processor: virtual machines often have none. The stacks of the
        // kernel's side say which call it works for; our own have no frame pointers.
        let child = Command::new("perf")
            .args(["record", "--quiet", "--event", "cpu-clock", "--freq", "1999"])
            .args(["--call-graph", "fp", "--output"])
            .arg(file)
            .args(["--pid", &process.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .expect("perf is installed");
        sleep(ATTACHES_WITHIN);
        Self(child)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.wait().ok();
    }
}

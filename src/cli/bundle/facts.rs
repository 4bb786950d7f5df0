//! Facts of this program and this machine.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use super::super::table::size;
use crate::config::Environment;

/// Most bytes read of a file of the kernel.
const KERNEL_TEXT_BYTES_MAX: usize = 64 << 10;

pub(super) fn version() -> String {
    let build = if cfg!(debug_assertions) { "with debug assertions" } else { "optimised" };
    let program = std::env::current_exe();
    let program = program.map_or_else(|error| error.to_string(), |path| path.display().to_string());
    format!(
        "tidegate {}\nbuild: {build}, for {} on {}\nprogram: {program}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS,
    )
}

/// One a line; values may be secrets.
pub(super) fn names_of_variables(environment: &Environment) -> String {
    let names = environment.variables.keys().filter(|name| name.starts_with("TIDEGATE_"));
    let lines: Vec<_> = names.map(|name| format!("{name}\n")).collect();
    if lines.is_empty() { "none\n".to_owned() } else { lines.concat() }
}

pub(super) fn system(data_dir: Option<&Path>) -> String {
    let kernel = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let cpus = available_parallelism().map_or_else(|e| e.to_string(), |cpus| cpus.to_string());
    let mut lines = vec![
        format!(
            "kernel: {} {} {}, {}",
            text(kernel.sysname()),
            text(kernel.release()),
            text(kernel.machine()),
            text(kernel.version())
        ),
        format!("cpus: {cpus}"),
    ];
    lines.extend(lines_of("/proc/meminfo", &["MemTotal", "MemAvailable", "SwapTotal"]));
    lines.extend(lines_of("/proc/self/limits", &["Max open files"]));
    lines.extend(lines_of("/proc/loadavg", &[""]).into_iter().map(|line| format!("load: {line}")));
    if let Ok(limit) = fs::read_to_string("/sys/fs/cgroup/memory.max") {
        lines.push(format!("memory limit of the group: {}", limit.trim()));
    }
    lines.push(disk(data_dir));
    lines.join("\n") + "\n"
}

fn disk(data_dir: Option<&Path>) -> String {
    let Some(data_dir) = data_dir else {
        return "data directory: not known, no configuration can be read".to_owned();
    };
    let shown = data_dir.display();
    match rustix::fs::statvfs(data_dir) {
        Ok(disk) => {
            let bytes = |blocks: u64| size(blocks.saturating_mul(disk.f_frsize));
            format!(
                "data directory: {shown}; its disk has {} free of {}, and {} of {} file numbers",
                bytes(disk.f_bavail),
                bytes(disk.f_blocks),
                disk.f_favail,
                disk.f_files
            )
        }
        Err(error) => format!("data directory: {shown}; its disk cannot be looked at: {error}"),
    }
}

/// Those that begin with one of these; nothing where the kernel has no such file.
fn lines_of(file: &str, beginnings: &[&str]) -> Vec<String> {
    let text = fs::read(file).unwrap_or_default();
    let text =
        String::from_utf8_lossy(text.get(..KERNEL_TEXT_BYTES_MAX).unwrap_or(&text)).into_owned();
    let is_wanted = |line: &&str| beginnings.iter().any(|beginning| line.starts_with(beginning));
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().filter(is_wanted).map(squeezed).collect()
}

//! Instructions of one call, counted by callgrind on this very program.

use std::process::Command;

/// Whether valgrind is there to count.
pub(crate) fn can_be_counted() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The instructions `--once what` spends in [`super::curves::counted`]; none if callgrind fails.
pub(crate) fn count(what: &str) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*curves::counted*")
        .arg(std::env::current_exe().ok()?)
        .args(["--once", what])
        .output()
        .ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let Some(count) = said.lines().find_map(collected).filter(|&count| count > 0) else {
        println!("callgrind counted nothing of {what}: {said}");
        return None;
    };
    Some(count)
}

/// `==123== Collected : 4567`
fn collected(line: &str) -> Option<u64> {
    line.split_once("Collected :")?.1.trim().parse().ok()
}

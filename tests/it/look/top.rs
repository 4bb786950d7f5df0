//! `tidegate top`: printed once, and drawn on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::{CHECKOUT, Running, exit_code, gauge, stderr, stdout, tidegate};

#[test]
fn once_prints_the_page_and_its_code_says_whether_all_is_well() {
    let mut gateway = Running::start();
    gateway.post(CHECKOUT, &gauge("a"));
    let output = gateway.command(&["top", "--once"]).output().unwrap();
    let printed = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", stderr(&output));
    for wanted in
        ["tidegate 0.1.0", "SOURCE", "checkout", "billing", "RECEIVER", "default", "queue "]
    {
        assert!(printed.contains(wanted), "{wanted}: {printed}");
    }
    assert!(!printed.contains('\u{1b}'), "no colours in a pipe");
    gateway.end();
    let output = gateway.command(&["top"]).output().unwrap();
    assert_eq!((output.status.code(), &*stdout(&output)), (Some(2), ""));
    assert!(stderr(&output).contains("no gateway is running"), "{}", stderr(&output));
}

#[test]
fn a_gateway_that_is_not_ready_is_1() {
    let directory = tempfile::tempdir().unwrap();
    let args = ["receiver", "--listen", "127.0.0.1:0", "--api-key", "another", "--quiet"];
    let mut receiver = tidegate(directory.path(), &args).spawn().unwrap();
    let mut log = std::io::BufReader::new(receiver.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut log, &mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let gateway = Running::with(told["receiver.url"].as_str().unwrap(), "");
    gateway.post(CHECKOUT, &gauge("a"));
    let printed = loop {
        let output = gateway.command(&["top", "--once"]).output().unwrap();
        match output.status.code() {
            Some(0) => {}
            Some(1) => break stdout(&output),
            other => panic!("{other:?}: {}", stderr(&output)),
        }
    };
    assert!(printed.contains("held") && !printed.contains("k3y-of"), "{printed}");
    receiver.kill().unwrap();
    receiver.wait().unwrap();
}

/// A process on a terminal, and what it drew.
struct Terminal {
    child: Child,
    master: File,
    slave: File,
    drawn: Arc<Mutex<String>>,
}

impl Terminal {
    fn start(gateway: &Running, variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let size = Winsize { ws_row: 20, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let mut command = gateway.command(&["top", "--interval", "200ms"]);
        command.envs(variables.iter().copied());
        command.stdin(Stdio::from(slave.try_clone().unwrap()));
        command.stdout(Stdio::from(slave.try_clone().unwrap()));
        let child = command.spawn().unwrap();
        drop(command);
        let (master, drawn) = (File::from(master), Arc::new(Mutex::new(String::new())));
        let (mut reader, into) = (master.try_clone().unwrap(), Arc::clone(&drawn));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut bytes) {
                into.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { child, master, slave, drawn }
    }

    /// Waits until something is drawn that was not before; all of it since then.
    fn until(&self, wanted: &str) -> String {
        for _ in 0..12_000 {
            let drawn = self.drawn.lock().unwrap().clone();
            if drawn.contains(wanted) {
                return drawn;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("{wanted:?} is not drawn: {:?}", self.drawn.lock().unwrap());
    }

    fn forget(&self) {
        self.drawn.lock().unwrap().clear();
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn on_a_terminal_it_is_drawn_in_place_and_leaves_everything_as_it_was() {
    for key in [&b"q"[..], b"\x03"] {
        let gateway = Running::start();
        gateway.post(CHECKOUT, &gauge("a"));
        let mut terminal = Terminal::start(&gateway, &[]);
        let drawn = terminal.until("checkout");
        assert!(drawn.starts_with("\u{1b}[?1049h"), "{drawn:?}");
        assert!(terminal.is_raw());
        let frame = drawn.rsplit("\u{1b}[H").next().unwrap();
        assert!(frame.split("\r\n").count() <= 20, "{frame:?}");
        terminal.master.write_all(key).unwrap();
        assert_eq!(exit_code(&mut terminal.child), Some(0));
        terminal.until("\u{1b}[?1049l");
        assert!(!terminal.is_raw());
    }
}

#[test]
fn a_restart_is_said_and_survived_and_colours_can_be_done_without() {
    let mut gateway = Running::start();
    let terminal = Terminal::start(&gateway, &[("NO_COLOR", "1")]);
    let drawn = terminal.until("SOURCE");
    assert!(!drawn.contains("\u{1b}[1m") && !drawn.contains("\u{1b}[32m"), "{drawn:?}");
    gateway.end();
    terminal.until("trying again");
    let gateway = gateway.again();
    // Frames that were drawn before it answered may still complain.
    let is_back = || {
        terminal.forget();
        terminal.until("\u{1b}[J");
        let drawn = terminal.until("\u{1b}[H");
        drawn.contains("SOURCE") && !drawn.contains("trying again")
    };
    assert!((0..500).any(|_| is_back()));
    drop(gateway);
}

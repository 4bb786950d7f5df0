//! Commands that run until they are told to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{GAUGE, run, run_with, text, tidegate, write};

/// A process that runs until it is told to end; killed when the test fails before.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    directory: tempfile::TempDir,
}

impl Serving {
    fn start(args: &[&str], config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("tidegate.toml"), config);
        Self::of(&mut tidegate(directory.path(), args), directory)
    }

    fn of(command: &mut Command, directory: tempfile::TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr, directory }
    }

    /// Reads the log until a line holds `wanted`.
    fn log_line(&mut self, wanted: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).unwrap();
            assert!(read > 0, "the log ended without {wanted:?}:\n{seen}");
            if line.contains(wanted) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The address in the start-up line.
    fn address(&mut self) -> String {
        let line = self.log_line("taking metrics at");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        line["listen"].as_str().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        // A minute and more: only a hang gets through.
        for _ in 0..12_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the process does not end");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn post(address: &str, token: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let request = format!(
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn serve_dev_takes_a_metric_to_stdout_and_ends_in_order() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--receiver-listen", "127.0.0.1:0"];
    let mut serving = Serving::start(&args, "");
    let address = serving.address();
    let curl = serving.log_line("curl -i");
    assert!(curl.contains(&format!("http://{address}/metrics")), "{curl}");
    assert!(post(&address, "dev", GAUGE).starts_with("HTTP/1.1 202"));
    assert!(post(&address, "wrong", GAUGE).starts_with("HTTP/1.1 403"));
    let mut tuple = String::new();
    serving.stdout.read_line(&mut tuple).unwrap();
    assert!(tuple.starts_with("[\"a\","), "{tuple}");
    serving.signal(Signal::TERM);
    assert_eq!(serving.exit_code(), Some(0));
    serving.log_line("stopped: nothing is queued for the receiver");
}

#[test]
fn serve_dev_syncs_to_a_temporary_directory_and_removes_it_at_the_end() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--receiver-listen", "127.0.0.1:0"];
    let mut serving = Serving::start(&args, "");
    let line = serving.log_line("taking metrics at");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["queue.durability"], "fsync");
    let data = Path::new(line["data_dir"].as_str().unwrap());
    assert!(data.starts_with(serving.directory.path()), "{}", data.display());
    assert!(data.join("queue").is_dir(), "{}", data.display());
    serving.signal(Signal::TERM);
    assert_eq!(serving.exit_code(), Some(0));
    assert!(!data.exists());
    let left: Vec<_> = std::fs::read_dir(serving.directory.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "only tidegate.toml is left: {left:?}");
}

#[test]
fn serve_dev_keeps_its_queue_where_a_variable_says() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--receiver-listen", "127.0.0.1:0"];
    let directory = tempfile::tempdir().unwrap();
    let mut command = tidegate(directory.path(), &args);
    let mut serving = Serving::of(command.env("TIDEGATE_DATA_DIR", "kept"), directory);
    serving.address();
    serving.signal(Signal::TERM);
    assert_eq!(serving.exit_code(), Some(0));
    assert!(serving.directory.path().join("kept/queue").is_dir());
}

#[test]
fn what_a_durable_queue_keeps_is_said_at_the_end_and_delivered_after_the_next_start() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[[sources]]\nname = \"a\"\ntoken = \"t\"\n\
         [receiver]\nurl = \"http://{nobody}/\"\napi_key = \"k\"\n[shutdown]\ngrace = \"100ms\"\n"
    );
    let mut serving = Serving::start(&["serve"], &config);
    let address = serving.address();
    for made in ["data", "data/queue"] {
        let permissions = serving.directory.path().join(made).metadata().unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o700, "{made}");
    }
    assert!(post(&address, "t", GAUGE).starts_with("HTTP/1.1 202"));
    serving.signal(Signal::TERM);
    let line = serving.log_line("1 tuples stay queued in data");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["queue.tuples"], &line["level"]), (&1.into(), &"INFO".into()));
    assert_eq!(serving.exit_code(), Some(0));

    let mut receiver =
        Serving::start(&["receiver", "--listen", "127.0.0.1:0", "--api-key", "k"], "");
    let line = receiver.log_line("takes deliveries at");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut again = tidegate(serving.directory.path(), &["serve"]);
    again.env("TIDEGATE_RECEIVER__URL", line["receiver.url"].as_str().unwrap());
    let _again = Serving::of(&mut again, tempfile::tempdir().unwrap());
    let mut tuple = String::new();
    receiver.stdout.read_line(&mut tuple).unwrap();
    assert!(tuple.starts_with("[\"a\","), "{tuple}");
}

#[test]
fn serve_dev_needs_no_file_even_where_one_is_named_for_the_machine() {
    let args = ["serve", "--dev", "--listen", "127.0.0.1:0", "--receiver-listen", "127.0.0.1:0"];
    let directory = tempfile::tempdir().unwrap();
    let mut command = tidegate(directory.path(), &args);
    let mut serving = Serving::of(command.env("TIDEGATE_CONFIG", "missing.toml"), directory);
    let address = serving.address();
    assert!(post(&address, "dev", GAUGE).starts_with("HTTP/1.1 202"));
}

#[test]
fn an_address_in_use_is_named_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let free = "127.0.0.1:0";
    for (args, wanted) in [
        (vec!["serve", "--dev", "--listen", &address, "--receiver-listen", free], "--listen"),
        (
            vec!["serve", "--dev", "--listen", free, "--receiver-listen", &address],
            "--receiver-listen",
        ),
        (vec!["receiver", "--listen", &address], "--listen"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = text(&output.stderr);
        let said = said.lines().last().unwrap_or_default();
        assert!(said.contains(&address) && said.contains(wanted), "{said}");
        assert_eq!(said.matches("in use").count(), 1, "{said}");
    }
}

#[test]
fn connections_get_the_open_files_they_need_or_a_warning() {
    let serve = |limit: &str| {
        let mut command = Command::new("/bin/sh");
        let script = format!(
            "{limit}; exec {} serve --dev --listen 127.0.0.1:0 --receiver-listen 127.0.0.1:0",
            env!("CARGO_BIN_EXE_tidegate")
        );
        command.args(["-c", &script]).env_clear().env("TIDEGATE_LIMITS__CONNECTIONS", "200");
        command.env("TIDEGATE_QUEUE__DURABILITY", "memory");
        command.env("TIDEGATE_ADMIN__LISTEN", "off");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Serving::of(&mut command, tempfile::tempdir().unwrap())
    };
    let mut serving = serve("ulimit -Sn 50");
    let first = serving.log_line("");
    assert!(first.contains("taking metrics"), "{first}");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).unwrap();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let soft: u32 = soft.unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!(soft > 200, "{soft}");

    let mut serving = serve("ulimit -n 50");
    serving.log_line("lower `limits.connections`");
    serving.log_line("taking metrics");
}

/// A gateway in memory whose receiver never answers, its address, and the port that stands for the receiver.
fn undelivered(grace: &str) -> (Serving, String, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[[sources]]\nname = \"a\"\ntoken = \"s3cret-token\"\n\
         [receiver]\nurl = \"http://{nobody}/\"\napi_key = \"s3cret-key\"\n\
         [shutdown]\ngrace = \"{grace}\"\n[queue]\ndurability = \"memory\"\n"
    );
    let mut serving = Serving::start(&["serve"], &config);
    let address = serving.address();
    (serving, address, silent)
}

#[test]
fn what_memory_loses_at_the_end_is_counted_and_no_secret_is_logged() {
    let (mut serving, address, _silent) = undelivered("200ms");
    assert!(post(&address, "s3cret-token", GAUGE).starts_with("HTTP/1.1 202"));
    serving.signal(Signal::INT);
    let line = serving.log_line("are lost");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["queue.lost"], &line["level"]), (&1.into(), &"WARN".into()));
    assert_eq!(serving.exit_code(), Some(0));

    let (mut serving, address, _silent) = undelivered("200ms");
    post(&address, "s3cret-token", GAUGE);
    serving.signal(Signal::TERM);
    let mut log = String::new();
    serving.stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("stopped") && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut serving, address, _silent) = undelivered("1h");
    // Half a request keeps the first signal waiting.
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer s3cret-token\r\n\
                Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 12];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100");
    serving.signal(Signal::TERM);
    serving.log_line("stopping");
    // An echo of the first does nothing, so it takes as many as it takes to be no echo.
    let ended = loop {
        if let Some(status) = serving.child.try_wait().unwrap() {
            break status;
        }
        serving.signal(Signal::TERM);
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(ended.code(), Some(1));
}

#[test]
fn the_echo_of_a_signal_is_no_second_one() {
    let (mut serving, address, _silent) = undelivered("500ms");
    post(&address, "s3cret-token", GAUGE);
    serving.signal(Signal::TERM);
    serving.signal(Signal::INT);
    assert_eq!(serving.exit_code(), Some(0));
    serving.log_line("are lost");
}

/// A receiver alone that was sent these metrics; and the connection they went over.
fn delivered_to_receiver(metrics: &str) -> (Serving, TcpStream) {
    let mut serving =
        Serving::start(&["receiver", "--listen", "127.0.0.1:0", "--api-key", "k"], "");
    let line = serving.log_line("takes deliveries at");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = line["receiver.url"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let body = run_with(&["convert"], metrics.as_bytes()).stdout;
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /stsAgent/intake?api_key=k HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    (serving, stream)
}

#[test]
fn the_receiver_alone_prints_what_it_takes() {
    let (mut serving, _stream) = delivered_to_receiver(GAUGE);
    let mut tuple = String::new();
    serving.stdout.read_line(&mut tuple).unwrap();
    assert!(tuple.starts_with("[\"a\","), "{tuple}");
    serving.signal(Signal::INT);
    assert_eq!(serving.exit_code(), Some(0));
}

#[test]
fn a_receiver_whose_output_nobody_takes_still_ends() {
    // More than a pipe and our reader hold.
    let (mut serving, _stream) = delivered_to_receiver(&format!("{GAUGE}\n").repeat(9_000));
    let mut first = [0];
    serving.stdout.read_exact(&mut first).unwrap();
    serving.signal(Signal::TERM);
    assert_eq!(serving.exit_code(), Some(0));
}

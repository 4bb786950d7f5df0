//! The program as a process: arguments, exit codes, streams and signals.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// A command that inherits nothing, in a directory of its own.
fn tidegate(directory: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command.args(args).env_clear().current_dir(directory);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    tidegate(directory.path(), args).output().unwrap()
}

fn run_with(args: &[&str], input: &[u8]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut child = tidegate(directory.path(), args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn fixture(name: &str) -> String {
    format!("{}/fixtures/config/{name}", env!("CARGO_MANIFEST_DIR"))
}

const GAUGE: &str = r#"{"name":"a","gauge":{"value":1}}"#;

// -- commands that end --

#[test]
fn help_goes_to_stdout_and_mistakes_to_stderr_with_2() {
    for command in ["serve", "convert", "check-config", "receiver"] {
        let help = run(&["help", command]);
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(text(&help.stdout).contains("Examples:\n"), "{command}");
        let wrong = run(&[command, "--colour"]);
        assert_eq!(wrong.status.code(), Some(2), "{command}");
        assert!(text(&wrong.stderr).contains("--colour"), "{command}");
    }
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn no_configuration_points_to_a_way_on() {
    for command in ["serve", "check-config"] {
        let output = run(&[command]);
        assert_eq!(output.status.code(), Some(2));
        let said = text(&output.stderr);
        assert!(said.contains("tidegate serve --dev") && said.contains("[[sources]]"), "{said}");
    }
    let output = run(&["serve", "--config", "missing.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("missing.toml"));
}

#[test]
fn check_config_prints_the_settings_without_secrets() {
    let output = run(&["check-config", "--config", &fixture("minimal.toml")]);
    assert_eq!(output.status.code(), Some(0));
    let printed = text(&output.stdout);
    assert!(
        printed.contains("[limits]\n") && printed.contains("body_bytes = \"20MiB\"  # default")
    );
    assert!(printed.contains("token = \"***\"") && !printed.contains("change-me"), "{printed}");
}

#[test]
fn check_config_shows_every_fault_and_exits_with_2() {
    let output = run(&["check-config", "--config", &fixture("bad/across.toml")]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let wanted = fs::read_to_string(fixture("bad/across.txt")).unwrap();
    let said = text(&output.stderr).replace(&fixture("bad/across.toml"), "tidegate.toml");
    assert_eq!(said, format!("tidegate: the configuration cannot be used\n{wanted}"));
}

#[test]
fn the_file_is_found_in_the_working_directory_or_by_its_variable() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(fixture("minimal.toml"), directory.path().join("tidegate.toml")).unwrap();
    let output = tidegate(directory.path(), &["check-config"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let output = tidegate(directory.path(), &["check-config"])
        .env("TIDEGATE_CONFIG", fixture("bad/durable.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn convert_writes_envelopes_and_says_whether_all_was_taken() {
    let good = run_with(&["convert"], GAUGE.as_bytes());
    assert_eq!(good.status.code(), Some(0));
    let envelope: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!(envelope["metrics"][0][0], "a");
    assert_eq!(text(&good.stdout).lines().count(), 1);
    let report: serde_json::Value = serde_json::from_slice(&good.stderr).unwrap();
    assert_eq!(report["accepted"], 1);

    let body = format!("{GAUGE}\nbroken\n");
    let mixed = run_with(&["convert", "--format", "ndjson", "-"], body.as_bytes());
    assert_eq!(mixed.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&mixed.stderr).unwrap();
    assert_eq!((&report["accepted"], &report["rejected"]), (&1.into(), &1.into()));
    assert_eq!(report["errors"][0]["line"], 2);

    let bad = run_with(&["convert"], b"[1,");
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(1), 0));
    assert!(text(&bad.stderr).starts_with("tidegate: Couldn't parse JSON content."));
    assert_eq!(run(&["convert", "missing.json"]).status.code(), Some(2));
}

#[test]
fn convert_uses_a_source_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let config = "[[sources]]\nname = \"shop\"\ntoken_file = \"/nonexistent\"\nhostname = \"till\"\n\
                  tags = { env = \"prod\" }\n[stackstate]\ntype = \"raw\"\n";
    write(&directory.path().join("c.toml"), config);
    write(&directory.path().join("body.json"), GAUGE);
    let convert = |source: &str| {
        let args = ["convert", "--config", "c.toml", "--source", source, "body.json"];
        tidegate(directory.path(), &args).output().unwrap()
    };
    let output = convert("shop");
    assert_eq!(output.status.code(), Some(0));
    let envelope: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let facts = serde_json::json!({"hostname": "till", "tags": ["env:prod"], "type": "raw"});
    assert_eq!(envelope["metrics"][0][3], facts);
    let output = convert("shed");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no source \"shed\"; it has: shop"));
}

#[test]
fn convert_ends_quietly_when_nobody_reads_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("many.ndjson");
    write(&path, &format!("{GAUGE}\n").repeat(50_000));
    let mut child = tidegate(directory.path(), &["convert", "many.ndjson"]).spawn().unwrap();
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

fn write(path: &Path, text: &str) {
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

// -- commands that serve --

/// A process that runs until it is told to end; killed when the test fails before.
struct Serving {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    _directory: tempfile::TempDir,
}

impl Serving {
    fn start(args: &[&str], config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("tidegate.toml"), config);
        let mut child = tidegate(directory.path(), args).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stdout, stderr, _directory: directory }
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
        self.child.wait().unwrap().code()
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
        "POST /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
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
    serving.log_line("everything accepted was delivered");
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

/// A gateway whose receiver never answers, its address, and the port that stands for the receiver.
fn undelivered(grace: &str) -> (Serving, String, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = silent.local_addr().unwrap();
    let config = format!(
        "listen = \"127.0.0.1:0\"\n[[sources]]\nname = \"a\"\ntoken = \"s3cret-token\"\n\
         [receiver]\nurl = \"http://{nobody}/\"\napi_key = \"s3cret-key\"\n\
         [shutdown]\ngrace = \"{grace}\"\n"
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
    let head = "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret-token\r\n\
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

#[test]
fn the_receiver_alone_prints_what_it_takes() {
    let mut serving =
        Serving::start(&["receiver", "--listen", "127.0.0.1:0", "--api-key", "k"], "");
    let line = serving.log_line("takes deliveries at");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = line["receiver.url"].as_str().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let body = run_with(&["convert"], GAUGE.as_bytes()).stdout;
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /stsAgent/intake?api_key=k HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&body).unwrap();
    let mut tuple = String::new();
    serving.stdout.read_line(&mut tuple).unwrap();
    assert!(tuple.starts_with("[\"a\","), "{tuple}");
    serving.signal(Signal::INT);
    assert_eq!(serving.exit_code(), Some(0));
}

//! Every command on what a gateway leaves and while it runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{code, command, json, stderr, stdout};

/// A process that takes metrics or deliveries; killed at the end.
struct Running {
    child: Child,
    address: String,
    log: BufReader<ChildStderr>,
}

impl Running {
    fn start(directory: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(args).env_clear().current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it listened");
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            let address = entry["listen"].as_str().or(entry["receiver.url"].as_str());
            if let Some(address) = address {
                break address.to_owned();
            }
        };
        Self { child, address, log }
    }

    fn gateway(directory: &Path, receiver: &str) -> Self {
        let config = format!(
            "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[sources]]\nname = \"shop\"\ntoken = \"t\"\n\
             [receiver]\nurl = \"{receiver}\"\napi_key = \"k\"\nretry_max = \"200ms\"\n\
             [limits]\nrequests_per_minute = 0\nexpanded_bytes = \"16MiB\"\n\
             [queue]\nmin_free_bytes = 0\nmax_bytes = \"64MiB\"\nsegment_bytes = \"1MiB\"\n"
        );
        let mut file = std::fs::File::create(directory.join("tidegate.toml")).unwrap();
        file.write_all(config.as_bytes()).unwrap();
        Self::start(directory, &["serve"])
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Reads the log in the background, so that it never blocks whoever writes it.
    fn ignore_log(&mut self) {
        let log = self.log.get_mut();
        let fd = rustix::io::dup(&*log).unwrap();
        thread::spawn(move || {
            let mut file = std::fs::File::from(fd);
            std::io::copy(&mut file, &mut std::io::sink()).unwrap_or_default();
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Posts gauges named after `number`; the status.
fn post(address: &str, number: u64, gauges: usize) -> String {
    let gauge = format!("{{\"name\":\"m{number}\",\"gauge\":{{\"value\":1}}}}\n");
    let body = gauge.repeat(gauges);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(3))).unwrap();
    let head = format!(
        "POST /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn queue(directory: &Path, args: &[&str]) -> Output {
    command(directory, args).output().unwrap()
}

/// The address of nobody.
fn nowhere() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    (silent, url)
}

#[test]
fn every_command_works_on_what_a_killed_gateway_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (_silent, url) = nowhere();
    let gateway = Running::gateway(directory, &url);
    for number in 0..30 {
        assert_eq!(post(&gateway.address, number, 10), "202");
    }
    let output = queue(directory, &["purge", "--yes"]);
    assert_eq!(code(&output), Some(2));
    let wanted = format!("data/lock is locked by process {}", gateway.child.id());
    assert!(stderr(&output).contains(&wanted), "{}", stderr(&output));
    gateway.kill();

    let seen = json(&queue(directory, &["ls", "--json"]));
    let destination = &seen["destinations"][0];
    assert_eq!(destination["state"], "configured");
    assert_eq!(destination["queued"]["tuples"], 300);
    let output = queue(directory, &["verify", "--json"]);
    assert_eq!(
        (code(&output), &json(&output)["destinations"][0]["queued"]),
        (Some(0), &300.into())
    );
    let output = queue(directory, &["export"]);
    let names: Vec<String> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()[0].to_string())
        .collect();
    let wanted: Vec<String> = (0..300).map(|nth| format!("\"m{}\"", nth / 10)).collect();
    assert_eq!(names, wanted);

    let output = queue(directory, &["purge", "--yes"]);
    assert!(stdout(&output).starts_with("threw away 300 tuples"), "{}", stderr(&output));
    // The next gateway goes on from there: nothing old is delivered, the books balance.
    let gateway = Running::gateway(directory, &url);
    assert_eq!(post(&gateway.address, 99, 7), "202");
    gateway.kill();
    let output = queue(directory, &["verify", "--json"]);
    let seen = json(&output);
    let books = &seen["destinations"][0];
    assert_eq!(code(&output), Some(0), "{seen:#}");
    assert_eq!([&books["series"], &books["purged"], &books["queued"]], [307, 300, 7]);
    assert_eq!(stdout(&queue(directory, &["export"])).lines().count(), 7);
}

#[test]
fn looking_never_finds_fault_with_a_queue_in_motion() {
    const ROUNDS_MIN: u64 = 4;
    const ROUNDS_MAX: u64 = 200;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let mut receiver = Running::start(
        directory,
        &["receiver", "--listen", "127.0.0.1:0", "--api-key", "k", "--quiet"],
    );
    receiver.ignore_log();
    let mut gateway = Running::gateway(directory, &receiver.address);
    gateway.ignore_log();
    let (is_over, address) = (AtomicBool::new(false), &gateway.address);
    thread::scope(|scope| {
        let posting: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut number = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        post(address, number, 1_000);
                        number += 1;
                    }
                })
            })
            .collect();
        let looked = std::panic::catch_unwind(|| {
            let mut first_segment = 1;
            for round in 0..ROUNDS_MAX {
                if round >= ROUNDS_MIN && first_segment > 1 {
                    return;
                }
                for args in [&["verify", "--json"][..], &["ls", "--json"], &["export"]] {
                    let output = queue(directory, args);
                    let said = format!("{}{}", stderr(&output), first(&stdout(&output)));
                    assert_eq!(code(&output), Some(0), "round {round}, {args:?}: {said}");
                }
                let seen = json(&queue(directory, &["ls", "--json"]));
                first_segment = seen["segments"][0]["first"].as_u64().unwrap_or(1);
            }
            panic!("no segment was deleted meanwhile: nothing was in motion");
        });
        is_over.store(true, Ordering::Relaxed);
        for thread in posting {
            thread.join().unwrap();
        }
        if let Err(panic) = looked {
            std::panic::resume_unwind(panic);
        }
    });
}

fn first(text: &str) -> String {
    text.chars().take(4_000).collect()
}

#[test]
fn ls_shows_what_the_running_gateway_does_and_says_when_there_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    // Nobody listens there: what refuses at once is tried soon again.
    let (closed, url) = nowhere();
    drop(closed);
    let mut gateway = Running::gateway(directory, &url);
    gateway.ignore_log();
    assert_eq!(post(&gateway.address, 0, 3), "202");
    let seen = loop {
        let seen = json(&queue(directory, &["ls", "--json"]));
        assert_eq!(seen["gateway"]["answers"], true, "{seen}");
        if seen["gateway"]["receivers"][0]["state"] == "retrying" {
            break seen;
        }
    };
    let receiver = &seen["gateway"]["receivers"][0];
    assert_eq!((&receiver["name"], &receiver["url"]), (&"default".into(), &url.into()));
    assert_eq!(receiver["backlog"]["tuples"], 3);
    assert_eq!(receiver["last_success"], serde_json::Value::Null);
    let output = queue(directory, &["ls"]);
    let text = stdout(&output);
    let row = text.lines().find(|line| line.contains("retrying")).expect("it has a row");
    assert!(row.starts_with("default   retrying  20"), "{text}");
    let error = text.lines().find(|line| line.starts_with("default, last error at 20"));
    assert!(error.expect("it has a line").contains("refused"), "{text}");
    // The address is in the lock file: no configuration is needed.
    let seen = json(&queue(directory, &["ls", "--json", "--data-dir", "data"]));
    assert_eq!(seen["gateway"]["receivers"][0]["name"], "default");

    gateway.kill();
    let output = queue(directory, &["ls"]);
    assert_eq!(code(&output), Some(0));
    let why = "what receivers do now is not known: no gateway is running on this directory";
    assert!(stdout(&output).lines().any(|line| line == why), "{}", stdout(&output));
    let seen = json(&queue(directory, &["ls", "--json"]));
    assert_eq!(seen["gateway"]["answers"], false);
    assert_eq!(seen["destinations"][0]["queued"]["tuples"], 3);
}

#[test]
fn ls_does_not_show_what_the_gateway_of_another_directory_does() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (here, there) = (here.path(), there.path());
    let (_silent, url) = nowhere();
    let config = || std::fs::read_to_string(here.join("tidegate.toml")).unwrap();
    Running::gateway(here, &url).kill();
    let _other = Running::gateway(there, &url);
    let lock = std::fs::read_to_string(there.join("data/lock")).unwrap();
    let admin = lock.lines().find_map(|line| line.strip_prefix("admin=")).unwrap();
    // Now in memory, where nobody has to have the lock.
    let config = config()
        .replace("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = \"{admin}\""))
        .replace("[queue]\nmin_free_bytes = 0", "[queue]\ndurability = \"memory\"");
    assert!(config.contains(admin) && config.contains("memory"), "{config}");
    let mut file = std::fs::File::create(here.join("tidegate.toml")).unwrap();
    file.write_all(config.as_bytes()).unwrap();
    let seen = json(&queue(here, &["ls", "--json"]));
    assert_eq!(seen["gateway"]["answers"], false, "{seen}");
    let why = seen["gateway"]["why"].as_str().unwrap();
    assert!(why.contains("works on another data directory"), "{why}");
}

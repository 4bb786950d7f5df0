//! Another try, through a gateway that runs and into the queue of one that does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tidegate::dead_letter::{LateLock, Ownership, PutError};

use super::{Place, code, command, json, letter, sample, stderr, stdout};

/// A process that runs; killed at the end.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// Fields of its log that name addresses.
    addresses: Vec<(String, String)>,
}

impl Running {
    /// Waits until its log holds all of `wanted`.
    fn start(directory: &Path, args: &[&str], wanted: &[&str]) -> Self {
        let mut child = command(directory, args).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut addresses, mut seen) = (Vec::new(), String::new());
        while addresses.len() < wanted.len() {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "it ended early: {seen}");
            seen.push_str(&line);
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            let named = wanted.iter().filter_map(|name| Some((*name, entry[*name].as_str()?)));
            addresses.extend(named.map(|(name, at)| (name.to_owned(), at.to_owned())));
        }
        // Nobody waits for whoever reads it.
        thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, stdout, addresses }
    }

    fn address(&self, name: &str) -> &str {
        &self.addresses.iter().find(|(known, _)| known == name).unwrap().1
    }

    fn gateway(place: &Place) -> Self {
        Self::start(place.path(), &["serve"], &["listen", "admin.listen"])
    }

    /// One that takes everything and prints it.
    fn receiver(directory: &Path) -> Self {
        Self::start(directory, &["receiver", "--listen", "127.0.0.1:0"], &["receiver.url"])
    }

    /// The names of the next tuples it prints, sorted.
    fn tuples(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        while names.len() < count {
            let mut line = String::new();
            assert!(self.stdout.read_line(&mut line).unwrap() > 0, "it ended early: {names:?}");
            let tuple: Value = serde_json::from_str(&line).unwrap();
            names.push(tuple[0].as_str().unwrap().to_owned());
        }
        names.sort();
        names
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// One request to an admin port: status and body.
fn request(address: &str, head: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let length = body.len();
    let request = format!("{head}Host: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

const POST: &str = "POST /dead-letters/replay HTTP/1.1\r\n";
const JSON: &str = "POST /dead-letters/replay HTTP/1.1\r\nContent-Type: application/json\r\n";

#[test]
fn a_dry_run_changes_nothing_running_or_not() {
    let place = Place::new();
    place.put("default", &sample());
    place.put("old", &sample());
    let before = place.snapshot();
    let output = place.run(&["replay", "--dry-run", "--code", "400"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "would replay 3 dead letters to default\n");
    assert!(stderr(&output).contains("3 dead letters of old stay: it is not configured"));
    assert_eq!(place.snapshot(), before);
    let gateway = Running::gateway(&place);
    let output = place.run(&["replay", "--dry-run", "--source", "nobody"]);
    assert_eq!(stdout(&output), "nothing would be replayed\n");
    let admin = gateway.address("admin.listen");
    let (status, told) = request(admin, JSON, "{\"dry_run\": true, \"source\": \"shop\"}");
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["replayed"][0]["letters"], 4, "{told}");
    assert_eq!(json(&place.run(&["ls", "--json"]))["receivers"][0]["letters"], 5);
}

#[test]
fn what_is_replayed_on_a_stopped_gateway_is_delivered_when_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Running::receiver(directory.path());
    let place = Place::for_receiver(receiver.address("receiver.url"));
    place.put("default", &sample());
    let output = place.run(&["replay", "--source", "shop"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("replayed 4 dead letters to default\n"), "{text}");
    let output = place.run(&["replay", "--source", "shop"]);
    assert_eq!(stdout(&output), "there is nothing to replay\n");
    assert_eq!(json(&place.run(&["ls", "--json"]))["receivers"][0]["letters"], 1);
    let _gateway = Running::gateway(&place);
    assert_eq!(receiver.tuples(4), ["shop.m0", "shop.m1", "shop.m2", "shop.m4"]);
}

#[test]
fn a_running_gateway_replays_through_its_admin_port() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Running::receiver(directory.path());
    let place = Place::for_receiver(receiver.address("receiver.url"));
    place.put("default", &sample());
    let gateway = Running::gateway(&place);
    let output = place.run(&["replay", "--since", "2026-11-22T04:42:01Z", "--code", "400"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "replayed 2 dead letters to default\n");
    assert_eq!(receiver.tuples(2), ["shop.m1", "shop.m3"]);
    let admin = gateway.address("admin.listen");
    let (status, told) = request(admin, JSON, "{\"receiver\": \"default\"}");
    assert_eq!(status, 200, "{told}");
    let line = &told["replayed"][0];
    assert_eq!(
        (&line["letters"], &line["more"], &line["error"]),
        (&3.into(), &false.into(), &Value::Null)
    );
    assert_eq!(receiver.tuples(3), ["shop.m0", "shop.m2", "shop.m4"]);
    assert!(place.files("default").is_empty(), "{:?}", place.files("default"));
    let (_, told) = request(admin, JSON, "{}");
    assert_eq!(told["replayed"][0]["letters"], 0, "{told}");
}

#[test]
fn requests_that_a_web_page_could_forge_and_wrong_ones_are_refused() {
    let place = Place::new();
    place.put("default", &sample());
    let gateway = Running::gateway(&place);
    let admin = gateway.address("admin.listen");
    let long = format!("{{\"source\": \"{}\"}}", "x".repeat(5000));
    for (head, body, wanted) in [
        (POST.to_owned(), "{}", 415),
        (format!("{POST}Content-Type: text/plain\r\n"), "{}", 415),
        (format!("{JSON}Origin: http://evil.example\r\n"), "{}", 403),
        (format!("{JSON}Origin: null\r\n"), "{}", 403),
        (format!("{JSON}Sec-Fetch-Site: cross-site\r\n"), "{}", 403),
        (JSON.to_owned(), "", 400),
        (JSON.to_owned(), "{\"recever\": \"default\"}", 400),
        (JSON.to_owned(), "{\"since\": \"soon\"}", 400),
        (JSON.to_owned(), "{\"receiver\": \"nobody\"}", 404),
        (JSON.to_owned(), &long, 413),
        ("GET /dead-letters/replay HTTP/1.1\r\n".to_owned(), "", 405),
        (
            "PUT /dead-letters/replay HTTP/1.1\r\nContent-Type: application/json\r\n".to_owned(),
            "{}",
            405,
        ),
        ("OPTIONS /dead-letters/replay HTTP/1.1\r\n".to_owned(), "", 405),
        ("POST /dead-letters HTTP/1.1\r\nContent-Type: application/json\r\n".to_owned(), "{}", 404),
    ] {
        let (status, told) = request(admin, &head, body);
        assert_eq!(status, wanted, "{head}{body}: {told}");
    }
    assert_eq!(json(&place.run(&["ls", "--json"]))["receivers"][0]["letters"], 5);
}

#[test]
fn a_queue_that_is_full_says_what_remains_and_doubles_nothing() {
    // Less than the reserve asks for, so that nothing fits.
    let place = Place::for_receiver("http://127.0.0.1:9/intake");
    let config = std::fs::read_to_string(place.path().join("tidegate.toml")).unwrap();
    let config = config.replace("min_free_bytes = 0", "min_free_bytes = \"1TiB\"");
    super::write(&place.path().join("tidegate.toml"), config.as_bytes());
    place.put("default", &sample());
    for _ in 0..2 {
        let output = place.run(&["replay"]);
        assert_eq!(code(&output), Some(1), "{}", stdout(&output));
        let error = stderr(&output);
        assert!(error.contains("0 dead letters were replayed, 5 remain: the disk of"), "{error}");
    }
    assert_eq!(place.store("default").standing().letters, 5);
}

#[test]
fn a_data_directory_that_somebody_holds_without_an_admin_port_is_left_alone() {
    let place = Place::new();
    place.put("default", &sample());
    let lock = tidegate::queue::log::disk::Lock::take(&place.data_dir().join("lock")).unwrap();
    lock.note("admin=\n").unwrap();
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(2));
    let error = stderr(&output);
    assert!(error.contains("it cannot be asked: the admin port is off"), "{error}");
    assert_eq!(place.store("default").standing().letters, 5);
}

#[test]
fn a_gateway_that_gets_nowhere_is_not_asked_for_ever() {
    let place = Place::new();
    place.put("default", &sample());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let lock = tidegate::queue::log::disk::Lock::take(&place.data_dir().join("lock")).unwrap();
    lock.note(&format!("admin={}\n", listener.local_addr().unwrap())).unwrap();
    let gateway = thread::spawn(move || {
        for letters in [2, 0] {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let mut line = String::new();
            let mut length = 0;
            while reader.read_line(&mut line).unwrap() > 2 {
                let head = line.to_ascii_lowercase();
                if let Some(value) = head.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let told = serde_json::json!({
                "replayed": [{ "receiver": "default", "letters": letters, "more": true }],
            })
            .to_string();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", told.len());
            write!(&stream, "{head}Connection: close\r\n\r\n{told}").unwrap();
        }
    });
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    assert_eq!(stdout(&output), "replayed 2 dead letters to default\n");
    assert!(stderr(&output).contains("found no time to replay any"), "{}", stderr(&output));
    gateway.join().unwrap();
}

#[test]
fn in_memory_the_first_letter_takes_the_lock_and_says_who_has_it() {
    let place = Place::new();
    let late = LateLock::of(&place.data_dir());
    let open = |name: &str| {
        let ownership = Ownership::OnFirstLetter(Arc::clone(&late));
        tidegate::dead_letter::DeadLetters::open(&place.data_dir(), name, 1 << 20, ownership)
    };
    let (one, two) = (open("one").unwrap(), open("two").unwrap());
    assert_eq!(place.snapshot(), [], "nothing before the first letter");
    let lock = place.data_dir().join("lock");
    let held = tidegate::queue::log::disk::Lock::take(&lock).unwrap();
    let error = one.put(&[letter(0, "shop", 400, "no")]).unwrap_err();
    assert!(
        matches!(&error, PutError::Failed { why } if why.contains("is locked by process")),
        "{error}"
    );
    drop(held);
    // One lock for all receivers of the process.
    one.put(&[letter(0, "shop", 400, "no")]).unwrap();
    two.put(&[letter(0, "shop", 400, "no")]).unwrap();
    assert!(tidegate::queue::log::disk::Lock::take(&lock).is_err());
    let memory = "durability = \"memory\"\n";
    let config = std::fs::read_to_string(place.path().join("tidegate.toml")).unwrap();
    super::write(&place.path().join("tidegate.toml"), format!("{config}{memory}").as_bytes());
    drop((one, two, late));
    place.put("default", &sample());
    let output = place.run(&["replay"]);
    assert_ne!(code(&output), Some(0), "{}", stdout(&output));
    assert_eq!(place.store("default").standing().letters, 5);
}

/// Changes the configuration of a place.
fn configure(place: &Place, from: &str, to: &str) {
    let path = place.path().join("tidegate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    assert!(config.contains(from), "{config}");
    super::write(&path, config.replace(from, to).as_bytes());
}

const IN_MEMORY: (&str, &str) = ("[queue]\n", "[queue]\ndurability = \"memory\"\n");

/// Configures the admin port where that of a running gateway is.
fn configure_admin(place: &Place, gateway: &Running) {
    let admin = gateway.address("admin.listen");
    let listen = |address: &str| format!("[admin]\nlisten = \"{address}\"");
    configure(place, &listen("127.0.0.1:0"), &listen(admin));
}

#[test]
fn a_gateway_in_memory_replays_what_the_run_before_it_left_though_nobody_has_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let mut receiver = Running::receiver(directory.path());
    let place = Place::for_receiver(receiver.address("receiver.url"));
    configure(&place, IN_MEMORY.0, IN_MEMORY.1);
    place.put("default", &sample());
    let gateway = Running::gateway(&place);
    configure_admin(&place, &gateway);
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "replayed 5 dead letters to default\n");
    assert_eq!(receiver.tuples(5), ["shop.m0", "shop.m1", "shop.m2", "shop.m3", "shop.m4"]);
    drop(gateway);
    place.put("default", &[letter(9, "shop", 400, "no")]);
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(1));
    let error = stderr(&output);
    assert!(error.contains("no gateway answers at") && error.contains("start it"), "{error}");
}

#[test]
fn the_gateway_of_another_directory_is_not_taken_for_this_one() {
    let (place, other) = (Place::new(), Place::new());
    for place in [&place, &other] {
        place.put("default", &sample());
        configure(place, IN_MEMORY.0, IN_MEMORY.1);
    }
    let gateway = Running::gateway(&other);
    configure_admin(&place, &gateway);
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(1), "{}", stdout(&output));
    let error = stderr(&output);
    let wanted = format!("works on another data directory, {}", other.data_dir().display());
    assert!(error.contains(&wanted), "{error}");
    for place in [&place, &other] {
        assert_eq!(json(&place.run(&["ls", "--json"]))["receivers"][0]["letters"], 5);
    }
}

#[test]
fn whoever_holds_the_lock_without_a_word_is_not_looked_for_at_the_configured_address() {
    let (place, other) = (Place::new(), Place::new());
    let gateway = Running::gateway(&other);
    configure_admin(&place, &gateway);
    place.put("default", &sample());
    // As a replay without a gateway, `queue purge`, or a gateway in a long recovery.
    let _lock = tidegate::queue::log::disk::Lock::take(&place.data_dir().join("lock")).unwrap();
    let output = place.run(&["replay"]);
    assert_eq!(code(&output), Some(2), "{}", stdout(&output));
    let (error, pid) = (stderr(&output), std::process::id());
    let wanted = format!("process {pid} holds the lock of the directory and has no admin port");
    assert!(error.contains(&wanted), "{error}");
    assert_eq!(place.store("default").standing().letters, 5);
}

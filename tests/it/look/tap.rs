//! `tidegate tap`: what is posted is seen, and nobody waits for who looks.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::{BILLING, CHECKOUT, Running, exchange, exit_code, gauge, stderr, stdout, tidegate};

/// Posts for both sources until a process has ended.
fn post_until_it_ends(gateway: &Running, child: &mut Child) -> Option<i32> {
    for _ in 0..10_000 {
        gateway.post(CHECKOUT, &gauge("a.x"));
        gateway.post(BILLING, &gauge("b.y"));
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
    }
    panic!("it does not end");
}

/// Its output behind the first line, which says that it looks.
fn first_line(gateway: &Running, child: &mut Child) -> BufReader<ChildStdout> {
    let mut output = BufReader::with_capacity(1, child.stdout.take().unwrap());
    let reading = thread::spawn(move || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with('['), "{line}");
        output
    });
    while !reading.is_finished() {
        gateway.post(CHECKOUT, &gauge("a.x"));
    }
    reading.join().unwrap()
}

#[test]
fn what_is_accepted_is_shown_as_it_was_asked_for() {
    let gateway = Running::start();
    let (a, b) = (
        r#"["a.x",1795343400,1.0,{"hostname":"gateway-1","tags":[],"type":"gauge"}]"#,
        r#"["b.y",1795343400,1.0,{"hostname":"gateway-1","tags":[],"type":"gauge"}]"#,
    );
    let sourced = format!(r#"{{"source":"billing","tuple":{b}}}"#);
    for (args, wanted) in [
        (&["--source", "billing"][..], &[b][..]),
        (&["--source", "billing", "--source", "checkout"], &[a, b]),
        (&["--name", "a.*"], &[a]),
        (&["--sample", "50%"], &[a, b]),
        (&["--name", "b.?", "--format", "sourced"], &[&sourced]),
        (&["--admin", &format!("http://{}/", gateway.admin)], &[a, b]),
    ] {
        let args = [&["tap", "--limit", "6"], args].concat();
        let mut child = gateway.command(&args).spawn().unwrap();
        let code = post_until_it_ends(&gateway, &mut child);
        let output = child.wait_with_output().unwrap();
        assert_eq!((code, &*stderr(&output)), (Some(0), ""), "{args:?}");
        let printed = stdout(&output);
        assert_eq!(printed.lines().count(), 6, "{args:?}");
        assert!(printed.lines().all(|line| wanted.contains(&line)), "{args:?}: {printed}");
    }
}

#[test]
fn who_does_not_read_holds_up_nobody_and_is_told() {
    let gateway = Running::start();
    let mut child = gateway.command(&["tap"]).spawn().unwrap();
    let mut output = first_line(&gateway, &mut child);
    let body: Vec<_> = (0..5_000).map(|nth| gauge(&format!("{}{nth}", "n".repeat(100)))).collect();
    let body = format!("[{}]", body.join(","));
    for _ in 0..10 {
        gateway.post(CHECKOUT, &body);
    }
    // All of it was accepted by now, and nobody has read on.
    let reading = thread::spawn(move || {
        let (mut line, mut lines) = (String::new(), 0);
        while output.read_line(&mut line).unwrap() > 0 {
            assert!(line.starts_with("[\"") && line.ends_with("]\n"), "{line}");
            lines += 1;
            line.clear();
        }
        lines
    });
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains(" tuples were not shown, "), "{said}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(exit_code(&mut child), Some(0));
    let lines = reading.join().unwrap();
    assert!((100..50_000).contains(&lines), "{lines}");
}

#[test]
fn who_has_had_enough_is_told_how_much_was_left_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap().to_string();
    let directory = tempfile::tempdir().unwrap();
    let mut child = tidegate(directory.path(), &["tap", "--admin", &admin]).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while head.read_line(&mut line).unwrap() > 2 {
        line.clear();
    }
    let told = "[1]\n{\"not_shown\":5}\n[2]\n{\"not_shown\":7}\n[3]\n";
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{told}").unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    line.clear();
    while !line.ends_with("[3]\n") {
        assert!(output.read_line(&mut line).unwrap() > 0, "{line}");
    }
    // It listens for signals since before the first line.
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(exit_code(&mut child), Some(0));
    let said = stderr(&child.wait_with_output().unwrap());
    assert!(said.contains("5 tuples were not shown, "), "{said}");
    assert!(said.contains("12 tuples were not shown, "), "{said}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let gateway = Running::start();
    let mut child = gateway.command(&["tap"]).spawn().unwrap();
    drop(first_line(&gateway, &mut child));
    let code = post_until_it_ends(&gateway, &mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!((code, &*stderr(&output)), (Some(0), ""));
}

#[test]
fn without_a_gateway_it_says_so_and_with_one_that_ends_too() {
    let mut gateway = Running::start();
    let mut child = gateway.command(&["tap"]).spawn().unwrap();
    let output = first_line(&gateway, &mut child);
    gateway.end();
    assert_eq!(exit_code(&mut child), Some(1));
    drop(output);
    let said = stderr(&child.wait_with_output().unwrap());
    assert!(said.contains("the gateway has closed the connection"), "{said}");

    let output = gateway.command(&["tap"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no gateway is running"), "{}", stderr(&output));
    for args in [["--sample", "2"], ["--admin", "nowhere"]] {
        let output = gateway.command(&[&["tap"], &args[..]].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn eight_look_at_once_and_a_place_comes_free() {
    let gateway = Running::start();
    let ask = |line: &str| format!("{line} HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.admin);
    let look = || {
        let mut stream = TcpStream::connect(&gateway.admin).unwrap();
        stream.write_all(ask("GET /tap").as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let mut status = String::new();
        stream.read_line(&mut status).unwrap();
        (status.contains(" 200 "), stream)
    };
    let mut looks: Vec<_> = (0..8).map(|_| look()).collect();
    assert!(looks.iter().all(|(is_shown, _)| *is_shown));
    let (is_shown, mut refused) = look();
    assert!(!is_shown);
    let mut rest = String::new();
    while refused.read_line(&mut rest).unwrap() > 0 {}
    assert!(rest.contains("8 others look at tuples already"), "{rest}");
    looks.pop();
    while !look().0 {
        gateway.post(CHECKOUT, &gauge("a.x"));
    }
    for (line, wanted) in [
        ("GET /tap?sample=nothing", "HTTP/1.1 400"),
        ("GET /tap?sources=a", "HTTP/1.1 400"),
        ("POST /tap", "HTTP/1.1 405"),
    ] {
        let answer = exchange(&gateway.admin, &ask(line));
        assert!(answer.starts_with(wanted), "{line}: {answer}");
    }
}

//! A client that costs little and is the same for everybody: requests that lie ready, over connections
//! that are kept, each waiting for its answer before it sends the next.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

/// Sends `count` requests in all, the share of each connection from its own of the prepared ones, again
/// and again. Panics unless every answer is a success, and without a body where `empty` says so.
pub(crate) fn send(
    address: SocketAddr,
    requests: &[Vec<u8>],
    count: usize,
    connections: usize,
    answers: Answers,
) {
    thread::scope(|scope| {
        for connection in 0..connections {
            let share = count / connections;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).expect("the program is there");
                stream.set_nodelay(true).expect("a socket option");
                let mine = requests.iter().skip(connection).step_by(connections).cycle();
                for request in mine.take(share) {
                    stream.write_all(request).expect("the program reads");
                    answer(&mut stream, answers);
                }
            });
        }
    });
}

/// What a sound answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answers {
    /// A success without a body: no metric was rejected or worth a warning.
    Empty,
    /// A success.
    Any,
}

fn answer(stream: &mut TcpStream, answers: Answers) {
    let mut bytes = [0; 4096];
    let mut length = 0;
    let head_end = loop {
        let read = stream.read(&mut bytes[length..]).expect("an answer");
        assert!(read > 0, "no answer: {}", String::from_utf8_lossy(&bytes[..length]));
        length += read;
        if let Some(at) = memchr::memmem::find(&bytes[..length], b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = str::from_utf8(&bytes[..head_end]).expect("a head is text").to_ascii_lowercase();
    let body_bytes = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse::<usize>().expect("a number"));
    while length < head_end + body_bytes {
        let read = stream.read(&mut bytes[length..]).expect("the whole answer");
        assert!(read > 0, "half an answer: {}", String::from_utf8_lossy(&bytes[..length]));
        length += read;
    }
    let is_sound = head.starts_with("http/1.1 2") && !head.contains("transfer-encoding");
    let is_empty = answers == Answers::Any || body_bytes == 0;
    assert!(is_sound && is_empty, "{}", String::from_utf8_lossy(&bytes[..length]));
}

//! What a program says about itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// What a program answers there. HTTP/1.0: the answer ends with its connection, in one piece.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the program is there");
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in text");
    answer
}

/// The sum of a metric over its labels, those whose text holds `label`.
pub(crate) fn metric(exposed: &str, name: &str, label: &str) -> f64 {
    let of_name = exposed.lines().filter_map(|line| line.strip_prefix(name));
    of_name
        .filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum()
}

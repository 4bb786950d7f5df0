//! One keep-alive connection that never blocks its thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::answer::Answer;

const READ_BYTES: usize = 16 << 10;

/// A socket with at most one request under way.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Of the request under way, or the last.
    written: usize,
    /// What came of an answer that is not all there.
    received: Vec<u8>,
}

/// What a look at a socket brought.
pub(crate) enum Progress {
    /// More is to come.
    None,
    Answered(Answer),
    /// The other side has closed it, or it broke.
    Ended,
}

impl Connection {
    /// Begins to connect: until that is done, writes would block.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match net::connect(&socket, &address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self { stream: TcpStream::from(socket), written: 0, received: Vec::new() })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Begins with a request.
    pub(crate) fn begin(&mut self) {
        self.written = 0;
        self.received.clear();
    }

    /// Writes what the socket takes; errors show when it is read.
    pub(crate) fn write(&mut self, request: &[u8]) {
        while self.written < request.len() {
            match self.stream.write(&request[self.written..]) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what is there.
    pub(crate) fn read(&mut self) -> Progress {
        let mut piece = [0; READ_BYTES];
        loop {
            let count = match self.stream.read(&mut piece) {
                Ok(0) => return Progress::Ended,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::None,
                Err(_) => return Progress::Ended,
            };
            // Nearly always the answer is here as a whole, and needs no copy.
            let all = if self.received.is_empty() {
                &piece[..count]
            } else {
                self.received.extend_from_slice(&piece[..count]);
                &self.received
            };
            match Answer::parse(all) {
                Some(answer) if all.len() >= answer.bytes => return Progress::Answered(answer),
                _ if self.received.is_empty() => self.received.extend_from_slice(&piece[..count]),
                _ => {}
            }
        }
    }
}

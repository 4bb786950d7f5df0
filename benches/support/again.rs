//! This program once more as a server, a process of its own whose processor time is its own; it ends when
//! its parent does.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;

/// The server's process, as its parent sees it.
pub(crate) struct Again {
    address: SocketAddr,
    child: Child,
}

impl Again {
    /// Starts this program with the argument that makes it the server, and waits until it is.
    pub(crate) fn start(argument: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts again");
        let mut line = String::new();
        let said = child.stdout.as_mut().expect("it is piped");
        BufReader::new(said).read_line(&mut line).expect("the server says where it is");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

/// In the server: ends it when its parent is gone.
pub(crate) fn end_with_the_parent() {
    std::thread::spawn(|| {
        // The parent never writes: this returns when it is gone.
        std::io::stdin().read_to_end(&mut Vec::new()).ok();
        std::process::exit(0);
    });
}

/// In the server: listens, and tells the parent where.
pub(crate) async fn listen() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("it is bound"));
    std::io::stdout().flush().expect("the parent listens");
    listener
}

//! Hostile connections, all of them in one thread that does as little as it can: it shares the cores with
//! what it attacks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::time::Timespec;

use super::clock::{now_ns, thread_cpu_ns};
use super::scripts::Manner;

const EVENTS: usize = 256;
const READ_BYTES: usize = 16 << 10;

/// Most requests, and most connections, begun in a second, all of them together.
const ACTS_PER_SECOND: u64 = 10_000;
const CONNECTS_PER_SECOND: u64 = 2_000;

/// Addresses that they come from; the honest client has another.
const ADDRESSES: usize = 4;

/// What they did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) connects: u64,
    /// Whole scripts that were sent, or pieces of slow ones.
    pub(crate) acts: u64,
    /// Most that were connected at once.
    pub(crate) most: usize,
    /// What the thread ran.
    pub(crate) cpu: Duration,
}

/// At work until it is stopped.
pub(crate) struct Swarm {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Deeds>,
}

impl Swarm {
    /// So many of each.
    pub(crate) fn start(address: SocketAddr, manners: &[(Manner, usize)]) -> Self {
        let each = manners.iter().flat_map(|(manner, count)| vec![manner.clone(); *count]);
        let members: Vec<_> = each.map(Member::of).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || Work::new(address, members).run(&until));
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> Deeds {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

struct Member {
    manner: Manner,
    stream: Option<TcpStream>,
    written: usize,
    /// Its script is under way, or its answer.
    is_busy: bool,
}

impl Member {
    fn of(manner: Manner) -> Self {
        Self { manner, stream: None, written: 0, is_busy: false }
    }
}

struct Work {
    address: SocketAddr,
    epoll: OwnedFd,
    members: Vec<Member>,
    /// Who does something next, and when.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    next_connect_ns: u64,
    connected: usize,
    deeds: Deeds,
}

impl Work {
    fn new(address: SocketAddr, members: Vec<Member>) -> Self {
        let now = now_ns();
        let apart = 1_000_000_000 / CONNECTS_PER_SECOND;
        let due = (0..members.len()).map(|at| Reverse((now + at as u64 * apart, at))).collect();
        let epoll = epoll::create(CreateFlags::CLOEXEC).expect("an epoll");
        let (connected, deeds) = (0, Deeds::default());
        Self { address, epoll, members, due, next_connect_ns: now, connected, deeds }
    }

    fn run(mut self, stop: &AtomicBool) -> Deeds {
        let began = thread_cpu_ns();
        let mut events = Vec::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BYTES];
        while !stop.load(Ordering::Relaxed) {
            let now = now_ns();
            while let Some(&Reverse((at_ns, at))) = self.due.peek()
                && at_ns <= now
            {
                self.due.pop();
                self.act(at, now);
            }
            events.clear();
            let wait = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll: {error}"),
            }
            for event in &events {
                self.look(event.data.u64() as usize, &mut buffer);
            }
        }
        self.deeds.cpu = Duration::from_nanos(thread_cpu_ns() - began);
        self.deeds
    }

    /// Until a member may act again, so that all together keep to their rate.
    fn pause_ns(&self) -> u64 {
        self.members.len() as u64 * 1_000_000_000 / ACTS_PER_SECOND
    }

    fn act(&mut self, at: usize, now: u64) {
        if self.members[at].stream.is_none() {
            if now < self.next_connect_ns {
                self.due.push(Reverse((self.next_connect_ns, at)));
                return;
            }
            self.next_connect_ns = now + 1_000_000_000 / CONNECTS_PER_SECOND;
            if self.connect(at).is_err() {
                self.due.push(Reverse((now + 100_000_000, at)));
                return;
            }
        }
        let member = &mut self.members[at];
        match &member.manner {
            Manner::Sits => {}
            Manner::Floods(_) | Manner::HangsUp(_) => {
                (member.written, member.is_busy) = (0, true);
                self.write(at);
            }
            Manner::Drips { script, bytes, every } => {
                let (every, whole) = (every.as_nanos() as u64, script.len());
                let last = script[whole - 1];
                let piece = if member.written == 0 { script.to_vec() } else { vec![last; *bytes] };
                let stream = member.stream.as_mut().expect("connected above");
                // What the socket does not take now is not sent: it is slow by design.
                if let Ok(count) = stream.write(&piece) {
                    member.written += count;
                    self.deeds.acts += 1;
                }
                self.due.push(Reverse((now + every, at)));
            }
        }
    }

    fn connect(&mut self, at: usize) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        // What it hangs up leaves no trace here that would hold its port.
        sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
        let from = Ipv4Addr::new(127, 0, 1, 1 + (at % ADDRESSES) as u8);
        net::bind(&socket, &SocketAddr::from((from, 0)))?;
        match net::connect(&socket, &self.address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let stream = TcpStream::from(socket);
        let events = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &stream, EventData::new_u64(at as u64), events)?;
        let member = &mut self.members[at];
        (member.stream, member.written, member.is_busy) = (Some(stream), 0, false);
        self.connected += 1;
        self.deeds.connects += 1;
        self.deeds.most = self.deeds.most.max(self.connected);
        Ok(())
    }

    /// Sends what the socket takes of a script.
    fn write(&mut self, at: usize) {
        let member = &mut self.members[at];
        let hangs_up = matches!(member.manner, Manner::HangsUp(_));
        let (Manner::Floods(script) | Manner::HangsUp(script)) = &member.manner else { return };
        let Some(stream) = member.stream.as_mut().filter(|_| member.is_busy) else { return };
        while member.written < script.len() {
            match stream.write(&script[member.written..]) {
                Ok(count) => member.written += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.gone(at),
            }
            if member.written == script.len() {
                self.deeds.acts += 1;
                if hangs_up {
                    return self.gone(at);
                }
            }
        }
    }

    fn look(&mut self, at: usize, buffer: &mut [u8]) {
        self.write(at);
        let mut is_answered = false;
        loop {
            let Some(stream) = self.members[at].stream.as_mut() else { return };
            match stream.read(buffer) {
                Ok(0) => return self.gone(at),
                Ok(_) => is_answered = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return self.gone(at),
            }
        }
        let member = &mut self.members[at];
        let Manner::Floods(script) = &member.manner else { return };
        if is_answered && member.is_busy {
            if member.written < script.len() {
                return self.gone(at);
            }
            member.is_busy = false;
            self.due.push(Reverse((now_ns() + self.pause_ns(), at)));
        }
    }

    /// Ended, by whichever side; it comes again.
    fn gone(&mut self, at: usize) {
        let member = &mut self.members[at];
        if member.stream.take().is_none() {
            return;
        }
        self.connected -= 1;
        (member.written, member.is_busy) = (0, false);
        // Whoever drips is due already.
        if !matches!(member.manner, Manner::Drips { .. }) {
            self.due.push(Reverse((now_ns() + self.pause_ns(), at)));
        }
    }
}

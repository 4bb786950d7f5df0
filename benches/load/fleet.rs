//! Keep-alive connections, waited for together in one thread.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::answer::Answer;
use super::connection::{Connection, Progress};

const EVENTS: usize = 256;

/// Connections to one address, opened when they are needed.
pub(crate) struct Fleet<'r> {
    address: SocketAddr,
    requests: &'r [Vec<u8>],
    epoll: OwnedFd,
    events: Vec<Event>,
    seats: Vec<Seat>,
    /// Seats without a request under way; the one that rested longest goes first.
    idle: VecDeque<usize>,
    /// Connections the other side closed while nothing was under way.
    pub(crate) closed_idle: u64,
    pub(crate) opened: u64,
}

#[derive(Default)]
struct Seat {
    connection: Option<Connection>,
    under_way: Option<Errand>,
}

/// A request under way.
#[derive(Clone, Copy)]
struct Errand {
    /// Nanoseconds on the caller's scale.
    due_ns: u64,
    request: usize,
}

/// What became of a request.
pub(crate) struct Done {
    pub(crate) due_ns: u64,
    /// None: the connection ended without one.
    pub(crate) answer: Option<Answer>,
}

impl<'r> Fleet<'r> {
    /// Of at most so many connections; none is open yet.
    pub(crate) fn new(address: SocketAddr, connections: usize, requests: &'r [Vec<u8>]) -> Self {
        Self {
            address,
            requests,
            epoll: epoll::create(CreateFlags::CLOEXEC).expect("an epoll"),
            events: Vec::with_capacity(EVENTS),
            seats: (0..connections).map(|_| Seat::default()).collect(),
            idle: (0..connections).collect(),
            closed_idle: 0,
            opened: 0,
        }
    }

    pub(crate) fn is_idle_one(&self) -> bool {
        !self.idle.is_empty()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.seats.len() - self.idle.len()
    }

    /// Sends request `number`, over a connection that waits for one; false when that cannot even be
    /// opened.
    pub(crate) fn send(&mut self, number: u64, due_ns: u64) -> bool {
        let seat = self.idle.pop_front().expect("asked before: one is idle");
        if self.seats[seat].connection.is_none()
            && let Err(_refused) = self.connect(seat)
        {
            self.idle.push_front(seat);
            return false;
        }
        let Seat { connection, under_way } = &mut self.seats[seat];
        let request = number as usize % self.requests.len();
        *under_way = Some(Errand { due_ns, request });
        let connection = connection.as_mut().expect("connected above");
        connection.begin();
        connection.write(&self.requests[request]);
        true
    }

    fn connect(&mut self, seat: usize) -> io::Result<()> {
        let connection = Connection::open(self.address)?;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, connection.stream(), EventData::new_u64(seat as u64), flags)?;
        self.opened += 1;
        self.seats[seat].connection = Some(connection);
        Ok(())
    }

    /// Waits for events, no longer than `wait_ns`, and tells of every request that ended.
    pub(crate) fn poll(&mut self, wait_ns: u64, mut done: impl FnMut(Done)) {
        let wait = Timespec {
            tv_sec: (wait_ns / 1_000_000_000) as i64,
            tv_nsec: (wait_ns % 1_000_000_000) as i64,
        };
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        // The wait of epoll itself is in whole milliseconds.
        let mut any = [PollFd::new(&self.epoll, PollFlags::IN)];
        let waited = if wait_ns > 0 { poll(&mut any, Some(&wait)).map(drop) } else { Ok(()) };
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let looked = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&none));
        match waited.and(looked) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll: {error}"),
        }
        for event in &events {
            let ended = self.look(event.data.u64() as usize);
            ended.into_iter().for_each(&mut done);
        }
        self.events = events;
    }

    fn look(&mut self, at: usize) -> Option<Done> {
        let seat = &mut self.seats[at];
        let connection = seat.connection.as_mut()?;
        if let Some(errand) = seat.under_way {
            connection.write(&self.requests[errand.request]);
        }
        let answer = match connection.read() {
            Progress::None => return None,
            Progress::Answered(answer) => Some(answer),
            Progress::Ended => None,
        };
        if answer.is_none_or(|answer| answer.closes) {
            seat.connection = None;
        }
        let Some(errand) = seat.under_way.take() else {
            assert!(answer.is_none(), "an answer nobody asked for");
            self.closed_idle += 1;
            return None;
        };
        self.idle.push_back(at);
        Some(Done { due_ns: errand.due_ns, answer })
    }
}

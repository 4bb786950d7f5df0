//! The seats of `limits.connections`, and who makes way for a newcomer when all are taken.
//!
//! A seat costs a client nothing but a socket, so whoever only sits must not keep out whoever wants to
//! send: the connection that has been silent the longest goes, first those of which no request was let in
//! by its token, whatever else they asked, then those that wait between two. One with a request being worked on never does. Only
//! when nobody may be asked is the newcomer told to come back (contract C1.12).
//!
//! Nothing here is on the way of a request: connections note what they do in [`Connection`], and are
//! looked through when there is no seat. One look serves many newcomers, and looks are kept to a
//! hundredth of the time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::connection::{Connection, Silence};

/// How long somebody may take for a first request before the seat is worth more to others, and how long
/// for the next one.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
const NEXT_REQUEST: Duration = Duration::from_secs(5);

/// Newcomers that wait for a seat at the same time; further ones are turned away.
const WAITING_MAX: usize = 256;

/// How long a newcomer waits for whoever was asked, and how many are asked for it: the first may have
/// begun a request in the same moment.
const WAIT: Duration = Duration::from_millis(500);
const ASKED_MAX: u32 = 2;

/// Time between two looks through all connections: at least this, and so many times what one took.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const LOOK_SHARE: u32 = 100;

/// What was found is forgotten then: others have been silent for longer meanwhile.
const FOUND_LASTS: Duration = Duration::from_secs(1);

/// All seats of one port.
pub(super) struct Seats {
    count: usize,
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    seated: Mutex<Seated>,
}

/// The right to be connected.
pub(super) struct Seat {
    seats: Arc<Seats>,
    nth: usize,
    _permit: OwnedSemaphorePermit,
}

/// A newcomer's right to wait.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

#[derive(Default)]
struct Seated {
    all: Vec<Option<Arc<Connection>>>,
    vacant: Vec<usize>,
    /// Who may be asked next, in this order, as found at `looked`.
    silent: VecDeque<Weak<Connection>>,
    looked: Option<Instant>,
    next_look: Option<Instant>,
}

impl Seats {
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            free: Arc::new(Semaphore::new(count)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            seated: Mutex::default(),
        })
    }

    /// The permit for a seat, if one is free.
    pub(super) fn free_one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Asks somebody to make way; `None` when nobody may be asked, or enough newcomers wait already.
    pub(super) fn ask(&self) -> Option<Place> {
        let permit = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        self.ask_one().then_some(Place { _permit: permit })
    }

    /// Waits for whoever was asked; `None` when nobody went.
    pub(super) async fn wait(&self, _place: Place) -> Option<OwnedSemaphorePermit> {
        for asked in 1..=ASKED_MAX {
            let free = Arc::clone(&self.free).acquire_owned();
            if let Ok(permit) = timeout(WAIT, free).await {
                return permit.ok();
            }
            if asked < ASKED_MAX && !self.ask_one() {
                break;
            }
        }
        None
    }

    /// Sits down.
    pub(super) fn take(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        connection: &Arc<Connection>,
    ) -> Seat {
        let mut seated = self.seated();
        let nth = seated.vacant.pop().unwrap_or(seated.all.len());
        if nth == seated.all.len() {
            seated.all.push(None);
        }
        seated.all[nth] = Some(Arc::clone(connection));
        drop(seated);
        Seat { seats: Arc::clone(self), nth, _permit: permit }
    }

    /// Resolves when every seat is free; newcomers get none meanwhile.
    pub(super) async fn all_free(&self) {
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        drop(self.free.acquire_many(count).await);
    }

    fn ask_one(&self) -> bool {
        let silent = self.seated().longest_silent(Instant::now());
        silent.inspect(|connection| connection.call.make()).is_some()
    }

    fn seated(&self) -> MutexGuard<'_, Seated> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.seats.seated();
        seated.all[self.nth] = None;
        seated.vacant.push(self.nth);
    }
}

impl Seated {
    fn longest_silent(&mut self, now: Instant) -> Option<Arc<Connection>> {
        if self.looked.is_none_or(|looked| now >= looked + FOUND_LASTS) {
            self.silent.clear();
        }
        self.next_found(now).or_else(|| {
            self.look(now);
            self.next_found(now)
        })
    }

    /// The next of those that were found, if it is silent still.
    fn next_found(&mut self, now: Instant) -> Option<Arc<Connection>> {
        let found = std::iter::from_fn(|| self.silent.pop_front());
        found.filter_map(|connection| connection.upgrade()).find(|known| rank(known, now).is_some())
    }

    fn look(&mut self, now: Instant) {
        if self.next_look.is_some_and(|next| now < next) {
            return;
        }
        let all = self.all.iter().flatten();
        let mut silent: Vec<_> =
            all.filter_map(|known| Some((rank(known, now)?, Arc::downgrade(known)))).collect();
        silent.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        self.silent = silent.into_iter().map(|(_, connection)| connection).collect();
        self.looked = Some(now);
        self.next_look = Some(now + LOOK_INTERVAL.max(now.elapsed() * LOOK_SHARE));
    }
}

/// Who goes first has the highest; `None` has whoever stays: busy, not silent for long, or asked already.
fn rank(connection: &Connection, now: Instant) -> Option<(Rank, Duration)> {
    (!connection.call.is_made()).then(|| may_go(connection, now)).flatten()
}

/// The same, whether or not it was asked.
pub(super) fn may_go(connection: &Connection, now: Instant) -> Option<(Rank, Duration)> {
    match connection.silence(now) {
        Silence::BeforeRequest(lasting) if lasting >= FIRST_REQUEST => {
            Some((Rank::NeverLetIn, lasting))
        }
        Silence::BetweenRequests(lasting) if lasting >= NEXT_REQUEST => {
            Some((Rank::WasLetIn, lasting))
        }
        Silence::BeforeRequest(_) | Silence::BetweenRequests(_) | Silence::Busy => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    WasLetIn,
    NeverLetIn,
}

/// How a connection hears that its seat is wanted: by then it may have begun a request, so that it is
/// asked and not ended.
#[derive(Debug, Default)]
pub(super) struct Call {
    is_made: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Call {
    fn make(&self) {
        self.is_made.store(true, Ordering::Release);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    /// Whether it is made and not heard yet.
    pub(super) fn is_made(&self) -> bool {
        self.is_made.load(Ordering::Acquire)
    }

    /// Ready, once, when the call was made; else whoever makes it wakes this task.
    pub(super) fn heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // After the waker: a call in between is seen here.
        if self.is_made.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn connection() -> Arc<Connection> {
        Connection::new(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    fn seat(seats: &Arc<Seats>, connection: &Arc<Connection>) -> Seat {
        seats.take(seats.free_one().expect("a free seat"), connection)
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    fn asked(of: &[&Arc<Connection>]) -> Vec<bool> {
        of.iter().map(|connection| connection.call.is_made()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_was_never_let_in_goes_first_and_the_busy_never() {
        let seats = Seats::new(4);
        let [idle, busy, older, younger] = [connection(), connection(), connection(), connection()];
        idle.let_in();
        drop(idle.begin());
        // As its own turn would: the clock is read for the end of that request.
        idle.stamp();
        let running = busy.begin();
        let mut held = vec![seat(&seats, &idle), seat(&seats, &busy), seat(&seats, &older)];
        assert!(seats.ask().is_none(), "nobody has been silent for long");
        pass(1).await;
        held.push(seat(&seats, &younger));
        pass(60).await;
        let all = [&idle, &busy, &older, &younger];
        let mut places = Vec::new();
        // `older` and `younger` were accepted at one instant: either may go first.
        for expected in [1, 2, 3] {
            places.push(seats.ask().expect("somebody may be asked"));
            assert_eq!(asked(&all).iter().filter(|asked| **asked).count(), expected);
            assert_eq!(asked(&all)[0], expected == 3, "the idle one is the last");
        }
        assert!(seats.ask().is_none(), "the busy one is never asked");
        drop(running);
        assert!(seats.ask().is_none(), "nor has it been silent since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_gets_the_seat_that_is_left_and_gives_up_when_none_is() {
        let seats = Seats::new(1);
        let sitting = connection();
        let held = seat(&seats, &sitting);
        pass(2).await;
        let place = seats.ask().expect("it has been silent");
        let leaves = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(held);
        };
        let (permit, ()) = tokio::join!(seats.wait(place), leaves);
        let held = seats.take(permit.expect("the seat"), &sitting);
        assert_eq!(seats.seated().all.len(), 1, "the place in the list is used again");
        sitting.call.is_made.store(false, Ordering::Relaxed);
        pass(2).await;
        let place = seats.ask().expect("it has been silent");
        assert!(seats.wait(place).await.is_none(), "it did not go");
        drop(held);
        assert!(seats.free_one().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_finds_nobody_is_not_repeated_at_once() {
        let seats = Seats::new(1);
        let sitting = connection();
        let _held = seat(&seats, &sitting);
        assert!(seats.ask().is_none());
        let first = seats.seated().looked;
        assert!(seats.ask().is_none());
        assert_eq!(seats.seated().looked, first);
        pass(1).await;
        assert!(seats.ask().is_some());
        assert!(seats.seated().looked > first);
    }
}

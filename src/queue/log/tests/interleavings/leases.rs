//! Leases beside commits, acknowledgements, releases, the close, and callers who give up.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::future::block_on;

use super::gated::{ANY, ONE, TheDesk, TheLease, desk, desk_for, entry};
use super::handoff::Handoff;
use super::primitives::Mutex;
use super::{check, spawn};
use crate::metric::timestamp::Timestamp;
use crate::queue::log::disk::sim::{Fault, SimDisk};
use crate::queue::{Books, Entry, Lease, Sources, Want};

/// Lets entries in and commits them as one group.
fn append(desk: &TheDesk, texts: &[&'static str]) {
    let entries: Vec<Entry> = texts.iter().map(|text| entry(text)).collect();
    for entry in &entries {
        desk.ledger().admit(entry).unwrap();
    }
    commit(desk, &entries);
}

fn commit(desk: &TheDesk, entries: &[Entry]) {
    let now = Timestamp::from_unix(0, 0);
    // Whether the disk takes it is for the books to tell.
    desk.commit(entries, now, Duration::ZERO).ok();
}

/// A lease that is read where it is waited for.
fn lease(desk: &TheDesk, want: Want) -> Option<Lease> {
    block_on(desk.lease(0, || async { desk.read(0, want, Duration::ZERO).unwrap() }))
}

/// Acknowledges everything until the end; what it was.
fn drain(desk: &TheDesk, want: Want) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(lease) = lease(desk, want) {
        texts.extend(lease.blocks.iter().map(|leased| leased.source.to_string()));
        desk.ack(0, lease.id, lease.delivered());
    }
    texts
}

fn check_books(desk: &TheDesk, delivered: u64) {
    let books = Books { series: delivered, delivered, ..Books::default() };
    assert_eq!(desk.ledger().engine().books(0), books);
}

/// Two consumers, the first of which takes one block at a time, until they see the end.
fn check_two_consumers(preemptions: usize, groups: &'static [&'static [&'static str]]) {
    check(preemptions, move || {
        let desk = desk(&SimDisk::new(0));
        let consume = |want| {
            let desk = Arc::clone(&desk);
            spawn(move || drain(&desk, want))
        };
        let (one, other) = (consume(ONE), consume(ANY));
        for group in groups {
            append(&desk, group);
        }
        desk.close();
        let mut texts = one.join().unwrap();
        texts.extend(other.join().unwrap());
        texts.sort();
        assert_eq!(texts, groups.concat());
        check_books(&desk, texts.len() as u64);
    });
}

#[test]
fn two_consumers_get_a_block_once_and_both_see_the_end() {
    check_two_consumers(2, &[&["1"]]);
}

/// With fewer preemptions, because each block and each group multiplies the orders.
#[test]
fn two_consumers_share_what_one_of_them_leaves_and_miss_no_group() {
    check_two_consumers(1, &[&["1", "2", "3"], &["4", "5"]]);
}

/// Neither of them gives anything back, so nothing else can wake the other one.
#[test]
fn what_a_read_leaves_goes_to_whoever_waits() {
    check(3, || {
        let desk = desk(&SimDisk::new(0));
        append(&desk, &["1", "2"]);
        let of_other = Arc::clone(&desk);
        let other = spawn(move || lease(&of_other, ONE).unwrap());
        let one = lease(&desk, ONE).unwrap();
        let other = other.join().unwrap();
        assert_ne!(one.blocks[0].source, other.blocks[0].source);
        assert_eq!((one.blocks.len(), other.blocks.len()), (1, 1));
    });
}

#[test]
fn a_released_lease_wakes_the_other_consumer() {
    check(2, || {
        let desk = desk(&SimDisk::new(0));
        let (fickle, steady) = (Arc::clone(&desk), Arc::clone(&desk));
        let releasing = spawn(move || {
            if let Some(lease) = lease(&fickle, ANY) {
                fickle.release(0, lease.id);
            }
        });
        let draining = spawn(move || drain(&steady, ANY));
        append(&desk, &["1"]);
        desk.close();
        releasing.join().unwrap();
        assert_eq!(draining.join().unwrap(), ["1"]);
        check_books(&desk, 1);
    });
}

#[test]
fn what_clients_hand_off_is_committed_and_leased_though_the_queue_closes() {
    check(2, || {
        let desk = desk(&SimDisk::new(0));
        let handoff = Arc::new(Handoff::new());
        let (of_writer, entries) = (Arc::clone(&desk), Arc::clone(&handoff));
        let writer = spawn(move || {
            while let Some(group) = entries.take() {
                commit(&of_writer, &group);
            }
        });
        let (of_client, entries) = (Arc::clone(&desk), Arc::clone(&handoff));
        let client = spawn(move || push(&of_client, &entries, "1"));
        let of_consumer = Arc::clone(&desk);
        let consumer = spawn(move || drain(&of_consumer, ANY));
        desk.close();
        handoff.close();
        let pushed = client.join().unwrap();
        writer.join().unwrap();
        assert_eq!(consumer.join().unwrap().len() as u64, pushed);
        check_books(&desk, pushed);
    });
}

/// As [`crate::queue::log::LogQueue`] appends; how many entries got through.
fn push(desk: &TheDesk, handoff: &Handoff<Entry>, text: &'static str) -> u64 {
    let entry = entry(text);
    if desk.ledger().admit(&entry).is_err() {
        return 0;
    }
    let Err(entry) = handoff.push(entry) else { return 1 };
    desk.give_up(crate::queue::log::engine::cost(&entry));
    0
}

#[test]
fn a_group_that_fails_after_the_close_ends_the_wait_for_it() {
    check(3, || {
        let broken = SimDisk::new(0);
        let desk = desk(&broken);
        broken.fail_all_from(1, Fault::IO);
        let entry = entry("1");
        desk.ledger().admit(&entry).unwrap();
        desk.close();
        let of_consumer = Arc::clone(&desk);
        let consumer = spawn(move || drain(&of_consumer, ANY));
        let of_writer = Arc::clone(&desk);
        let writer = spawn(move || commit(&of_writer, &[entry]));
        writer.join().unwrap();
        assert_eq!(consumer.join().unwrap(), [""; 0]);
        check_books(&desk, 0);
    });
}

/// Acknowledges everything until the end as a forwarder does: it waits until there is something, and
/// leases then.
fn drain_looking_ahead(desk: &TheDesk) -> Vec<String> {
    let mut texts = Vec::new();
    while block_on(desk.ready(0, || async { desk.peek(0, Duration::ZERO) })) {
        // Somebody may have been faster.
        let Some(carried) = desk.read(0, ANY, Duration::ZERO).unwrap() else { continue };
        let lease = carried.take().unwrap();
        texts.extend(lease.blocks.iter().map(|leased| leased.source.to_string()));
        desk.ack(0, lease.id, lease.delivered());
    }
    texts
}

/// The log was begun for somebody who wanted everything, so it is not known what waits.
fn check_looking_ahead(texts: &'static [&'static str], own: &'static [&'static str]) {
    check(2, move || {
        let files = SimDisk::new(0);
        let before = desk(&files);
        append(&before, texts);
        drop(before);
        let desk = desk_for(&files, Sources::Only(vec!["1".into(), "2".into()]));
        let (careful, direct) = (Arc::clone(&desk), Arc::clone(&desk));
        let looking = spawn(move || drain_looking_ahead(&careful));
        let draining = spawn(move || drain(&direct, ONE));
        desk.close();
        let mut got = looking.join().unwrap();
        got.extend(draining.join().unwrap());
        got.sort();
        assert_eq!(got, own);
        let books = desk.ledger().engine().books(0);
        let (series, delivered) = (texts.len() as u64, own.len() as u64);
        let filtered = series - delivered;
        assert_eq!(books, Books { series, delivered, filtered, ..Books::default() });
    });
}

#[test]
fn whoever_looks_ahead_finds_what_is_for_it_and_keeps_nobody_from_it() {
    check_looking_ahead(&["x", "1", "2"], &["1", "2"]);
}

#[test]
fn whoever_looks_ahead_past_what_is_for_others_sees_the_end() {
    check_looking_ahead(&["x", "y"], &[]);
}

#[test]
fn whoever_looks_ahead_sees_what_comes() {
    check(2, || {
        let desk = desk_for(&SimDisk::new(0), Sources::Only(vec!["1".into()]));
        let of_consumer = Arc::clone(&desk);
        let consumer = spawn(move || drain_looking_ahead(&of_consumer));
        append(&desk, &["x"]);
        append(&desk, &["1"]);
        desk.close();
        assert_eq!(consumer.join().unwrap(), ["1"]);
        let books = Books { series: 2, delivered: 1, filtered: 1, ..Books::default() };
        assert_eq!(desk.ledger().engine().books(0), books);
    });
}

#[test]
fn the_end_of_the_queue_ends_a_wait_though_a_lease_is_open() {
    check(3, || {
        let desk = desk(&SimDisk::new(0));
        append(&desk, &["1"]);
        let open = lease(&desk, ANY).unwrap();
        let of_consumer = Arc::clone(&desk);
        let consumer = spawn(move || drain(&of_consumer, ANY));
        desk.end().unwrap();
        assert_eq!(consumer.join().unwrap(), [""; 0]);
        desk.release(0, open.id);
        assert!(lease(&desk, ANY).is_none());
    });
}

#[test]
fn a_caller_who_gives_up_costs_nobody_a_wake_up_or_a_block() {
    check(2, || {
        let desk = desk(&SimDisk::new(0));
        let of_quitter = Arc::clone(&desk);
        let quitter = spawn(move || {
            let mut pool = None;
            let found = {
                let pool = Mutex::new(&mut pool);
                let read = || {
                    let (answer, reading) = read_elsewhere(&of_quitter);
                    **pool.lock().unwrap() = Some(reading);
                    answer
                };
                let mut waiting = pin!(of_quitter.lease(0, read));
                let mut context = Context::from_waker(Waker::noop());
                let first = waiting.as_mut().poll(&mut context);
                if first.is_ready() { first } else { waiting.as_mut().poll(&mut context) }
            };
            if let Some(reading) = pool {
                reading.join().unwrap();
            }
            match found {
                Poll::Ready(Some(lease)) => of_quitter.release(0, lease.id),
                Poll::Ready(None) | Poll::Pending => {}
            }
        });
        let of_consumer = Arc::clone(&desk);
        let consumer = spawn(move || drain(&of_consumer, ANY));
        append(&desk, &["1"]);
        desk.close();
        quitter.join().unwrap();
        assert_eq!(consumer.join().unwrap(), ["1"]);
        check_books(&desk, 1);
    });
}

/// A read in a thread of its own, and its answer: what a runtime's pool for blocking calls gives.
/// What nobody takes out is dropped with the last of the two.
fn read_elsewhere(desk: &TheDesk) -> (Answer, loom::thread::JoinHandle<()>) {
    let answer = Answer(Arc::new(Mutex::new(Slot { found: Poll::Pending, waker: None })));
    let (slot, desk) = (Arc::clone(&answer.0), Arc::clone(desk));
    let reading = spawn(move || {
        let found = desk.read(0, ANY, Duration::ZERO).unwrap();
        let mut slot = slot.lock().unwrap();
        slot.found = Poll::Ready(found);
        slot.waker.take().into_iter().for_each(Waker::wake);
    });
    (answer, reading)
}

struct Answer(Arc<Mutex<Slot>>);

struct Slot {
    found: Poll<Option<TheLease>>,
    waker: Option<Waker>,
}

impl Future for Answer {
    type Output = Option<TheLease>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock().unwrap();
        slot.waker = Some(context.waker().clone());
        std::mem::replace(&mut slot.found, Poll::Pending)
    }
}

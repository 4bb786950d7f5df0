//! `[receiver]` or `[[receivers]]`: to whom tuples go, and how far each may fall behind (contract C5.5).

use std::sync::Arc;

use super::Queue;
use super::file::Needs;
use super::names::{Names, file_name};
use super::problem::Place;
use super::receiver::{KEYS, Receiver};
use super::section::Section;
use super::suggest::closest;
use super::units::size_text;
use crate::queue::{Destination, Sources};

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Most bytes of tuples in one delivery (contract C6.1).
const DELIVERY_BYTES: u64 = 4 * MIB;

/// What `[receiver]` is called.
const ALONE: &str = "default";

/// Keys that only `[[receivers]]` have, beside those of `[receiver]`.
const OWN_KEYS: [&str; 3] = ["name", "sources", BACKLOG];

const BACKLOG: &str = "max_backlog_bytes";

/// What the bounds of receivers are measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    max_bytes: u64,
    /// Bytes the largest body may become.
    largest_body: u64,
    /// What has to stay free for it while a receiver that is dead has all it may.
    free_bytes: u64,
}

/// All that was read.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    /// Those without a fault; none where only the queue is looked at.
    pub(super) list: Vec<Receiver>,
    /// Whom the queue is kept for.
    pub(super) destinations: Vec<Destination>,
}

impl Room {
    pub(super) fn of(queue: &Queue, expanded_bytes: u64) -> Self {
        // Where the last segment of what expired and the one that is being filled are still there.
        let segments = 2 * queue.segment_bytes_on_disk();
        let largest_body = Queue::largest_entry_bytes(expanded_bytes);
        Self { max_bytes: queue.max_bytes, largest_body, free_bytes: largest_body + segments }
    }

    fn most(self) -> u64 {
        // Above that the queue is near its cap, where receivers give way also below their bounds.
        let below_the_cap = self.max_bytes - self.max_bytes / 16;
        self.max_bytes.saturating_sub(self.free_bytes).min(below_the_cap)
    }

    /// What a receiver that is well may have waiting: one body just came, and deliveries are under way.
    fn least(self, concurrency: usize) -> u64 {
        self.largest_body + concurrency as u64 * DELIVERY_BYTES
    }
}

impl Receivers {
    /// `sources`: the names there are. The fault of both ways at once, or of none, says what to do.
    pub(super) fn read(top: &mut Section<'_>, sources: &[Arc<str>], room: Room) -> Self {
        // They exist, whether written or not.
        for key in OWN_KEYS {
            top.know_below("receivers", key);
        }
        let is_list = top.value("receiver").is_some_and(|value| value.get_ref().is_array());
        if is_list {
            top.ignore(&["receiver"]);
            top.sections("receivers");
            let text =
                "`receiver` is a section: write [receiver] for one, or [[receivers]] for several";
            top.fault("receiver", text.to_owned());
            return Self::default();
        }
        let one = top.section("receiver");
        let is_one_given = top.is_written("receiver") || KEYS.iter().any(|key| one.is_written(key));
        if !top.is_written("receivers") {
            return if is_one_given { Self::sole(one) } else { Self::none(top, one) };
        }
        if top.is_written("receiver") {
            top.fault(
                "receiver",
                "both [receiver] and [[receivers]] are there: keep one of them; as one of \
                 [[receivers]], what was [receiver] keeps its queue with `name = \"default\"`"
                    .to_owned(),
            );
        }
        let why = "it sets a key of [receiver], and there are [[receivers]]";
        one.warn_of_variables(&KEYS, why);
        one.warn_of_variables(&[BACKLOG], why);
        Self::several(top, sources, room)
    }

    fn none(top: &Section<'_>, mut one: Section<'_>) -> Self {
        one.ignore(&KEYS);
        one.finish();
        if top.needs() == Needs::Everything {
            top.fault_at(
                Place::File,
                "no [receiver]: add one with the `url` of the StackState intake, like \
                 \"https://stackstate.example.com/receiver/stsAgent/intake\", and its `api_key`; or \
                 several as [[receivers]], each with a `name` as well"
                    .to_owned(),
            );
        }
        Self { destinations: vec![Destination::named(ALONE)], list: Vec::new() }
    }

    fn sole(mut section: Section<'_>) -> Self {
        no_bound(&mut section);
        let destination = Destination::named(ALONE);
        let list = Receiver::read(section, destination.clone()).into_iter().collect();
        Self { list, destinations: vec![destination] }
    }

    fn several(top: &mut Section<'_>, sources: &[Arc<str>], room: Room) -> Self {
        let sections = top.sections("receivers");
        let is_sole = sections.len() == 1;
        if sections.is_empty() && top.value("receivers").is_some_and(|it| it.get_ref().is_array()) {
            let text = "`receivers` is empty: write a [[receivers]] section for each";
            top.fault("receivers", text.to_owned());
        }
        if !is_sole {
            require_room(top, room);
        }
        let (mut receivers, mut names) = (Self::default(), Names::default());
        for mut section in sections {
            let what = "what logs call this receiver, and its queue is kept under";
            let name = names.read(&mut section, what, file_name);
            let chosen = read_sources(&mut section, sources);
            let max_backlog_bytes = if is_sole {
                no_bound(&mut section);
                None
            } else {
                Some(read_bound(&mut section, room))
            };
            let bound = Bound::written(&section, max_backlog_bytes);
            let name = name.unwrap_or_default();
            let destination = Destination { name, sources: chosen, max_backlog_bytes };
            receivers.destinations.push(destination.clone());
            if let Some(receiver) = Receiver::read(section, destination) {
                warn_of_narrow_bound(top, bound, room, receiver.concurrency);
                receivers.list.push(receiver);
            }
        }
        warn_of_nobody(top, sources, &receivers.destinations);
        receivers
    }
}

/// Which sources a receiver gets; absent means all of them.
fn read_sources(section: &mut Section<'_>, sources: &[Arc<str>]) -> Sources {
    if !section.is_written("sources") {
        section.ignore(&["sources"]);
        return Sources::All;
    }
    let known = || sources.iter().map(|name| &**name);
    let chosen = section.list("sources", Vec::new(), ToString::to_string, |text| {
        let found = sources.iter().find(|name| ***name == *text);
        found.cloned().ok_or_else(|| match closest(text, known()) {
            Some(meant) => format!("the name of one of [[sources]], perhaps \"{meant}\""),
            None => "the name of one of [[sources]]".to_owned(),
        })
    });
    let is_empty = section.value("sources").is_some_and(|value| {
        value.get_ref().as_array().is_some_and(|list| list.iter().next().is_none())
    });
    if is_empty {
        let text = format!(
            "`{}` is empty: nothing would go to this receiver; name sources, or leave it out for all",
            section.name("sources")
        );
        section.fault("sources", text);
    }
    Sources::Only(chosen)
}

fn read_bound(section: &mut Section<'_>, room: Room) -> u64 {
    // Where even 1 MiB is too much the fault is `queue.max_bytes`.
    let most = room.most().max(MIB);
    let bound = section.size(BACKLOG, most.min(room.max_bytes / 2), MIB..=TIB);
    if bound > most {
        let text = format!(
            "`{}` must be at most {}, so that what waits for a dead receiver leaves a sixteenth of \
             `queue.max_bytes` = {} free, and room for the largest body and two segments, and never stops \
             the others: lower it, or raise that",
            section.name(BACKLOG),
            size_text(most),
            size_text(room.max_bytes)
        );
        section.fault(BACKLOG, text);
    }
    bound
}

/// A bound that somebody wrote down.
struct Bound {
    key: String,
    bytes: u64,
}

impl Bound {
    fn written(section: &Section<'_>, bytes: Option<u64>) -> Option<Self> {
        let bytes = bytes.filter(|_| section.is_written(BACKLOG))?;
        Some(Self { key: section.name(BACKLOG), bytes })
    }
}

/// A bound that a receiver can reach without being in trouble.
fn warn_of_narrow_bound(top: &Section<'_>, bound: Option<Bound>, room: Room, concurrency: usize) {
    let least = room.least(concurrency);
    if let Some(Bound { key, bytes }) = bound.filter(|bound| bound.bytes < least) {
        top.warn(format!(
            "`{key}` = {} is less than the largest body and {concurrency} deliveries (`concurrency`) take, \
             {}: in a burst tuples may expire although the receiver is well; raise it, or lower \
             `limits.expanded_bytes`",
            size_text(bytes),
            size_text(least)
        ));
    }
}

/// A queue that is too small for the bound of any receiver.
fn require_room(top: &mut Section<'_>, room: Room) {
    let least = room.free_bytes + MIB;
    if room.max_bytes < least {
        let text = format!(
            "`queue.max_bytes` must be at least {} with several receivers, so that one that is dead \
             leaves room for the largest body and two segments: raise it, or lower \
             `limits.expanded_bytes` or `queue.segment_bytes`",
            size_text(least)
        );
        top.section("queue").fault("max_bytes", text);
    }
}

/// Nobody should believe in a bound that is not kept.
fn no_bound(section: &mut Section<'_>) {
    if section.is_written(BACKLOG) {
        section.ignore(&[BACKLOG]);
        section.warn(format!(
            "`{}` has no effect: a sole receiver has no such limit, its clients are told to wait when \
             `queue.max_bytes` is reached",
            section.name(BACKLOG)
        ));
    }
}

/// A source that every receiver filters out is accepted and goes nowhere.
fn warn_of_nobody(top: &Section<'_>, sources: &[Arc<str>], destinations: &[Destination]) {
    for source in sources {
        if !destinations.iter().any(|destination| destination.sources.has(source)) {
            top.warn(format!(
                "source \"{source}\" goes to no receiver: its metrics are accepted and then filtered \
                 out by the `sources` of all [[receivers]]"
            ));
        }
    }
}

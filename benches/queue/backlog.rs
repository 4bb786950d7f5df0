//! What an entry costs beside a backlog: appended, leased and acknowledged, and kept in order, in
//! processor time of one thread. The disk is left out: nothing waits for it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::log::disk::{Access, RealDisk};
use tidegate::queue::log::engine::{Engine, Options, cost};
use tidegate::queue::log::lanes::Order;
use tidegate::queue::{Destination, Durability, Entry, Fate, Meters, Want};

use crate::spread::Spread;
use crate::{cpu_time, place};

/// Entries in one group. They share one record.
const GROUP: usize = 16;

/// Groups in one measurement.
const GROUPS: u32 = 4_000;

/// Deliveries after which the queue is kept in order (contract C5.2).
const KEEP_ACKS: u32 = 16;

/// The most that a group may cost beside a backlog, in units of what it costs with an empty queue.
const RATIO_MAX: f64 = 1.5;

/// One record at a time, and as much as there is.
const ONE: Want = Want { bytes: 0, tuples: 0 };
const MUCH: Want = Want { bytes: 4 << 20, tuples: 100_000 };

/// How large the backlog is, and of what.
pub(crate) struct Settings {
    pub(crate) rounds: usize,
    pub(crate) backlog_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) entry: Entry,
}

/// Whose backlog there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backlog {
    Nobodys,
    /// Of a receiver that is dead.
    Anothers,
    /// Of the one that is delivered to, which gets fresh records first.
    Own,
}

/// Microseconds of one group.
#[derive(Clone, Copy, Debug)]
struct Costs {
    append: f64,
    deliver: f64,
    keep: f64,
}

/// The one that is delivered to, and the other one.
const LIVE: usize = 0;
const OTHER: usize = 1;

struct Bench {
    engine: Engine,
    group: Vec<Entry>,
    now: Duration,
}

impl Bench {
    fn open(directory: &Path, settings: &Settings) -> Self {
        let options = Options {
            destinations: vec![Destination::named("live"), Destination::named("other")],
            durability: Durability::Os,
            max_bytes: u64::MAX / 2,
            min_free_bytes: 0,
            segment_bytes: settings.segment_bytes,
            order: Order::default(),
            meters: Meters::default(),
        };
        let disk = RealDisk::open(directory, Access::ReadWrite).expect("the directory opens");
        let (engine, _) = Engine::open(Arc::new(disk), &options).expect("a new log");
        Self { engine, group: vec![settings.entry.clone(); GROUP], now: Duration::ZERO }
    }

    fn append(&mut self) {
        self.now += Duration::from_millis(1);
        for entry in &self.group {
            self.engine.admit(cost(entry)).expect("there is room");
        }
        let received = Timestamp::from_unix(1_795_343_400, 0);
        self.engine.commit(&self.group, received, self.now).expect("the disk takes it");
    }

    /// Whether there was anything.
    fn deliver(&self, index: usize, want: Want) -> bool {
        let lease = self.engine.lease(index, want, self.now).expect("it can be read");
        let Some(lease) = lease else { return false };
        let tuples = lease.blocks.iter().map(|leased| u64::from(leased.block.tuples)).sum();
        let fate = Fate { delivered: tuples, ..Fate::default() };
        self.engine.ack(index, lease.id, fate);
        true
    }

    fn drain(&self, index: usize) {
        while self.deliver(index, MUCH) {}
    }

    fn keep(&self) {
        self.engine.save().expect("the disk takes it");
        self.engine.collect().expect("the disk takes it");
    }

    fn fill(&mut self, backlog: Backlog, bytes: u64) {
        let behind = match backlog {
            Backlog::Nobodys => return,
            Backlog::Anothers => OTHER,
            Backlog::Own => LIVE,
        };
        while self.engine.depth(behind).bytes < bytes {
            for _ in 0..1_000 {
                self.append();
            }
            self.drain(1 - behind);
        }
        self.keep();
        // All of it is old.
        self.now += Duration::from_mins(1);
    }

    fn measure(&mut self, backlog: Backlog) -> Costs {
        let mut costs = Costs { append: 0.0, deliver: 0.0, keep: 0.0 };
        for round in 1..=GROUPS {
            costs.append += timed(|| self.append());
            costs.deliver += timed(|| {
                self.deliver(LIVE, ONE);
            });
            if backlog != Backlog::Anothers {
                self.deliver(OTHER, ONE);
            }
            if round % KEEP_ACKS == 0 {
                costs.keep += timed(|| self.keep());
            }
        }
        let each = f64::from(GROUPS);
        Costs {
            append: costs.append / each,
            deliver: costs.deliver / each,
            keep: costs.keep / each,
        }
    }
}

/// Microseconds this thread ran.
fn timed(run: impl FnMut()) -> f64 {
    cpu_time::timed(run) * 1e6
}

/// Measures every form once in each round, prints the medians, and fails above [`RATIO_MAX`].
pub(crate) fn run(settings: &Settings) {
    let forms = [Backlog::Nobodys, Backlog::Anothers, Backlog::Own];
    // Filled once: that takes longer than what is measured.
    let directories = forms.map(|_| place::on_a_disk());
    let mut benches: Vec<Bench> =
        directories.iter().map(|directory| Bench::open(directory.path(), settings)).collect();
    let mut files = 0;
    for ((bench, form), directory) in benches.iter_mut().zip(forms).zip(&directories) {
        bench.fill(form, settings.backlog_bytes);
        files = files.max(directory.path().read_dir().expect("it is there").count());
    }
    let mut rounds: [Vec<Costs>; 3] = Default::default();
    // The first round warms up and is not counted.
    for round in 0..=settings.rounds {
        for ((bench, form), rounds) in benches.iter_mut().zip(forms).zip(&mut rounds) {
            let costs = bench.measure(form);
            if round > 0 {
                rounds.push(costs);
            }
        }
    }
    println!(
        "groups of {GROUP} entries; a backlog of {} MiB in {files} files; {} rounds; us of processor time a group",
        settings.backlog_bytes >> 20,
        settings.rounds,
    );
    for (form, of_form) in forms.iter().zip(&rounds) {
        let text = |of: fn(&Costs) -> f64| Spread::of(of_form, of);
        println!(
            "  {:<9} append {}   lease and acknowledge {}   keep in order {}",
            format!("{form:?}"),
            text(|costs| costs.append),
            text(|costs| costs.deliver),
            text(|costs| costs.keep),
        );
        let pairs: Vec<(&Costs, &Costs)> = of_form.iter().zip(&rounds[0]).collect();
        let ratio = Spread::of(&pairs, |(own, empty)| own.all() / empty.all());
        println!("            all of it to that with an empty queue {ratio}");
        assert!(ratio.median <= RATIO_MAX, "a backlog makes a group dearer than {RATIO_MAX} times");
    }
}

impl Costs {
    fn all(&self) -> f64 {
        self.append + self.deliver + self.keep
    }
}

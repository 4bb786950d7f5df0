//! Random histories as plain data: a step left out changes nothing about the others.

use fastrand::Rng;

use super::super::super::disk::sim::Fault;

/// Names a destination may have; the first one is always configured.
pub(super) const NAMES: [&str; 3] = ["0", "1", "2"];

/// A filter that leaves nothing out.
pub(super) const ALL_SOURCES: u8 = 0b111;

/// How one destination is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    /// A bit for each source that it wants.
    pub(super) sources: u8,
    /// Bytes that may wait for it.
    pub(super) bound: Option<u64>,
}

/// Everything, and no bound.
pub(super) const PLAIN: [Manners; NAMES.len()] =
    [Manners { sources: ALL_SOURCES, bound: None }; NAMES.len()];

/// What does not change within one history.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) seed: u64,
    pub(super) segment_bytes: u64,
    pub(super) max_bytes: u64,
    pub(super) is_fifo: bool,
    /// Only the process dies, and nothing is synced (`durability = "os"`).
    pub(super) is_os: bool,
    /// Which destinations are configured at first, beside [`NAMES`]`[0]`.
    pub(super) configured: u8,
    pub(super) manners: [Manners; NAMES.len()],
    /// All have a bound, and the cap is low: then no entry is refused.
    pub(super) is_crowded: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Commit(Vec<Shape>),
    Lease {
        side: usize,
        bytes: usize,
        tuples: u32,
    },
    Ack {
        side: usize,
        nth: usize,
        /// Quarters of its tuples that the receiver refuses for good.
        refused: u64,
    },
    Release {
        side: usize,
        nth: usize,
    },
    /// A request that leaves nothing to append.
    Decide {
        accepted: u64,
        rejected: u64,
    },
    Save,
    Collect,
    Maintain,
    Wait {
        millis: u64,
    },
    Fault {
        nth: u64,
        fault: Fault,
    },
    /// So many bytes more than are used now.
    Full {
        more: u64,
    },
    /// Neither faults nor a limit any more.
    Heal,
    /// The machine or the process stops in the middle of a disk call to come.
    Stop {
        nth: u64,
        end: End,
    },
    /// An orderly end, and a new beginning.
    Restart(Restart),
}

/// How it ends, and what happens before it is up again.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) how: How,
    /// While it is opened again, one after the other.
    pub(super) troubles: Vec<Trouble>,
    pub(super) restart: Restart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Kill,
    PowerCut { seed: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Stop {
        nth: u64,
        how: How,
    },
    Fault {
        nth: u64,
        fault: Fault,
    },
    /// It comes up, and ends before it does anything else.
    End {
        how: How,
    },
}

/// What is different when it is up again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Restart {
    /// Which destinations are configured beside [`NAMES`]`[0]`; `None`: as before.
    pub(super) configured: Option<u8>,
    /// How; `None`: as before.
    pub(super) manners: Option<[Manners; NAMES.len()]>,
    /// Where a bit turned on the disk meanwhile.
    pub(super) flip: Option<Flip>,
}

/// A place to damage; the numbers choose among what is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flip {
    pub(super) file: u64,
    pub(super) offset: u64,
    pub(super) bit: u8,
    /// A position file instead of a segment.
    pub(super) is_position: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) source: u8,
    pub(super) target: Option<usize>,
    /// For each block the padding of its tuples.
    pub(super) blocks: Vec<Vec<u16>>,
    pub(super) rejected: u64,
}

/// What a history may do besides working.
#[derive(Clone, Copy, Debug)]
struct Mood {
    crashes: u32,
    faults: u32,
    full: u32,
    flips: bool,
    position_flips: bool,
    newcomers: bool,
    filters: bool,
    bounds: bool,
    is_os: bool,
    crowded: bool,
}

/// Among so many histories one is crowded.
const CROWDED_EVERY: u64 = 8;

pub(super) fn history(seed: u64) -> (Setting, Vec<Step>) {
    let mut rng = Rng::with_seed(seed);
    let is_os = rng.u8(0..10) == 0;
    let mood = Mood {
        crashes: 110,
        faults: if rng.bool() { 12 } else { 0 },
        full: if rng.u8(0..4) == 0 { 8 } else { 0 },
        flips: rng.u8(0..3) == 0 && !is_os,
        position_flips: rng.u8(0..6) == 0 && !is_os,
        newcomers: rng.u8(0..4) == 0,
        filters: rng.u8(0..3) == 0,
        bounds: rng.u8(0..4) == 0,
        is_os,
        crowded: false,
    };
    if seed.is_multiple_of(CROWDED_EVERY) {
        return crowd(rng, seed);
    }
    let setting = Setting {
        seed,
        segment_bytes: [1500, 3000, 8000][rng.usize(0..3)],
        max_bytes: if rng.u8(0..8) == 0 { rng.u64(6_000..30_000) } else { 1 << 30 },
        is_fifo: rng.u8(0..3) == 0,
        is_os,
        configured: if mood.newcomers { rng.u8(0..4) } else { 1 },
        manners: manners(&mut rng, mood),
        is_crowded: false,
    };
    let count = rng.usize(60..180);
    let steps = (0..count).map(|_| step(&mut rng, mood)).collect();
    (setting, steps)
}

/// Several with bounds below a low cap, on a disk that is well. Most leases end at once.
fn crowd(mut rng: Rng, seed: u64) -> (Setting, Vec<Step>) {
    let mood = Mood {
        crashes: 0,
        faults: 0,
        full: 0,
        flips: false,
        position_flips: false,
        newcomers: rng.u8(0..4) == 0,
        filters: rng.u8(0..4) > 0,
        bounds: true,
        is_os: false,
        crowded: true,
    };
    let setting = Setting {
        seed,
        segment_bytes: [1500, 3000][rng.usize(0..2)],
        max_bytes: rng.u64(30_000..60_000),
        is_fifo: rng.bool(),
        is_os: false,
        configured: 1,
        manners: manners(&mut rng, mood),
        is_crowded: true,
    };
    let mut steps = Vec::new();
    for _ in 0..rng.usize(100..250) {
        let step = step(&mut rng, mood);
        let ack = match step {
            Step::Lease { side, .. } => Some(Step::Ack { side, nth: 0, refused: 0 }),
            _ => None,
        };
        steps.push(step);
        steps.extend(ack.filter(|_| rng.u8(0..8) > 0));
    }
    (setting, steps)
}

fn step(rng: &mut Rng, mood: Mood) -> Step {
    let side = rng.usize(0..NAMES.len()) % 2 + usize::from(mood.newcomers && rng.u8(0..4) == 0);
    let calm = 100;
    match rng.u32(0..calm + mood.crashes + mood.faults + mood.full) {
        0..35 => Step::Commit((0..group_size(rng)).map(|_| shape(rng)).collect()),
        35..58 => Step::Lease { side, bytes: rng.usize(0..4000), tuples: rng.u32(0..30) },
        58..72 => {
            let refused = if rng.u8(0..4) == 0 { rng.u64(1..5) } else { 0 };
            Step::Ack { side, nth: rng.usize(0..4), refused }
        }
        72..77 => Step::Release { side, nth: rng.usize(0..4) },
        77..79 => Step::Decide { accepted: rng.u64(0..5), rejected: rng.u64(0..5) },
        79..86 => Step::Save,
        86..92 => Step::Collect,
        92..94 => Step::Maintain,
        94..98 => Step::Wait { millis: rng.u64(1..3000) },
        98..100 => Step::Restart(restart(rng, mood)),
        other if other < calm + mood.crashes => {
            Step::Stop { nth: rng.u64(1..6), end: end(rng, mood) }
        }
        other if other < calm + mood.crashes + mood.faults => match rng.u8(0..3) {
            0 => Step::Heal,
            _ => Step::Fault { nth: rng.u64(1..6), fault: fault(rng) },
        },
        _ => match rng.u8(0..3) {
            0 => Step::Heal,
            _ => Step::Full { more: rng.u64(0..4000) },
        },
    }
}

/// The first one gets everything and keeps it: what there is shows by it.
fn manners(rng: &mut Rng, mood: Mood) -> [Manners; NAMES.len()] {
    let mut all = PLAIN;
    if mood.crowded {
        all[0].bound = Some(rng.u64(15_000..60_000));
    }
    for manners in &mut all[1..] {
        if mood.filters {
            manners.sources = rng.u8(0..=ALL_SOURCES);
        }
        manners.bound = if mood.crowded {
            Some(rng.u64(15_000..60_000))
        } else {
            (mood.bounds && rng.bool()).then(|| rng.u64(1..8000))
        };
    }
    all
}

fn group_size(rng: &mut Rng) -> usize {
    match rng.u8(0..10) {
        0..5 => 1,
        5..9 => rng.usize(2..6),
        _ => rng.usize(6..14),
    }
}

fn shape(rng: &mut Rng) -> Shape {
    let (blocks, tuples, pad) = match rng.u8(0..10) {
        0..7 => (1, 4, 40),
        7..9 => (rng.usize(2..5), 3, 300),
        _ => (rng.usize(1..7), 3, 1000),
    };
    let block = |rng: &mut Rng| (0..rng.usize(1..tuples)).map(|_| rng.u16(0..pad)).collect();
    Shape {
        source: rng.u8(0..3),
        target: (rng.u8(0..8) == 0).then(|| rng.usize(0..2)),
        blocks: (0..blocks).map(|_| block(rng)).collect(),
        rejected: rng.u64(0..3),
    }
}

fn end(rng: &mut Rng, mood: Mood) -> End {
    let mut troubles = Vec::new();
    while rng.u8(0..5) < 2 {
        let nth = rng.u64(1..12);
        troubles.push(match rng.u8(0..8) {
            0 | 1 if mood.faults > 0 => Trouble::Fault { nth, fault: fault(rng) },
            2 | 3 => Trouble::End { how: how(rng, mood) },
            _ => Trouble::Stop { nth, how: how(rng, mood) },
        });
    }
    End { how: how(rng, mood), troubles, restart: restart(rng, mood) }
}

fn how(rng: &mut Rng, mood: Mood) -> How {
    let seed = rng.u64(..);
    if mood.is_os || rng.u8(0..3) == 0 { How::Kill } else { How::PowerCut { seed } }
}

fn restart(rng: &mut Rng, mood: Mood) -> Restart {
    let flip = Flip {
        file: rng.u64(..),
        offset: rng.u64(..),
        bit: rng.u8(0..8),
        is_position: mood.position_flips && (!mood.flips || rng.bool()),
    };
    let is_flipped = (mood.flips || mood.position_flips) && rng.u8(0..3) == 0;
    Restart {
        configured: (mood.newcomers && rng.u8(0..4) == 0).then(|| rng.u8(0..4)),
        manners: (rng.u8(0..4) == 0).then(|| manners(rng, mood)),
        flip: is_flipped.then_some(flip),
    }
}

fn fault(rng: &mut Rng) -> Fault {
    [Fault::IO, Fault::IO_PART, Fault::NO_SPACE, Fault::NO_SPACE_PART][rng.usize(0..4)]
}

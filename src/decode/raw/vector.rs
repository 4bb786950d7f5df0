//! The two shapes that only Vector sends: a set, of which the size matters, and a distribution, which is
//! folded while it is read.
//!
//! Neither has a limit to what the wire may hold of it, so neither keeps what it is read from: a set is
//! counted, and a sample is [`SAMPLE_BYTES`] bytes, up to [`SAMPLES_MAX`] of them.

use super::{Presence, RawPair};

/// Most samples one distribution may have, as sent: the weight or the value of each may be nothing, but
/// it was sent all the same (contract C2.4, `too_large`).
pub const SAMPLES_MAX: u32 = 65_536;

/// What a sample costs in memory. On the wire none that is kept has less than fourteen bytes (MessagePack,
/// both numbers of one), so the list never costs more than a small multiple of its body.
const SAMPLE_BYTES: usize = 16;

const _: () = assert!(size_of::<Sample>() == SAMPLE_BYTES);

/// `{"values": [...]}`: a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RawSet {
    /// Not there, or null.
    #[default]
    Absent,
    /// There, but no object.
    WrongType,
    /// An object without `values`.
    NoValues,
    /// `values` is no array.
    NoList,
    /// An element of `values` is no string (in MessagePack also as binary), number or boolean.
    OddValue,
    /// So many values, as sent: Vector sends each once.
    Size(u64),
}

impl RawSet {
    /// The member itself.
    pub fn presence(self) -> Presence {
        match self {
            Self::Absent => Presence::Absent,
            Self::WrongType => Presence::WrongType,
            Self::NoValues | Self::NoList | Self::OddValue | Self::Size(_) => Presence::Here,
        }
    }
}

/// `{"samples": [...]}`: a distribution. Its `statistic` says what Vector would make of it, and is not
/// read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawDistribution {
    /// The member itself.
    pub presence: Presence,
    /// The list of samples.
    pub list: Presence,
    /// What the samples come to.
    pub tally: Tally,
}

impl RawDistribution {
    /// Forgets the last one, keeping its buffer.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.presence.is_there() {
            self.presence = Presence::Absent;
            self.list = Presence::Absent;
            self.tally.clear();
        }
    }
}

/// Samples as a [`Fold`] has taken them in, one after the other in the order sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many samples there were, sound or not.
    pub sent: u32,
    /// How many of the sound ones had no value.
    pub skipped: u32,
    /// The sum of all weights. It cannot run over: 2^32 samples of 2^32 each would just fit.
    pub count: u64,
    /// The sum of all values times their weights; not finite where it is too large for a double.
    pub sum: f64,
    /// The first [`SAMPLES_MAX`] samples that weigh something.
    pub samples: Vec<Sample>,
    /// What is wrong with the first sample that is not sound.
    pub fault: Option<&'static str>,
}

impl Tally {
    pub(crate) fn clear(&mut self) {
        self.sent = 0;
        self.skipped = 0;
        self.count = 0;
        self.sum = 0.0;
        self.samples.clear();
        self.fault = None;
    }
}

/// One sample, sound: a number that was seen `weight` times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Finite.
    pub value: f64,
    /// At least one.
    pub weight: u32,
}

/// Takes one sample (`value` as the pair's value, `rate` as its bound) into what came before it.
pub type Fold = fn(&RawPair<'_>, &mut Tally);

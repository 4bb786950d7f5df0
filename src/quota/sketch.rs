//! How many different values there were, about: the values themselves as long as they are few, and then 64
//! registers of the longest run of zeros in a hash, as in HyperLogLog. Exact up to 8 and good to about an
//! eighth beyond, which is enough to say what grows.

/// Registers; as many bytes.
const REGISTERS: usize = 64;

/// Hashes that take the same room.
const FEW: usize = REGISTERS / size_of::<u64>();

/// The standard correction of the harmonic mean for 64 registers.
const ALPHA: f64 = 0.709;

/// Of hashes that are spread evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sketch {
    /// The first so many are these.
    Few(u8, [u64; FEW]),
    Many([u8; REGISTERS]),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Few(0, [0; FEW])
    }
}

impl Sketch {
    /// The same hash twice makes no difference. Whether this one made any.
    pub(super) fn add(&mut self, hash: u64) -> bool {
        match self {
            Self::Many(registers) => note(registers, hash),
            Self::Few(count, hashes) => {
                let known = usize::from(*count);
                if hashes[..known].contains(&hash) {
                    return false;
                }
                if let Some(free) = hashes.get_mut(known) {
                    *free = hash;
                    *count += 1;
                    return true;
                }
                let mut registers = [0; REGISTERS];
                for hash in hashes.iter().chain([&hash]) {
                    note(&mut registers, *hash);
                }
                *self = Self::Many(registers);
                true
            }
        }
    }

    /// How many different ones as long as they are few, and then one more than that.
    pub(super) fn count_of_few(&self) -> u64 {
        match self {
            Self::Few(count, _) => u64::from(*count),
            Self::Many(_) => FEW as u64 + 1,
        }
    }

    /// About how many different ones.
    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Few(count, _) => u64::from(*count),
            Self::Many(registers) => estimate(registers),
        }
    }
}

fn note(registers: &mut [u8; REGISTERS], hash: u64) -> bool {
    let register = &mut registers[(hash % REGISTERS as u64) as usize];
    let rest = hash / REGISTERS as u64;
    // 58 bits are left; of zeros alone there are as many.
    let rank = rest.trailing_zeros().min(57) as u8 + 1;
    let is_longer = rank > *register;
    *register = rank.max(*register);
    is_longer
}

fn estimate(registers: &[u8; REGISTERS]) -> u64 {
    let count = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
    let raw = ALPHA * count * count / sum;
    let blank: usize = registers.iter().map(|rank| usize::from(*rank == 0)).sum();
    // Of few the blank registers say more.
    let estimate =
        if raw <= 2.5 * count && blank > 0 { count * (count / blank as f64).ln() } else { raw };
    // There were more than fit the list.
    (estimate.round() as u64).max(FEW as u64 + 1)
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn counts_are_about_right_and_do_not_mind_repetition() {
        let keys = RandomState::new();
        let mut sketch = Sketch::default();
        assert_eq!(sketch.count(), 0);
        let mut next = 0_u64;
        for wanted in [1_u64, 2, 5, 8, 10, 100, 1000, 10_000, 100_000] {
            while next < wanted {
                sketch.add(keys.hash_one(next));
                next += 1;
            }
            let before = sketch.clone();
            assert!((0..wanted).all(|value| !sketch.add(keys.hash_one(value))));
            assert_eq!(sketch, before);
            let count = sketch.count() as f64;
            // Five times the standard error of 13 %: nobody sees this fail by chance.
            let most = if wanted <= FEW as u64 { 0.0 } else { wanted as f64 * 0.65 };
            assert!((count - wanted as f64).abs() <= most, "{count} of {wanted}");
        }
    }

    #[test]
    fn hashes_at_the_ends_are_taken() {
        let mut sketch = Sketch::default();
        for hash in [0, u64::MAX, 63, 1 << 63] {
            sketch.add(hash);
        }
        assert_eq!(sketch.count(), 4);
        (0..100).for_each(|nth| {
            sketch.add(nth << 57);
        });
        assert!(sketch.count() > 8);
        assert_eq!(size_of::<Sketch>(), 72);
    }
}

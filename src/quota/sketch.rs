//! How many different values there were, about: 64 registers of the longest run of zeros in a hash, as in
//! HyperLogLog. Good to about an eighth, which is enough to say what grows.

/// Registers; as many bytes.
const REGISTERS: usize = 64;

/// The standard correction of the harmonic mean for 64 registers.
const ALPHA: f64 = 0.709;

/// Of hashes that are spread evenly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sketch([u8; REGISTERS]);

impl Default for Sketch {
    fn default() -> Self {
        Self([0; REGISTERS])
    }
}

impl Sketch {
    /// The same hash twice makes no difference.
    pub(super) fn add(&mut self, hash: u64) {
        let register = &mut self.0[(hash % REGISTERS as u64) as usize];
        let rest = hash / REGISTERS as u64;
        // 58 bits are left; of zeros alone there are as many.
        let rank = rest.trailing_zeros().min(57) as u8 + 1;
        *register = rank.max(*register);
    }

    /// About how many different ones.
    pub(super) fn count(&self) -> u64 {
        let count = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|rank| 0.5_f64.powi(i32::from(*rank))).sum();
        let raw = ALPHA * count * count / sum;
        let blank = self.0.iter().filter(|rank| **rank == 0).count();
        // Of few the blank registers say more.
        let estimate =
            if raw <= 2.5 * count && blank > 0 { count * (count / blank as f64).ln() } else { raw };
        estimate.round() as u64
    }
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
        for wanted in [1_u64, 2, 5, 10, 100, 1000, 10_000, 100_000] {
            while next < wanted {
                sketch.add(keys.hash_one(next));
                next += 1;
            }
            let before = sketch.clone();
            (0..wanted).for_each(|value| sketch.add(keys.hash_one(value)));
            assert_eq!(sketch, before);
            let count = sketch.count() as f64;
            // Five times the standard error of 13 %: nobody sees this fail by chance.
            let most = (wanted as f64 * 0.65).max(3.0);
            assert!((count - wanted as f64).abs() <= most, "{count} of {wanted}");
        }
    }

    #[test]
    fn hashes_at_the_ends_are_taken() {
        let mut sketch = Sketch::default();
        [0, u64::MAX, 63, 1 << 63].into_iter().for_each(|hash| sketch.add(hash));
        assert!(sketch.count() > 0);
    }
}

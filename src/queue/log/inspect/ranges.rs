//! Undelivered sequences, asked about in rising order.

/// Sorted ranges of sequences and how far the questions have come.
#[derive(Clone, Debug, Default)]
pub struct Ranges {
    list: Vec<(u64, u64)>,
    at: usize,
}

impl Ranges {
    /// `list`: first and last of each range, rising, not overlapping.
    pub fn new(list: Vec<(u64, u64)>) -> Self {
        Self { list, at: 0 }
    }

    /// Every sequence there is.
    pub fn all() -> Self {
        Self::new(vec![(1, u64::MAX)])
    }

    /// The first sequence of all; `None` where there is none.
    pub fn first(&self) -> Option<u64> {
        self.list.first().map(|range| range.0)
    }

    /// Whether a sequence is in one of them. Questions must not fall behind earlier ones.
    pub fn contains(&mut self, sequence: u64) -> bool {
        self.pass(sequence);
        self.list.get(self.at).is_some_and(|range| range.0 <= sequence)
    }

    /// How many of the sequences from `first` to `last` are in them. Questions must not fall behind
    /// earlier ones.
    pub fn overlap(&mut self, first: u64, last: u64) -> u64 {
        self.pass(first);
        let ranges = self.list.iter().skip(self.at).take_while(|range| range.0 <= last);
        ranges.map(|range| range.1.min(last) - range.0.max(first) + 1).sum()
    }

    fn pass(&mut self, sequence: u64) {
        while self.list.get(self.at).is_some_and(|range| range.1 < sequence) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rising_questions_are_answered_as_a_plain_search_would() {
        let list = vec![(3, 3), (5, 9), (20, u64::MAX)];
        let mut ranges = Ranges::new(list.clone());
        for sequence in 1..30 {
            let is_in = list.iter().any(|(first, last)| (*first..=*last).contains(&sequence));
            assert_eq!(ranges.contains(sequence), is_in, "{sequence}");
            for last in sequence..30 {
                let within = |at: &u64| list.iter().any(|(first, last)| first <= at && at <= last);
                let wanted = (sequence..=last).filter(within).count() as u64;
                assert_eq!(ranges.overlap(sequence, last), wanted, "{sequence} to {last}");
            }
        }
    }
}

//! The model: one state for each sequence, in a plain list.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waiting,
    /// By the first sequence of the loan.
    Lent(u64),
    Done(Tally),
}

#[derive(Clone, Copy, Debug)]
enum Meant {
    All,
    Me,
    Other,
}

#[derive(Clone, Debug)]
struct Sequence {
    fate: Fate,
    tuples: u64,
    meant: Meant,
    is_deleted: bool,
}

#[derive(Clone, Debug)]
enum Op {
    Commit(Vec<(u64, Meant)>),
    Lend {
        at: u64,
        length: u64,
    },
    Shorten {
        loan: usize,
        to: u64,
    },
    Release {
        loan: usize,
    },
    Settle {
        loan: usize,
        class: usize,
    },
    Pass {
        at: u64,
        length: u64,
        class: usize,
    },
    /// New records, and many short done runs among them.
    Scatter {
        stride: u64,
        count: u64,
    },
    Save,
    /// Some of what the last save had passed.
    Delete {
        one_in: u64,
    },
    Crash,
}

struct Model {
    began: u64,
    /// Totals before `began`.
    before: u64,
    sequences: Vec<Sequence>,
    position: Position,
    /// The last save.
    saved: Saved,
}

impl Model {
    fn new(began: u64, before: u64) -> Self {
        let position = Position::begin(began, before);
        let saved = position.save(began - 1, &|_, _| false);
        Self { began, before, sequences: Vec::new(), position, saved }
    }

    fn head(&self) -> u64 {
        self.began + self.sequences.len() as u64 - 1
    }

    fn at(&self, sequence: u64) -> &Sequence {
        &self.sequences[(sequence - self.began) as usize]
    }

    fn range(&mut self, first: u64, last: u64) -> &mut [Sequence] {
        &mut self.sequences[(first - self.began) as usize..=(last - self.began) as usize]
    }

    fn totals_tuples(&self) -> u64 {
        let series = self.sequences.iter().filter(|one| matches!(one.meant, Meant::All));
        self.before + series.map(|one| one.tuples).sum::<u64>()
    }

    fn waiting(&self, at: u64, end: u64) -> Option<(u64, u64)> {
        let waits = |sequence: &u64| self.at(*sequence).fate == Fate::Waiting;
        let first = (at.max(self.began)..=end).find(waits)?;
        Some((first, (first..=end).take_while(waits).last()?))
    }

    fn loans(&self) -> Vec<u64> {
        let begins = |(index, one): (usize, &Sequence)| {
            (one.fate == Fate::Lent(self.began + index as u64)).then_some(index as u64)
        };
        let indexes = self.sequences.iter().enumerate().filter_map(begins);
        indexes.map(|index| self.began + index).collect()
    }

    fn loan_end(&self, first: u64) -> u64 {
        (first..=self.head())
            .take_while(|sequence| self.at(*sequence).fate == Fate::Lent(first))
            .last()
            .unwrap()
    }

    /// Marks a stretch as done in the model; its tally.
    fn finish(&mut self, first: u64, last: u64, class: usize) -> Tally {
        let mut sum = Tally::default();
        for one in self.range(first, last) {
            let mut classes = [0; 6];
            if !matches!(one.meant, Meant::Other) {
                classes[class] = one.tuples;
            }
            let tally = Tally::of_classes(classes);
            one.fate = Fate::Done(tally);
            sum += tally;
        }
        sum
    }

    fn pick_loan(&self, loan: usize) -> Option<u64> {
        let loans = self.loans();
        loans.get(loan % loans.len().max(1)).copied()
    }

    fn apply(&mut self, op: &Op) {
        let head = self.head();
        match op {
            Op::Commit(records) => {
                for &(tuples, meant) in records {
                    let fate = Fate::Waiting;
                    self.sequences.push(Sequence { fate, tuples, meant, is_deleted: false });
                    if let Meant::Me = meant {
                        self.position.add_replayed(tuples);
                    }
                }
            }
            Op::Lend { at, length } => {
                let Some((first, last)) = self.position.waiting(self.began + at, head) else {
                    return;
                };
                let last = last.min(first + length);
                self.position.lend(first, last);
                self.range(first, last).iter_mut().for_each(|one| one.fate = Fate::Lent(first));
            }
            Op::Shorten { loan, to } => {
                let Some(first) = self.pick_loan(*loan) else { return };
                let end = self.loan_end(first);
                let last = end.min(first + to);
                self.position.shorten(first, last);
                let rest = &mut self.range(first, end)[(last - first + 1) as usize..];
                for one in rest {
                    one.fate = Fate::Waiting;
                }
            }
            Op::Release { loan } => {
                let Some(first) = self.pick_loan(*loan) else { return };
                let end = self.loan_end(first);
                self.position.release(first);
                self.range(first, end).iter_mut().for_each(|one| one.fate = Fate::Waiting);
            }
            Op::Settle { loan, class } => {
                let Some(first) = self.pick_loan(*loan) else { return };
                let end = self.loan_end(first);
                let tally = self.finish(first, end, *class);
                self.position.settle(first, tally);
            }
            Op::Pass { at, length, class } => self.pass(self.began + at, *length, *class),
            Op::Scatter { stride, count } => {
                self.apply(&Op::Commit(vec![(1, Meant::All); (stride * count) as usize]));
                for n in 0..*count {
                    self.pass(head + 1 + n * stride, n % 2, 0);
                }
            }
            Op::Save => self.save(),
            Op::Delete { one_in } => {
                for sequence in self.began..=head {
                    if sequence % one_in == 0 && self.saved.is_past(sequence, sequence) {
                        self.range(sequence, sequence)[0].is_deleted = true;
                    }
                }
            }
            Op::Crash => self.crash(),
        }
    }

    fn pass(&mut self, at: u64, length: u64, class: usize) {
        if let Some((first, last)) = self.position.waiting(at, self.head()) {
            let last = last.min(first + length);
            let tally = self.finish(first, last, class);
            self.position.pass(first, last, tally);
        }
    }

    fn save(&mut self) {
        let is_deleted = |first, last| (first..=last).any(|sequence| self.at(sequence).is_deleted);
        let mut saved = self.position.save(self.head(), &is_deleted);
        saved.name = "model".to_owned();
        saved.totals.tuples = self.totals_tuples();
        assert!(saved.is_sound());
        assert_eq!(Saved::parse(&saved.encode()).as_ref(), Ok(&saved));
        let mut sum = Tally::default();
        for sequence in self.began..=self.head() {
            let one = self.at(sequence);
            let is_past = saved.is_past(sequence, sequence);
            assert!(is_past || !one.is_deleted, "{sequence} is deleted, and to be delivered");
            if is_past {
                let Fate::Done(tally) = one.fate else { panic!("{sequence} would be lost") };
                sum += tally;
            }
        }
        assert_eq!(saved.tally, sum);
        assert!(saved.books().is_balanced());
        self.check_overflow(&saved);
        self.saved = saved;
    }

    /// What was given up was no longer than anything kept that could have been given up.
    fn check_overflow(&self, saved: &Saved) {
        let done = self.position.done_runs();
        let length = |run: &(u64, u64, Tally)| run.1 - run.0 + 1;
        let (kept, dropped): (Vec<_>, Vec<_>) =
            done.iter().partition(|run| saved.is_past(run.0, run.1));
        assert_eq!(dropped.len(), (done.len() + 1).saturating_sub(RANGES_MAX));
        let is_free = |run: &&(u64, u64, Tally)| {
            (run.0..=run.1).all(|sequence| !self.at(sequence).is_deleted)
        };
        let shortest = kept.into_iter().filter(is_free).map(length).min();
        let longest = dropped.into_iter().map(length).max();
        assert!(longest.is_none() || shortest.is_none() || longest <= shortest);
    }

    /// Back to the last save; what was committed since then is still there.
    fn crash(&mut self) {
        self.position = Position::from_saved(&self.saved);
        for sequence in self.began..=self.head() {
            if !self.saved.is_past(sequence, sequence) {
                self.range(sequence, sequence)[0].fate = Fate::Waiting;
            }
        }
        for sequence in self.saved.head + 1..=self.head() {
            if let Sequence { meant: Meant::Me, tuples, .. } = *self.at(sequence) {
                self.position.add_replayed(tuples);
            }
        }
    }

    fn check(&self) {
        let head = self.head();
        let is_done = |sequence: u64| matches!(self.at(sequence).fate, Fate::Done(_));
        let ends = [self.began, self.began + 3, self.began + 40, head];
        for at in [0, self.began, self.began + 3, self.began + 40, head] {
            for end in ends.map(|end| end.min(head)) {
                assert_eq!(self.position.waiting(at, end), self.waiting(at, end), "{at} to {end}");
                let is_past = (at.max(self.began)..=end).all(is_done);
                assert_eq!(self.position.is_past(at, end), is_past, "{at} to {end}");
                let first = (at.max(self.began)..=end).find(|at| !is_done(*at));
                let until = first.map(|first| {
                    let end = (first..=head).find(|at| is_done(*at));
                    end.map_or(u64::MAX, |end| end - 1)
                });
                assert_eq!(self.position.held_until(at, end), until, "{at} to {end}");
            }
        }
        let low = (self.began..=head).find(|at| !is_done(*at)).unwrap_or(head + 1);
        assert_eq!(self.position.low(), low);
        assert_eq!(self.position.is_drained(head), low > head);
        let loans = self.loans();
        assert_eq!(self.position.has_loans(), !loans.is_empty());
        assert_eq!(self.position.lent().count(), loans.len());
        let begins = |at: &u64| is_done(*at) && !is_done(*at - 1);
        let runs = (low + 1..=head).filter(begins).count();
        assert_eq!(self.position.runs(), runs + loans.len());
        let queued = |one: &&Sequence| {
            !matches!(one.meant, Meant::Other) && !matches!(one.fate, Fate::Done(_))
        };
        let queued: u64 = self.sequences.iter().filter(queued).map(|one| one.tuples).sum();
        let books = self.position.books(self.totals_tuples());
        assert!(books.is_balanced());
        assert_eq!(books.queued, queued);
    }
}

fn op() -> impl Strategy<Value = Op> {
    let meant = prop_oneof![8 => Just(Meant::All), 1 => Just(Meant::Me), 1 => Just(Meant::Other)];
    let records = prop::collection::vec((1_u64..100, meant), 1..60);
    let class = 0_usize..6;
    prop_oneof![
        4 => records.prop_map(Op::Commit),
        6 => (0_u64..300, 0_u64..12).prop_map(|(at, length)| Op::Lend { at, length }),
        1 => (0_usize..9, 0_u64..6).prop_map(|(loan, to)| Op::Shorten { loan, to }),
        2 => (0_usize..9).prop_map(|loan| Op::Release { loan }),
        5 => (0_usize..9, class.clone()).prop_map(|(loan, class)| Op::Settle { loan, class }),
        2 => (0_u64..300, 0_u64..20, class)
            .prop_map(|(at, length, class)| Op::Pass { at, length, class }),
        1 => (2_u64..5, 10_u64..60)
            .prop_map(|(stride, count)| Op::Scatter { stride, count }),
        3 => Just(Op::Save),
        2 => (1_u64..9).prop_map(|one_in| Op::Delete { one_in }),
        1 => Just(Op::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_position_is_what_a_plain_list_says_across_saves_and_crashes(
        began in 1_u64..20,
        before in 0_u64..50,
        ops in prop::collection::vec(op(), 1..60),
    ) {
        let mut model = Model::new(began, before);
        model.save();
        for op in &ops {
            model.apply(op);
            model.check();
        }
        model.save();
    }
}

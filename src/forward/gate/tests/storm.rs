//! Whatever happened before: while nothing that begins is accepted, and no time passes, the requests come
//! to an end. Turns and sessions together, as deliveries join them.

use proptest::prelude::*;

use super::super::super::loan::{Bond, Crew, Why};
use super::super::super::part::Part;
use super::super::super::session::{Evidence, Refusal, Session, Step};
use super::super::turns::Granted;
use super::*;
use crate::encode::Block;
use crate::metric::timestamp::Timestamp;
use crate::queue::Leased;

/// What a delivery keeps between two attempts.
struct Worker {
    session: Session,
    since: Option<u64>,
    bond: Option<Bond>,
    place: Option<u64>,
    /// With the part it posts.
    on_wire: Option<(Granted, Part)>,
}

struct World {
    turns: Turns,
    crew: Arc<Crew>,
    workers: Vec<Worker>,
    now: Instant,
    tuples: u32,
    requests: usize,
}

fn fresh(tuples: u32) -> Worker {
    let texts: Vec<_> = (0..tuples).map(|index| format!("[{index}]")).collect();
    let lease = Leased {
        sequence: 1,
        source: Arc::from("shop"),
        received: Timestamp::from_unix(1, 0),
        block: Block { bytes: texts.join(",\n").into(), tuples },
    };
    let session = Session::new(Part::of(&[lease]));
    Worker { session, since: None, bond: None, place: None, on_wire: None }
}

impl World {
    fn new(workers: usize, tuples: u32) -> Self {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));
        let pace = Pace::new(backoff, Duration::from_secs(30));
        Self {
            turns: Turns::new(pace, Limit::new(workers - 1)),
            crew: Arc::new(Crew::new(workers)),
            workers: (0..workers).map(|_| fresh(tuples)).collect(),
            now: Instant::now(),
            tuples,
            requests: 0,
        }
    }

    /// One step of this worker, as far as it gets without an answer. Whether it got anywhere.
    fn step(&mut self, worker: usize) -> bool {
        let (turns, now) = (&mut self.turns, self.now);
        let this = &mut self.workers[worker];
        if this.on_wire.is_some() {
            return false;
        }
        let place = *this.place.get_or_insert_with(|| {
            let who = if this.session.is_doubtful() { Who::Doubtful } else { Who::Other };
            turns.join(who)
        });
        if turns.look(place, now) != Look::Pass {
            return false;
        }
        let granted = turns.grant(place);
        this.place = None;
        let has_evidence = this.since.is_some_and(|since| turns.pace.evidence_since(since));
        if has_evidence {
            this.bond = None;
        }
        match this.session.next(has_evidence, usize::MAX) {
            Step::Post(part) => {
                this.on_wire = Some((granted, part));
                self.requests += 1;
            }
            Step::Suspect => {
                turns.give_back(&granted);
                turns.suspect(this.since.unwrap(), now);
                self.keep_or_give_back(worker);
            }
            Step::Over { .. } => {
                turns.give_back(&granted);
                self.workers[worker] = fresh(self.tuples);
            }
        }
        true
    }

    fn keep_or_give_back(&mut self, worker: usize) {
        let this = &mut self.workers[worker];
        if this.bond.is_none() {
            this.bond = self.crew.bind(Why::Refused);
        }
        if this.bond.is_none() {
            self.workers[worker] = fresh(self.tuples);
        }
    }

    fn answer(&mut self, worker: usize, word: Word, status: u16) {
        let this = &mut self.workers[worker];
        let Some((granted, _)) = this.on_wire.take() else { return };
        let change = self.turns.report(&granted, attempt(word), self.now, 0.5);
        let refusal = Refusal { status, answer: Arc::from("no"), at: Timestamp::from_unix(2, 0) };
        let evidence = match (word, status) {
            (Word::Accepted, _) => {
                this.bond = None;
                return this.session.accepted();
            }
            (Word::Refused, 413) => this.session.too_large(refusal),
            (Word::Refused, _) => this.session.refused(refusal),
            _ => return,
        };
        if evidence == Evidence::Anew {
            this.since = Some(change.next_number);
            if this.session.is_suspect() {
                self.turns.suspect(change.next_number, self.now);
            }
        }
        if matches!(change.after, Mode::Held { .. }) && this.session.is_doubtful() {
            self.keep_or_give_back(worker);
        }
    }

    fn act(&mut self, worker: usize, act: Act) {
        match act {
            Act::Step => {
                self.step(worker);
            }
            Act::Answer(word, status) => self.answer(worker, word, status),
            Act::Pass(seconds) => self.now += Duration::from_secs(seconds),
            Act::NewKey => self.turns.pace.retry_now(self.now),
        }
    }

    /// Everybody does what it can, and everything that begins is refused; what is on the wire by now
    /// is answered by `old`. How many requests that takes.
    fn storm(&mut self, old: &[Word], status: u16) -> usize {
        let began = self.requests;
        let first = self.turns.pace.next_number();
        let mut old = old.iter().cycle();
        loop {
            let mut is_moving = false;
            for worker in 0..self.workers.len() {
                is_moving |= self.step(worker);
            }
            // One answer at a time, the newest first: the slow ones come last of all.
            let on_wire = |worker: &Worker| Some(worker.on_wire.as_ref()?.0.begun.number());
            let numbers = self.workers.iter().map(on_wire).enumerate();
            let Some((worker, number)) = numbers.max_by_key(|(_, number)| *number) else { break };
            if let Some(number) = number {
                let word = if number >= first { Word::Refused } else { *old.next().unwrap() };
                self.answer(worker, word, status);
                is_moving = true;
            }
            if !is_moving || self.requests - began > 100_000 {
                break;
            }
        }
        self.requests - began
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Step,
    Answer(Word, u16),
    Pass(u64),
    NewKey,
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => Just(Word::Accepted),
        6 => Just(Word::Refused),
        1 => Just(RETRY),
        1 => Just(Word::Never),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => Just(Act::Step),
        8 => (word(), prop_oneof![4 => Just(400), 1 => Just(413)])
            .prop_map(|(word, status)| Act::Answer(word, status)),
        1 => (0..90_u64).prop_map(Act::Pass),
        1 => Just(Act::NewKey),
    ]
}

/// About the most requests of one delivery until it is suspect: down to the first lone tuple of 64, a tree
/// with sixteen leaves below, and both once more where there was evidence before.
const UNTIL_SUSPECT: usize = 80;

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nobody_hammers_a_receiver_that_accepts_nothing(
        acts in prop::collection::vec((0..5_usize, act()), 0..400),
        workers in 2..=5_usize,
        tuples in 1..64_u32,
        old in prop::collection::vec(word(), 1..5),
        status in prop_oneof![3 => Just(400_u16), 1 => Just(413)],
    ) {
        let mut world = World::new(workers, tuples);
        for (worker, act) in acts {
            world.act(worker % workers, act);
        }
        // A lone tuple too large is a dead letter without evidence, and another lease comes.
        let status = if tuples < 16 { 400 } else { status };
        let requests = world.storm(&old, status);
        prop_assert!(requests <= workers * workers * UNTIL_SUSPECT, "{requests} at once");
        prop_assert!(world.turns.pace.mode() != Mode::Flowing);
        // An old answer may have made it retry, from which it has to come to a suspicion yet.
        world.now += Duration::from_mins(10);
        let requests = world.storm(&old, status);
        prop_assert!(requests <= workers * workers * UNTIL_SUSPECT, "{requests} at once");
        // From then on one for each wait, and one more in all.
        let mut requests = 0;
        for _ in 0..4 {
            world.now += Duration::from_secs(30);
            requests += world.storm(&old, status);
        }
        prop_assert!(requests <= 4 + 1, "{requests} in four waits");
    }
}

//! Any script of outcomes: nothing is lost or invented, and only what stood alone in a refused request
//! becomes a dead letter.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A tuple's name: its record, and its index there.
type Name = (u64, u32);

/// What the receiver, or somebody else, does at one attempt.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Answers as its rules say.
    Rules,
    /// Refuses the content, whatever it is, for so many attempts.
    RefusesAll(u8),
    /// Answers 413, whatever it is.
    TooLarge,
    /// From now on takes at most so many bytes.
    Limit(usize),
    /// From now on refuses these tuples, by a hash of their names, and no others.
    Poison(u32),
    /// Retry, hold or step down: nothing is decided.
    Undecided,
    /// Accepts what its rules accept, but the answer is lost.
    AnswerLost,
    /// Accepts a request of another session, which began just now.
    OtherAccepted,
    /// Accepts one that began long before.
    OtherAcceptedLate,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => Just(Event::Rules),
        2 => (1..60_u8).prop_map(Event::RefusesAll),
        1 => Just(Event::TooLarge),
        2 => (1..400_usize).prop_map(Event::Limit),
        2 => any::<u32>().prop_map(Event::Poison),
        2 => Just(Event::Undecided),
        2 => Just(Event::AnswerLost),
        1 => Just(Event::OtherAccepted),
        2 => Just(Event::OtherAcceptedLate),
    ]
}

/// Blocks by their tuples' lengths.
fn blocks() -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(1..40_usize, 1..60), 1..6)
}

/// What a test knows about one tuple.
#[derive(Default)]
struct Known {
    text: String,
    /// Attempts in which the receiver took it, and in which the session heard so.
    taken: Option<u64>,
    heard: Option<u64>,
    /// The last attempt in which it stood alone and was refused, and the status.
    refused: Option<(u64, u16)>,
}

struct World {
    tuples: BTreeMap<Name, Known>,
    /// The number of the latest attempt of anybody.
    attempt: u64,
    /// The highest accepted one, and the mark of the session.
    accepted: Option<u64>,
    mark: u64,
    limit: usize,
    poison: u32,
    refuses_all: u8,
    first_content_refusal: Option<u64>,
    /// The first attempt begun after that one that was accepted.
    first_evidence: Option<u64>,
}

impl World {
    fn new(blocks: &[Vec<usize>]) -> (Self, Part) {
        let mut tuples = BTreeMap::new();
        let mut leases = Vec::new();
        for (sequence, lengths) in (10..).zip(blocks) {
            let text = |(index, length)| format!("[{sequence},{index}{}]", " ".repeat(length));
            let texts: Vec<String> = (0_u32..).zip(lengths.iter().copied()).map(text).collect();
            leases.push(leased(sequence, &texts));
            tuples.extend(
                (0..)
                    .zip(texts)
                    .map(|(index, text)| ((sequence, index), Known { text, ..Known::default() })),
            );
        }
        let world = Self {
            tuples,
            attempt: 0,
            accepted: None,
            mark: 0,
            limit: usize::MAX,
            poison: 0,
            refuses_all: 0,
            first_content_refusal: None,
            first_evidence: None,
        };
        (world, Part::of(&leases))
    }

    fn has_evidence(&self) -> bool {
        self.accepted.is_some_and(|attempt| attempt > self.mark)
    }

    fn is_poison(&self, (sequence, index): Name) -> bool {
        self.poison != 0 && (sequence as u32 * 7_919 + index * 104_729).is_multiple_of(self.poison)
    }

    /// The status by the rules.
    fn verdict(&self, part: &Part) -> u16 {
        if part.bytes() > self.limit {
            413
        } else if names(part).any(|name| self.is_poison(name)) {
            422
        } else {
            202
        }
    }

    /// One attempt of the session.
    fn post(&mut self, session: &mut Session, part: &Part, event: Event) {
        self.attempt += 1;
        let attempt = self.attempt;
        for name in names(part) {
            let known = &self.tuples[&name];
            assert_eq!(known.heard, None, "{name:?} was delivered, and is posted again");
        }
        let mut status = self.verdict(part);
        match event {
            Event::Undecided => return,
            Event::AnswerLost if status == 202 => {
                names(part).for_each(|name| self.known(name).taken = Some(attempt));
                return;
            }
            Event::TooLarge => status = 413,
            _ if self.refuses_all > 0 => {
                self.refuses_all -= 1;
                status = 400;
            }
            _ => {}
        }
        if status == 202 {
            self.accept(attempt);
            for name in names(part) {
                let known = self.known(name);
                (known.taken, known.heard) = (Some(attempt), Some(attempt));
            }
            return session.accepted();
        }
        if part.tuples() == 1 {
            let name = names(part).next().unwrap();
            self.known(name).refused = Some((attempt, status));
        }
        let evidence = if status == 413 {
            session.too_large(refusal(413))
        } else {
            self.first_content_refusal.get_or_insert(attempt);
            session.refused(refusal(status))
        };
        if evidence == Evidence::Anew {
            self.mark = self.attempt;
        }
    }

    fn accept(&mut self, attempt: u64) {
        self.accepted = Some(attempt);
        if self.first_content_refusal.is_some() {
            self.first_evidence.get_or_insert(attempt);
        }
    }

    fn known(&mut self, name: Name) -> &mut Known {
        self.tuples.get_mut(&name).expect("nothing is invented")
    }

    /// What happens beside the session's attempts.
    fn happen(&mut self, event: Event) {
        match event {
            Event::RefusesAll(attempts) => self.refuses_all = attempts,
            Event::Limit(limit) => self.limit = limit,
            Event::Poison(poison) => self.poison = poison % 50,
            Event::OtherAccepted => {
                self.attempt += 1;
                self.accept(self.attempt);
            }
            Event::OtherAcceptedLate => self.accepted = self.accepted.max(Some(self.mark)),
            _ => {}
        }
    }

    /// Every tuple is settled once, and rightly.
    fn check_end(&self, delivered: u64, lone: &[Lone]) {
        let heard = self.tuples.values().filter(|known| known.heard.is_some()).count();
        assert_eq!(delivered, heard as u64);
        let mut letters = BTreeSet::new();
        for Lone { piece, refusal } in lone {
            let name = (piece.sequence, piece.first);
            let known = &self.tuples[&name];
            assert!(letters.insert(name), "{name:?} twice");
            assert_eq!((piece.tuples, &*piece.bytes), (1, known.text.as_bytes()));
            assert_eq!(known.heard, None, "{name:?} is delivered and a dead letter");
            let (attempt, status) = known.refused.expect("it stood alone in a refused request");
            assert_eq!(refusal.status, status, "with the last answer");
            assert!(known.taken.is_none_or(|taken| taken < attempt), "a refusal came after it");
            if status != 413 {
                let evidence = self.first_evidence.expect("something was accepted");
                assert!(attempt > evidence, "refused at {attempt}, others accepted at {evidence}");
            }
        }
        assert_eq!(heard + letters.len(), self.tuples.len(), "nothing is lost");
    }
}

fn names(part: &Part) -> impl Iterator<Item = Name> {
    let of = |piece: &Piece| {
        (piece.first..piece.first + piece.tuples).zip(std::iter::repeat(piece.sequence))
    };
    part.pieces().iter().flat_map(of).map(|(index, sequence)| (sequence, index))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn any_script_loses_nothing_and_buries_only_what_stood_alone(
        blocks in blocks(),
        script in prop::collection::vec((event(), prop_oneof![3 => Just(ALL), 1 => 1..600_usize]), 0..150),
        mended in prop_oneof![Just(0_u32), 1..50_u32],
    ) {
        let (mut world, part) = World::new(&blocks);
        let mut session = Session::new(part);
        let mut script = script.into_iter();
        let (mut suspicions, mut steps_after_script) = (0, 0);
        // In the end the receiver takes everything but a few tuples, and the deliveries of others.
        let mut end = |world: &mut World| {
            (world.refuses_all, world.limit, world.poison) = (0, ALL, mended);
            world.happen(Event::OtherAccepted);
            steps_after_script += 1;
            prop_assert!(steps_after_script <= 4 * 300 + 100, "it ends");
            Ok((Event::Rules, ALL))
        };
        loop {
            let (event, bytes_max) = match script.next() {
                Some(event) => event,
                None => end(&mut world)?,
            };
            world.happen(event);
            let has_evidence = world.has_evidence();
            match session.next(has_evidence, bytes_max) {
                Step::Post(part) => {
                    prop_assert!(part.bytes() <= bytes_max || part.tuples() == 1);
                    let bytes = part.pieces().iter().map(|piece| piece.bytes.len() + 2).sum::<usize>();
                    prop_assert_eq!(part.bytes(), bytes - 2);
                    world.post(&mut session, &part, event);
                }
                Step::Suspect => {
                    suspicions += 1;
                    prop_assert!(!has_evidence && session.is_suspect());
                    prop_assert!(suspicions <= 2, "said once, and once more if content follows size");
                }
                Step::Over { delivered, lone } => {
                    world.check_end(delivered, &lone);
                    break;
                }
            }
        }
    }
}

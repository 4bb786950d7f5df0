//! Whether everything came to the end it should come to.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate::app::Ended;
use tidegate::receiver::Received;

use super::World;
use crate::support::endure::books::Books;
use crate::support::endure::letters::Letter;

/// What a receiver and its dead letters have had in the end.
pub(crate) struct Outcome {
    pub(crate) received: Received,
    /// Every letter there ever was, in order.
    pub(crate) letters: Vec<Letter>,
    pub(crate) ended: Ended,
}

impl World {
    /// Waits until all is delivered or dead, stops the gateway, and judges: exactly `dead` are dead
    /// letters, everything else accepted was delivered, and the books say the same.
    pub(crate) async fn end(mut self, dead: &[impl AsRef<str>]) -> Outcome {
        let name = self.receivers[0].0;
        let all = self.accepted();
        self.settled(name).await;
        self.judge(name, &all, &dead.iter().map(|name| name.as_ref().to_owned()).collect()).await;
        let ended = self.stop().await;
        let letters = self.letters(name);
        let (_, receiver) = self.receivers.remove(0);
        Outcome { received: receiver.stop().await, letters, ended }
    }

    /// [`Self::end`] without dead letters.
    pub(crate) async fn end_clean(self) -> Outcome {
        self.end(&[""; 0]).await
    }

    /// That this receiver got `all` but `dead`, which are its dead letters, and that its books balance.
    pub(crate) async fn judge(
        &self,
        receiver: &str,
        all: &BTreeSet<String>,
        dead: &BTreeSet<String>,
    ) {
        let arrived = arrived(&self.receiver(receiver).received());
        let letters: Vec<String> =
            self.letters(receiver).into_iter().map(|letter| letter.name()).collect();
        let dead_names: BTreeSet<String> = letters.iter().cloned().collect();
        assert_eq!(letters.len(), dead_names.len(), "a dead letter stands twice: {letters:?}");
        assert_eq!(&dead_names, dead, "the dead letters of {receiver}");
        let expected: BTreeSet<String> = all.difference(dead).cloned().collect();
        assert_same(&arrived, &expected, receiver);
        let books = self.balanced(receiver).await;
        assert_eq!(books("delivered_total"), expected.len() as u64, "delivered to {receiver}");
        assert_eq!(books("dead_lettered_total"), dead.len() as u64, "dead letters of {receiver}");
        assert_eq!(books("expired_total") + books("damaged_total") + books("purged_total"), 0);
    }

    /// The books of this receiver, which balance.
    pub(crate) async fn balanced(&self, receiver: &str) -> impl Fn(&str) -> u64 + use<> {
        let books = Books::read(self.gateway().admin_addr().unwrap()).await;
        assert_eq!(books.sample("tidegate_books_balanced"), 1);
        let receiver = receiver.to_owned();
        let of =
            move |name: &str| books.sample(&format!("tidegate_{name}{{receiver=\"{receiver}\"}}"));
        let out = ["delivered", "filtered", "dead_lettered", "expired", "damaged", "purged"];
        let out: u64 = out.iter().map(|name| of(&format!("{name}_total"))).sum();
        assert_eq!(of("series_total") + of("replayed_total"), out + of("queued"));
        of
    }
}

/// All letters in the JSON of `dead-letters ls --json`.
pub(crate) fn count_letters(stdout: &[u8]) -> u64 {
    let told: Value = serde_json::from_slice(stdout).unwrap();
    let receivers = told["receivers"].as_array().unwrap().iter();
    receivers.map(|receiver| receiver["letters"].as_u64().unwrap()).sum()
}

/// The names of all tuples a receiver took.
pub(crate) fn arrived(received: &Received) -> BTreeSet<String> {
    received.tuples.iter().map(|tuple| tuple.parts().name.into_owned()).collect()
}

/// That two sets are the same, and which names differ.
pub(crate) fn assert_same(arrived: &BTreeSet<String>, expected: &BTreeSet<String>, what: &str) {
    let some = |set: &BTreeSet<String>, other| {
        let mut found: Vec<String> = set.difference(other).cloned().collect();
        let count = found.len();
        found.truncate(5);
        (count, found)
    };
    let (missing, strange) = (some(expected, arrived), some(arrived, expected));
    let none = (0, Vec::new());
    assert!(
        missing == none && strange == none,
        "{what}: missing {missing:?}, not expected {strange:?}"
    );
}

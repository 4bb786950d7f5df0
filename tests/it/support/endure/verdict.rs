//! What came out of a run, in numbers and as a judgement.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use super::Plan;
use super::blows::Dealt;
use super::books::Books;
use super::script::Act;
use super::tally::{Counts, Faults};

/// Names of dead letters.
pub(crate) struct Dead {
    /// Those on the disk, in order.
    pub(crate) letters: Vec<String>,
    /// Those that must be there, each once.
    pub(crate) expected: Vec<String>,
}

impl Dead {
    fn problems(&self) -> Vec<String> {
        let sets: [BTreeSet<&String>; 2] =
            [&self.letters, &self.expected].map(|it| it.iter().collect());
        let [letters, expected] = &sets;
        let told = |what: &str, names: Vec<&&String>| {
            (!names.is_empty())
                .then(|| format!("{} {what}: {:?}", names.len(), &names[..names.len().min(5)]))
        };
        let twice = self.letters.len() - letters.len();
        let twice = (twice > 0).then(|| format!("{twice} dead letters stand there twice"));
        [
            told("dead letters are missing", expected.difference(letters).collect()),
            told("dead letters should be none", letters.difference(expected).collect()),
            twice,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Everything that is known at the end of a run.
pub(crate) struct Verdict {
    pub(crate) plan: Plan,
    pub(crate) took: Duration,
    pub(crate) dealt: Dealt,
    pub(crate) counts: Counts,
    pub(crate) faults: Faults,
    /// Of a durable queue.
    pub(crate) dead: Option<Dead>,
    /// Metrics of requests that arrived whole.
    pub(crate) whole_ids: u64,
    pub(crate) panics: Vec<String>,
    pub(crate) log: String,
    pub(crate) acts: BTreeMap<Act, u64>,
    /// After the last delivery; of a durable queue.
    pub(crate) books: Option<Books>,
    /// How the last gateway ended on SIGTERM.
    pub(crate) last_end: ExitStatus,
    /// What `tidegate queue verify` found wrong in the files; of a durable queue.
    pub(crate) files: Option<Result<(), String>>,
}

impl Verdict {
    /// What is wrong; nothing, if all promises were kept.
    pub(crate) fn problems(&self) -> Vec<String> {
        let faults = &self.faults;
        let mut problems = self.dealt.bad_ends.clone();
        let mut count = |number: u64, what: &str| {
            if number > 0 {
                problems.push(format!("{number} {what}"));
            }
        };
        count(faults.lost_ids, "acknowledged metrics are lost");
        count(faults.strangers, "tuples arrived that nobody sent");
        count(faults.refused_but_arrived, "requests arrived that were refused");
        count(faults.partial.len() as u64, "requests arrived in part");
        count(self.panics.len() as u64, "panics in the log");
        problems.extend(faults.examples.iter().cloned());
        problems.extend(faults.partial.iter().take(5).cloned());
        problems.extend(self.panics.iter().take(5).cloned());
        if !self.last_end.success() {
            problems.push(format!("the last SIGTERM ended in {}", self.last_end));
        }
        if let Some(books) = &self.books {
            let dead = self.dead.as_ref().map_or(0, |dead| dead.expected.len() as u64);
            problems.extend(books.faults(self.whole_ids, dead));
        }
        problems.extend(self.dead.iter().flat_map(Dead::problems));
        if let Some(Err(said)) = &self.files {
            problems.push(format!("`tidegate queue verify`: {said}"));
        }
        problems
    }

    /// Panics with everything that helps to find out, if a promise was not kept.
    pub(crate) fn assert_good(&self) {
        let problems = self.problems();
        assert!(problems.is_empty(), "{self}\n{}\n\nlog:\n{}", problems.join("\n"), self.log);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, dealt, counts, faults) = (&self.plan, &self.dealt, &self.counts, &self.faults);
        let named = |map: &BTreeMap<_, u64>| format!("{map:?}");
        let blows: BTreeMap<String, u64> =
            dealt.blows.iter().map(|(blow, count)| (format!("{blow:?}"), *count)).collect();
        let acts: BTreeMap<String, u64> =
            self.acts.iter().map(|(act, count)| (format!("{act:?}"), *count)).collect();
        writeln!(
            f,
            "seed {}, {} clients, durability {}, {:.1} s",
            plan.seed,
            plan.clients,
            plan.durability,
            self.took.as_secs_f64()
        )?;
        writeln!(f, "kills            {}  {}", dealt.kills, named(&blows))?;
        writeln!(f, "receiver         {} deliveries taken  {}", counts.deliveries, named(&acts))?;
        writeln!(
            f,
            "acknowledged     {} metrics in {} requests",
            counts.acknowledged_ids, counts.acknowledged
        )?;
        writeln!(
            f,
            "answer lost      {} requests; refused (503) {}",
            counts.unknown, counts.refused
        )?;
        writeln!(f, "arrived          {} metrics", counts.arrived_ids)?;
        writeln!(f, "lost             {}", faults.lost_ids)?;
        let dead = self.dead.as_ref().map_or(0, |dead| dead.letters.len());
        writeln!(f, "dead letters     {dead}")?;
        let share = counts.repeated_ids as f64 * 100.0 / (counts.arrived_ids.max(1)) as f64;
        write!(f, "delivered twice  {} ({share:.2} %)", counts.repeated_ids)
    }
}

//! The last log line: what became of everything that was accepted.

use std::fmt::Write as _;

use super::Afterwards;
use super::Ended;
use super::announce::data_dir;
use super::ending::Story;
use crate::config::Config;
use crate::forward::State;

pub(super) fn ended(story: &Story, afterwards: Afterwards, config: &Config) {
    let Ended { delivered, queued, gone, orphaned, lost } = story.ended;
    let text = epitaph(story, afterwards, config);
    if lost > 0 {
        tracing::warn!(queue.delivered = delivered, queue.lost = lost, "{text}");
    } else {
        let data_dir = data_dir(config);
        tracing::info!(
            queue.delivered = delivered,
            queue.tuples = queued,
            queue.gone = gone,
            queue.orphaned = orphaned,
            data_dir,
            "{text}"
        );
    }
}

/// It in a sentence.
fn epitaph(story: &Story, afterwards: Afterwards, config: &Config) -> String {
    let Ended { queued, gone, orphaned, lost, .. } = story.ended;
    let directory = config.data_dir.display();
    let (is_sole, shares) = (story.last.len() == 1, shares(story));
    let mut text = match (lost, queued) {
        (0, 0) if is_sole => "stopped: nothing is queued for the receiver".to_owned(),
        (0, 0) => "stopped: nothing is queued for any receiver".to_owned(),
        (0, _) if afterwards == Afterwards::Removed => {
            format!("stopped: {queued} tuples{shares} are still queued in {directory}")
        }
        (0, _) => format!(
            "stopped: {queued} tuples{shares} stay queued in {directory} and are delivered after the \
             next start with it"
        ),
        (..) => {
            format!("stopped: {lost} accepted tuples{shares} are lost with the queue in memory")
        }
    };
    if afterwards == Afterwards::Kept || lost > 0 {
        text.push_str(&reasons(story, config));
    }
    for (number, what) in [
        (gone, "were damaged or expired since the queue began"),
        (orphaned, "stay for receivers that are not configured"),
    ] {
        if number > 0 {
            text.extend(["; ", &number.to_string(), " tuples ", what]);
        }
    }
    text
}

/// What is left for each receiver that has something left, by the order of the configuration.
fn left(story: &Story) -> impl Iterator<Item = (&str, u64, &State)> {
    story.last.iter().filter_map(|last| {
        let (_, books) = story.books.iter().find(|(name, _)| *name == last.name)?;
        let tuples = books.queued + books.lost;
        (tuples > 0).then_some((&*last.name, tuples, &last.state))
    })
}

/// ` (a: 1, b: 2)`; nothing where there is one receiver.
fn shares(story: &Story) -> String {
    if story.last.len() == 1 {
        return String::new();
    }
    let shares: Vec<_> = left(story).map(|(name, tuples, _)| format!("{name}: {tuples}")).collect();
    if shares.is_empty() { String::new() } else { format!(" ({})", shares.join(", ")) }
}

/// Why those whom something is left for did not take it.
fn reasons(story: &Story, config: &Config) -> String {
    let (mut text, is_lost) = (String::new(), story.ended.lost > 0);
    for (name, _, state) in left(story) {
        let who = if story.last.len() == 1 {
            "the receiver".to_owned()
        } else {
            format!("receiver {name}")
        };
        let written = match (state, is_lost) {
            (State::Held { why, .. }, false) => {
                write!(text, "; {who} refuses them until it is mended: {why}")
            }
            (State::Held { why, .. }, true) => {
                write!(text, "; {who} refused them until the end: {why}")
            }
            (State::Retrying | State::Flowing, true) => write!(
                text,
                "; {who} did not take them within {} (`shutdown.grace`)",
                humantime::format_duration(config.shutdown.grace)
            ),
            // Nothing is wrong, or nothing that would not pass.
            (State::Retrying | State::Flowing, false) => Ok(()),
        };
        written.expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::receivers::Last;
    use super::*;
    use crate::config::{Environment, load};
    use crate::queue::Books;

    fn told(ended: Ended, each: &[(&str, u64, State)], afterwards: Afterwards) -> String {
        let text =
            format!("data_dir = \"/d\"\n{}", include_str!("../../fixtures/config/minimal.toml"));
        let config = load("test", &text, &Environment::default()).unwrap().config;
        let books = each.iter().map(|(name, queued, _)| {
            ((*name).into(), Books { queued: *queued, ..Books::default() })
        });
        let last = each.iter();
        let last = last.map(|(name, _, state)| Last { name: (*name).into(), state: state.clone() });
        let story = Story { ended, books: books.collect(), last: last.collect() };
        epitaph(&story, afterwards, &config)
    }

    #[test]
    fn the_last_line_says_what_is_true() {
        let all = Ended { delivered: 9, queued: 2, gone: 3, orphaned: 4, lost: 0 };
        let kept = "2 tuples stay queued in /d and are delivered after the next start with it";
        let more = "3 tuples were damaged or expired since the queue began; 4 tuples stay for receivers \
                    that are not configured";
        for (ended, afterwards, wanted) in [
            (
                Ended { delivered: 9, ..Ended::default() },
                Afterwards::Kept,
                "nothing is queued for the receiver".to_owned(),
            ),
            (all, Afterwards::Kept, format!("{kept}; {more}")),
            (all, Afterwards::Removed, format!("2 tuples are still queued in /d; {more}")),
            (
                Ended { queued: 0, ..all },
                Afterwards::Kept,
                format!("nothing is queued for the receiver; {more}"),
            ),
            (
                Ended { lost: 7, ..Ended::default() },
                Afterwards::Kept,
                "7 accepted tuples are lost with the queue in memory; the receiver did not take them \
                 within 10s (`shutdown.grace`)"
                    .to_owned(),
            ),
        ] {
            let left = ended.queued + ended.lost;
            let said = told(ended, &[("default", left, State::Flowing)], afterwards);
            assert_eq!(said, format!("stopped: {wanted}"));
        }
    }

    #[test]
    fn of_several_receivers_each_is_named_with_what_is_left_for_it_and_why() {
        let held = || State::Held { status: Some(403), why: "HTTP 403".into() };
        let queued = Ended { queued: 9, ..Ended::default() };
        let each = [("a", 0, held()), ("b", 4, State::Retrying), ("c", 5, held())];
        assert_eq!(
            told(queued, &each, Afterwards::Kept),
            "stopped: 9 tuples (b: 4, c: 5) stay queued in /d and are delivered after the next start \
             with it; receiver c refuses them until it is mended: HTTP 403"
        );
        let lost = Ended { lost: 9, ..Ended::default() };
        assert_eq!(
            told(lost, &each, Afterwards::Kept),
            "stopped: 9 accepted tuples (b: 4, c: 5) are lost with the queue in memory; receiver b did \
             not take them within 10s (`shutdown.grace`); receiver c refused them until the end: HTTP 403"
        );
        assert_eq!(
            told(Ended::default(), &each[..1], Afterwards::Kept),
            "stopped: nothing is queued for the receiver"
        );
        let idle = [("a", 0, held()), ("b", 0, held())];
        assert_eq!(
            told(Ended::default(), &idle, Afterwards::Kept),
            "stopped: nothing is queued for any receiver"
        );
    }
}

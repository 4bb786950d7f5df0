//! What the measurements of a body get from where it came: the path it was pushed to, the target it was
//! scraped from.

use std::fmt;

use bumpalo::Bump;

use super::Labelled;
use crate::decode::raw::{RawTag, Scalar};

/// Where a body came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'a> {
    /// Labels that every measurement gets.
    pub labels: &'a [(String, String)],
    /// What becomes of a label of the same name.
    pub clash: Clash,
    /// Whether measurements may say when they were made.
    pub timestamps: Timestamps,
    /// Series without further labels that the origin brings itself: those of a body are refused.
    pub own: &'a [&'a str],
    /// Whether the last line of a page may lack its line feed.
    pub ending: Ending,
    /// What each series must say of its sender.
    pub token: LabelToken<'a>,
}

/// The token that every series of a remote write request must name in its label, where one named the
/// sender; it is a secret.
#[derive(Clone, Copy, Default)]
pub struct LabelToken<'a>(pub Option<&'a str>);

impl fmt::Debug for LabelToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "LabelToken(***)" } else { "LabelToken(none)" })
    }
}

/// What becomes of a label that the origin has as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clash {
    /// The origin's takes its place, as in the grouping key of a push.
    #[default]
    Replaced,
    /// It stays, as `exported_<name>`, and the origin's has its name: a scrape's.
    Exported,
    /// It stays and the origin's is left out: `honor_labels`. One that was sent empty stays away, as a
    /// Pushgateway means it by `instance=""`.
    Kept,
}

/// Whether the last line of a page in Prometheus' text may lack its line feed, as it does where a page
/// was cut in the middle of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It may not: what was cut elsewhere may have been sent with the length it has left.
    #[default]
    Whole,
    /// It may: whoever fetched the page knows that all of it came.
    Open,
}

/// Whether measurements may say when they were made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// They may.
    #[default]
    Taken,
    /// They may, and nobody listens.
    Ignored,
    /// One that does refuses the whole body: a push has no history.
    Refused,
}

impl<'a> Origin<'a> {
    /// Whether a series, its labels given, is one that the origin brings itself.
    pub(crate) fn brings(&self, series: &Labelled<'a>) -> bool {
        if !self.own.contains(&series.name) {
            return false;
        }
        let labels = || self.labels.iter().filter(|(_, value)| !value.is_empty());
        let has = |name: &str, value: &str| {
            let is_it = |tag: &RawTag<'_>| tag.sent_key == name && tag.value == Scalar::Text(value);
            series.tags.tags.iter().any(is_it)
        };
        series.tags.tags.len() == labels().count() && labels().all(|(name, value)| has(name, value))
    }

    /// Whether it was pushed, as to a Pushgateway: the values of one moment, each once.
    pub(crate) fn is_push(&self) -> bool {
        self.timestamps == Timestamps::Refused
    }

    /// Gives a series the labels of its origin.
    pub(crate) fn label(&self, series: &mut Labelled<'a>, arena: &'a Bump) {
        for (name, value) in self.labels {
            let clashing = series.tags.tags.iter().any(|tag| tag.sent_key == name);
            match self.clash {
                Clash::Kept if clashing || series.empty.contains(&&**name) => continue,
                Clash::Replaced if clashing => series.tags.tags.retain(|tag| tag.sent_key != name),
                Clash::Exported if clashing => export(series, name, arena),
                _ => {}
            }
            // An empty label is none, and an origin's takes the place of another all the same.
            if !value.is_empty() {
                series.attribute(name, Scalar::Text(value));
            }
        }
    }
}

#[cold]
fn export<'a>(series: &mut Labelled<'a>, name: &str, arena: &'a Bump) {
    let mut exported = format!("exported_{name}");
    while series.tags.tags.iter().any(|tag| tag.sent_key == exported) {
        exported.insert_str(0, "exported_");
    }
    let exported: &'a str = arena.alloc_str(&exported);
    for tag in series.tags.tags.iter_mut().filter(|tag| tag.sent_key == name) {
        (tag.key, tag.sent_key) = (exported, exported);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        clash: Clash,
        own: &[(&str, &str)],
        origin: &[(&str, &str)],
        expected: &[(&str, &str)],
    ) {
        let arena = Bump::new();
        let labels: Vec<_> =
            origin.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let origin = Origin { labels: &labels, clash, ..Origin::default() };
        let mut series = Labelled::blank();
        for (name, value) in own {
            series.label(name, value);
        }
        origin.label(&mut series, &arena);
        let mut left: Vec<_> = series
            .tags
            .tags
            .iter()
            .map(|tag| match tag.value {
                Scalar::Text(value) => (tag.key, value),
                other => panic!("{other:?}"),
            })
            .collect();
        left.sort_unstable();
        assert_eq!(left, expected, "{clash:?} {own:?}");
    }

    #[test]
    fn a_label_of_the_origin_meets_one_of_the_same_name() {
        let own = [("a", "1"), ("job", "mine")];
        let origin = [("instance", "i"), ("job", "theirs")];
        check(Clash::Replaced, &own, &origin, &[("a", "1"), ("instance", "i"), ("job", "theirs")]);
        check(Clash::Kept, &own, &origin, &[("a", "1"), ("instance", "i"), ("job", "mine")]);
        check(
            Clash::Exported,
            &own,
            &origin,
            &[("a", "1"), ("exported_job", "mine"), ("instance", "i"), ("job", "theirs")],
        );
        check(
            Clash::Exported,
            &[("exported_job", "older"), ("job", "mine")],
            &[("job", "theirs")],
            &[("exported_exported_job", "mine"), ("exported_job", "older"), ("job", "theirs")],
        );
        check(Clash::Replaced, &own, &[("job", "")], &[("a", "1")]);
        check(Clash::Kept, &own, &[("job", "")], &own);
    }

    #[test]
    fn a_label_sent_empty_is_kept_away_where_labels_are_honored() {
        let labels = [("instance".to_owned(), "gateway:9091".to_owned())];
        for (clash, expected) in [(Clash::Kept, 0), (Clash::Replaced, 1), (Clash::Exported, 1)] {
            let (arena, mut series) = (Bump::new(), Labelled::blank());
            series.empty.push("instance");
            let origin = Origin { labels: &labels, clash, ..Origin::default() };
            origin.label(&mut series, &arena);
            assert_eq!(series.tags.tags.len(), expected, "{clash:?}");
            series.begin();
            origin.label(&mut series, &arena);
            assert_eq!(series.tags.tags.len(), 1, "{clash:?}: the next series does not say so");
        }
    }
}

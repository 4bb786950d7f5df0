//! Measurements in one form, whoever tells of them, so that they can be compared.

use std::collections::BTreeMap;

use tidegate::receiver::{Kind, Tuple};

/// One measurement of one series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    /// `name{key:value,key:value}`, tags in order.
    pub(crate) series: String,
    /// Whole seconds since 1970; zero where nobody says.
    pub(crate) seconds: i64,
    /// As the shortest double. There is one zero: remote write cannot tell the other.
    pub(crate) value: String,
}

/// How often each was seen.
pub(crate) type Counted = BTreeMap<Point, usize>;

impl Point {
    /// `None` where no tuple can hold the value.
    pub(crate) fn new<'a>(
        name: &str,
        labels: impl IntoIterator<Item = (&'a str, &'a str)>,
        seconds: i64,
        value: f64,
    ) -> Option<Self> {
        let tag = |(key, value)| sane(&format!("{key}:{value}"));
        // No label and an empty one are the same.
        let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
        let series = series(name, labels.map(tag).collect());
        value.is_finite().then(|| Self { series, seconds, value: number(value) })
    }

    /// What a tuple says, and its type.
    pub(crate) fn of(tuple: &Tuple) -> (Self, Kind) {
        let parts = tuple.parts();
        let tags = parts.tags.iter().map(ToString::to_string).collect();
        let value = number(parts.value.parse().expect("it was judged"));
        let series = series(&parts.name, tags);
        (Self { series, seconds: parts.seconds, value }, parts.kind)
    }

    pub(crate) fn name(&self) -> &str {
        self.series.split('{').next().expect("there is a first")
    }

    pub(crate) fn has(&self, key: &str, value: &str) -> bool {
        let (_, tags) = self.series.split_once('{').expect("tags, if only none");
        tags.trim_end_matches('}').split(',').any(|tag| tag == format!("{key}:{value}"))
    }

    /// The same at no instant.
    pub(crate) fn timeless(&self) -> Self {
        Self { seconds: 0, ..self.clone() }
    }
}

fn series(name: &str, mut tags: Vec<String>) -> String {
    tags.sort_unstable();
    format!("{name}{{{}}}", tags.join(","))
}

/// Control characters are `_` on the way (contract C4.7).
fn sane(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '_' } else { letter }).collect()
}

fn number(value: f64) -> String {
    format!("{:?}", value + 0.0)
}

/// The same with its type before its name.
pub(crate) fn typed((point, kind): &(Point, Kind)) -> Point {
    Point { series: format!("{kind:?} {}", point.series), ..point.clone() }
}

/// Counts them.
pub(crate) fn counted(points: impl IntoIterator<Item = Point>) -> Counted {
    let mut counted = Counted::new();
    points.into_iter().for_each(|point| *counted.entry(point).or_default() += 1);
    counted
}

/// What is in `wanted` more often than in `there`, less some thousands of equals.
pub(crate) fn missing(wanted: &Counted, there: &Counted) -> Vec<String> {
    let lacks = |(point, count): (&Point, &usize)| {
        let found = there.get(point).copied().unwrap_or_default();
        (found < *count).then(|| format!("{point:?}: {count} wanted, {found} found"))
    };
    wanted.iter().filter_map(lacks).take(20).collect()
}

/// Panics unless both have the same, equally often.
pub(crate) fn assert_same(left: (&str, &Counted), right: (&str, &Counted)) {
    let ((left_name, left), (right_name, right)) = (left, right);
    let (only_left, only_right) = (missing(left, right), missing(right, left));
    assert!(
        only_left.is_empty() && only_right.is_empty(),
        "only {left_name}: {only_left:#?}\nonly {right_name}: {only_right:#?}"
    );
}

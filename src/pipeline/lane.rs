//! The straight lane: an ordinary JSON metric goes from its text into the [`Metric`] in one pass.
//!
//! Its contract: for every item it answers with `Some`, the metric and the warnings are those of
//! `decode::item::read` and `normalize::Rules::normalize`, to the byte. For any other it answers `None`, and the
//! caller reads the item again by that road, which alone knows all the rules and writes every rejection.
//! So the lane has no opinions: it takes a closed list of members, each once, in any order, with plain
//! texts and numbers in them ([`Plain`]), passes plain members nobody reads, and leaves at the first sign
//! of anything else. The values
//! themselves are judged by the same functions of `normalize` either way.

use crate::decode::item;
use crate::decode::json::Plain;
use crate::decode::raw::{Number, RawPair, Scalar};
use crate::metric::{Flow, Metric, Pair, Shape, Totals};
use crate::normalize::{self, Ordinary, PAIRS_MAX, Profile, Rules, Warnings};

pub(super) mod packed;

/// The members seen so far; another of the same kind leaves the lane.
#[derive(Default)]
struct Seen(u8);

const NAME: u8 = 1;
const TIME: u8 = 2;
const TAGS: u8 = 4;
const VALUE: u8 = 8;
const KIND: u8 = 16;

impl Seen {
    #[inline]
    fn once(&mut self, member: u8) -> Option<()> {
        let again = self.0 & member != 0;
        self.0 |= member;
        if again { None } else { Some(()) }
    }
}

/// Whether the lane is worth a try. An item that leaves it is read twice, so in a body of such items
/// only some of them are tried.
#[derive(Default)]
pub(super) struct Luck {
    /// Items since the last one that stayed in the lane.
    missed: u32,
}

impl Luck {
    /// So many may leave in a row; from then on one in as many is tried.
    const ENOUGH: u32 = 8;

    #[inline]
    pub(super) fn is_worth_a_try(&self) -> bool {
        self.missed < Self::ENOUGH || self.missed.is_multiple_of(Self::ENOUGH)
    }

    #[inline]
    pub(super) fn stayed(&mut self) {
        self.missed = 0;
    }

    /// An item took the other road, tried or not.
    #[inline]
    pub(super) fn left(&mut self) {
        self.missed = self.missed.wrapping_add(1);
    }
}

/// Reads one item into `metric`.
#[inline]
pub(super) fn read<'a>(
    text: &mut Plain<'a>,
    rules: &mut Rules<'a>,
    metric: &mut Metric<'a>,
) -> Option<Warnings> {
    let mut seen = Seen::default();
    let mut tags = rules.ordinary_tags(metric);
    let (mut name, mut dt, mut flow, mut shape) = ("", None, Flow::Total, None);
    metric.pairs.clear();
    let mut more = text.open("{", "}")?;
    while more {
        text.peek()?;
        if text.is("\"name\"") {
            seen.once(NAME)?;
            text.colon()?;
            name = text.string()?;
        } else if text.is("\"dt\"") || text.is("\"timestamp\"") {
            seen.once(TIME)?;
            text.colon()?;
            dt = Some(scalar(text)?);
        } else if text.is("\"tags\"") {
            seen.once(TAGS)?;
            text.colon()?;
            read_tags(text, &mut tags, rules.profile(), metric)?;
        } else if text.is("\"gauge\"") {
            seen.once(VALUE)?;
            shape = Some(Shape::Gauge(normalize::value(point(text)?)?));
        } else if text.is("\"counter\"") {
            seen.once(VALUE)?;
            shape = Some(Shape::Counter(normalize::value(point(text)?)?, Flow::Total));
        } else if text.is("\"histogram\"") || text.is("\"aggregated_histogram\"") {
            seen.once(VALUE)?;
            shape = Some(Shape::Histogram(histogram(text, metric)?, Flow::Total));
        } else if text.is("\"summary\"") || text.is("\"aggregated_summary\"") {
            seen.once(VALUE)?;
            shape = Some(Shape::Summary(summary(text, metric)?, Flow::Total));
        } else if text.is("\"kind\"") {
            seen.once(KIND)?;
            text.colon()?;
            flow = if text.string()? == "incremental" { Flow::Delta } else { Flow::Total };
        } else {
            unread(text)?;
        }
        more = text.more("}")?;
    }
    metric.shape = with_flow(shape?, flow);
    rules.complete(name, tags, dt, metric)
}

/// Passes a member nobody reads, `namespace` or `interval_ms` of Vector for one, if its value is plain too.
fn unread(text: &mut Plain<'_>) -> Option<()> {
    if item::is_read(text.string()?) {
        return None;
    }
    text.colon()?;
    text.pass_scalar()
}

/// `kind` may stand before or behind the value it is about.
#[inline]
fn with_flow(shape: Shape<'_>, flow: Flow) -> Shape<'_> {
    match shape {
        Shape::Gauge(value) => Shape::Gauge(value),
        Shape::Counter(value, _) => Shape::Counter(value, flow),
        Shape::Histogram(totals, _) => Shape::Histogram(totals, flow),
        Shape::Summary(totals, _) => Shape::Summary(totals, flow),
    }
}

/// A string or a number.
#[inline]
fn scalar<'a>(text: &mut Plain<'a>) -> Option<Scalar<'a>> {
    if text.peek()? == b'"' { text.string().map(Scalar::Text) } else { number(text) }
}

#[inline]
fn number<'a>(text: &mut Plain<'a>) -> Option<Scalar<'a>> {
    text.number().map(|literal| Scalar::Number(Number::Literal(literal)))
}

#[inline]
fn read_tags<'a>(
    text: &mut Plain<'a>,
    tags: &mut Ordinary<'a>,
    profile: &Profile,
    metric: &mut Metric<'a>,
) -> Option<()> {
    let mut more = text.open("{", "}")?;
    while more {
        if let Some(key) = tags.expected(metric)
            && text.is_string_of(key)
        {
            tags.add_expected(text.string_inside()?, profile, metric)?;
            more = text.more("}")?;
            continue;
        }
        let key = text.key()?;
        let value = if text.is(":\"") { text.string_inside()? } else { spaced_value(text)? };
        tags.add((key, value), (key, value), profile, metric)?;
        more = text.more("}")?;
    }
    Some(())
}

/// The value of a tag behind white space, or a number, whose text is its digits as sent (C2.3).
fn spaced_value<'a>(text: &mut Plain<'a>) -> Option<&'a str> {
    text.colon()?;
    if text.peek()? == b'"' { text.string() } else { text.number() }
}

/// `:{"value":n}`, and n of it.
#[inline]
fn point<'a>(text: &mut Plain<'a>) -> Option<&'a str> {
    text.colon()?;
    text.take("{")?;
    text.peek()?;
    text.is("\"value\"").then_some(())?;
    text.colon()?;
    let number = text.number()?;
    text.take("}")?;
    Some(number)
}

#[inline(never)]
fn histogram<'a>(text: &mut Plain<'a>, metric: &mut Metric<'a>) -> Option<Totals<'a>> {
    let names = [r#""buckets""#, r#""upper_limit""#, r#""count""#];
    series(text, names, &mut metric.pairs, |pair| normalize::bucket(pair).ok())
}

#[inline(never)]
fn summary<'a>(text: &mut Plain<'a>, metric: &mut Metric<'a>) -> Option<Totals<'a>> {
    let names = [r#""quantiles""#, r#""quantile""#, r#""value""#];
    // A quantile without a value is worth a warning, which is not given here.
    series(text, names, &mut metric.pairs, |pair| normalize::quantile(pair).ok().flatten())
}

/// `:{"count":n,"sum":n,LIST:[{BOUND:..,VALUE:n},..]}`, members in any order.
#[expect(clippy::inline_always, reason = "the names are constants where it is inlined")]
#[inline(always)]
fn series<'a>(
    text: &mut Plain<'a>,
    [list, bound, value]: [&str; 3],
    pairs: &mut Vec<Pair<'a>>,
    judge: impl Fn(&RawPair<'a>) -> Option<Pair<'a>>,
) -> Option<Totals<'a>> {
    text.colon()?;
    let (mut count, mut sum, mut listed) = (None, None, false);
    let mut more = text.open("{", "}")?;
    while more {
        text.peek()?;
        if text.is("\"count\"") {
            text.colon()?;
            first(count.replace(number(text)?))?;
        } else if text.is("\"sum\"") {
            text.colon()?;
            first(sum.replace(number(text)?))?;
        } else {
            (!listed && text.is(list)).then_some(())?;
            listed = true;
            text.colon()?;
            let mut more_pairs = text.open("[", "]")?;
            while more_pairs {
                let pair = judge(&pair(text, bound, value)?)?;
                if pairs.len() == PAIRS_MAX {
                    return None;
                }
                pairs.push(pair);
                more_pairs = text.more("]")?;
            }
        }
        more = text.more("}")?;
    }
    if listed { normalize::totals(count, sum).ok() } else { None }
}

/// A member that came once more was there before.
fn first(before: Option<Scalar<'_>>) -> Option<()> {
    if before.is_some() { None } else { Some(()) }
}

#[inline]
fn pair<'a>(text: &mut Plain<'a>, bound_name: &str, value_name: &str) -> Option<RawPair<'a>> {
    let mut pair = RawPair::default();
    let mut more = text.open("{", "}")?;
    while more {
        text.peek()?;
        if text.is(bound_name) {
            text.colon()?;
            first(pair.bound.replace(scalar(text)?))?;
        } else {
            text.is(value_name).then_some(())?;
            text.colon()?;
            first(pair.value.replace(number(text)?))?;
        }
        more = text.more("}")?;
    }
    Some(pair)
}

#[cfg(test)]
mod tests;

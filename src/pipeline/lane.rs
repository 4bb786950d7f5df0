//! The straight lane: an ordinary JSON metric goes from its text into the [`Metric`] in one pass.
//!
//! Its contract: for every item it answers with `Some`, the metric and the warnings are those of
//! `decode::item::read` and `normalize::Rules::normalize`, to the byte. For any other it answers `None`, and the
//! caller reads the item again by that road, which alone knows all the rules and writes every rejection.
//! So the lane has no opinions: it takes a closed list of members, each once, in any order, with plain
//! texts and numbers in them ([`Plain`]), and leaves at the first sign of anything else. The values
//! themselves are judged by the same functions of `normalize` either way.

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
const OTHER: u8 = 32;

impl Seen {
    #[inline]
    fn once(&mut self, member: u8) -> Option<()> {
        let again = self.0 & member != 0;
        self.0 |= member;
        if again { None } else { Some(()) }
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
            // A member nobody reads, and Vector always sends.
            text.is("\"namespace\"").then_some(())?;
            seen.once(OTHER)?;
            text.colon()?;
            text.string()?;
        }
        more = text.more("}")?;
    }
    metric.shape = with_flow(shape?, flow);
    rules.complete(name, tags, dt, metric)
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
mod tests {
    use std::sync::Arc;

    use bumpalo::Bump;

    use super::*;
    use crate::decode::item;
    use crate::decode::json::JsonReader;
    use crate::decode::pull::Pull as _;
    use crate::decode::raw::RawMetric;
    use crate::metric::text::Texts;
    use crate::metric::timestamp::Timestamp;
    use crate::normalize::Policy;

    /// Whether the lane takes `item`; if so, it must be what the other road makes of it.
    fn taken(item: &str, profile: &Profile) -> bool {
        taken_behind("{}", item, profile)
    }

    /// The same behind another item, from which the lane or the other road comes.
    fn taken_behind(before: &str, item: &str, profile: &Profile) -> bool {
        let arena = Bump::new();
        let (now, texts) = (Timestamp::from_unix(1_795_343_400, 5), Texts::new(&arena));
        let (mut rules, mut straight) = (Rules::new(now, profile, texts), Metric::blank());
        let mut reader = JsonReader::new(before, &arena);
        let mut plain = reader.plain().expect("JSON");
        if read(&mut plain, &mut rules, &mut straight).is_none() {
            let mut raw = RawMetric::new(normalize::JUDGES);
            if item::read(&mut reader, &mut raw).is_ok() {
                _ = rules.normalize(&mut raw, &mut straight);
            }
        }
        let mut reader = JsonReader::new(item, &arena);
        let mut plain = reader.plain().expect("JSON");
        let warnings = read(&mut plain, &mut rules, &mut straight);
        let Some(warnings) = warnings else { return false };

        let (mut raw, mut metric) = (RawMetric::new(normalize::JUDGES), Metric::blank());
        item::read(&mut reader, &mut raw).expect("what the lane takes is valid");
        let general = Rules::new(now, profile, texts).normalize(&mut raw, &mut metric);
        assert_eq!(Ok((warnings, straight)), general.map(|warnings| (warnings, metric)), "{item}");
        let end = reader.offset();
        reader.go_on_after(&plain);
        assert_eq!(reader.offset(), end, "{item}");
        true
    }

    const NAMES: &[&str] = &[
        r#""cpu""#,
        r#""hosts.up""#,
        r#""""#,
        r#""a\"b""#,
        "\"\u{e9}\"",
        "7",
        "null",
        r#""tab	""#,
    ];
    const DTS: &[&str] = &[
        r#""2026-11-22T10:29:59.25Z""#,
        r#""2026-11-22T10:28:00Z""#,
        r#""2026-02-30T00:00:00Z""#,
        r#""yesterday""#,
        "1795343400",
        "1795343400.5",
        "-1",
        "null",
        "true",
        r#""\u0031""#,
        "1e99",
    ];
    const TAGS: &[&str] = &[
        "{}",
        r#"{"a":"b"}"#,
        r#"{"host":"h","a":"b"}"#,
        r#"{"a":"b","a":"c"}"#,
        r#"{"a:b":"c"}"#,
        r#"{"a":7,"b":-1.50,"c":1e3}"#,
        r#"{"":"x"}"#,
        r#"{"a":""}"#,
        r#"{"dt":"x","env":"own"}"#,
        r#"{"a":null}"#,
        r#"{"a":["x"]}"#,
        r#"{"a":{}}"#,
        "[]",
        "null",
        r#"{"a" : "b" , "c" :7 }"#,
        r#"{"a":"b",}"#,
        r#"{"a":01}"#,
        r#"{"a":"\u0041"}"#,
        r#"{"host":"","hostname":"h2"}"#,
        "{\"a\":\"\u{7f}\"}",
        r#"{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkk":"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"}"#,
    ];
    const POINTS: &[&str] = &[
        r#"{"value":1}"#,
        r#"{"value":-0.50}"#,
        r#"{"value":1e400}"#,
        r#"{"value":1e-400}"#,
        r#"{"value":"1"}"#,
        r#"{"value":true}"#,
        "{}",
        "1",
        "null",
        r#"{ "value" : 12 }"#,
        r#"{"value":1,"value":2}"#,
        r#"{"x":1,"value":2}"#,
        r#"{"value":123456789012345678901234567890123}"#,
    ];
    const HISTOGRAMS: &[&str] = &[
        r#"{"count":3,"sum":1.5,"buckets":[{"upper_limit":0.10,"count":1},{"upper_limit":"+Inf","count":2}]}"#,
        r#"{"buckets":[],"sum":-1,"count":0}"#,
        r#"{"count":-1,"sum":1,"buckets":[]}"#,
        r#"{"count":1,"sum":1}"#,
        r#"{"count":1,"sum":1,"buckets":null}"#,
        r#"{"count":1,"sum":1,"buckets":[{"count":1}]}"#,
        r#"{"count":1,"sum":1,"buckets":[{"upper_limit":null,"count":1}]}"#,
        r#"{"count":1,"sum":1,"buckets":[{"count":7e2,"upper_limit":1e9}],"count":2}"#,
        r#"{"count":1,"sum":1,"buckets":[{"upper_limit":"x","count":1}]}"#,
    ];
    const SUMMARIES: &[&str] = &[
        r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":0.5,"value":1},{"value":-2,"quantile":0.99}]}"#,
        r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":0.5,"value":null}]}"#,
        r#"{"count":3,"sum":1.5,"quantiles":[{"quantile":"+Inf","value":1}]}"#,
    ];
    const KINDS: &[&str] = &[r#""incremental""#, r#""absolute""#, "null", "3"];

    fn member(random: &mut fastrand::Rng) -> String {
        let pick =
            |random: &mut fastrand::Rng, of: &[&str]| of[random.usize(..of.len())].to_owned();
        // The first of each list is plain, and most often wanted.
        let mut odd =
            |of: &[&str]| if random.u8(..4) > 0 { of[0].to_owned() } else { pick(random, of) };
        let values = [
            ("name", odd(NAMES)),
            ("name", odd(NAMES)),
            ("dt", odd(DTS)),
            ("timestamp", odd(DTS)),
            ("tags", odd(TAGS)),
            ("gauge", odd(POINTS)),
            ("counter", odd(POINTS)),
            ("histogram", odd(HISTOGRAMS)),
            ("aggregated_histogram", odd(HISTOGRAMS)),
            ("summary", odd(SUMMARIES)),
            ("aggregated_summary", odd(SUMMARIES)),
            ("kind", odd(KINDS)),
            ("namespace", odd(NAMES)),
            ("set", odd(POINTS)),
            ("metric", odd(POINTS)),
            ("unknown", odd(TAGS)),
            ("n\\u0061me", odd(NAMES)),
        ];
        let (key, value) = &values[random.usize(..values.len())];
        let space = if random.u8(..8) == 0 { " \t\r\n" } else { "" };
        format!("{space}\"{key}\"{space}:{space}{value}{space}")
    }

    #[test]
    fn whatever_the_lane_takes_is_what_the_other_road_makes_of_it() {
        let fixed = [("env".to_owned(), "prod".to_owned()), ("host".to_owned(), "f".to_owned())];
        let profiles = [&[][..], &fixed]
            .map(|tags| Profile::new(Arc::new(Policy::default()), Some("gateway"), tags));
        let mut random = fastrand::Rng::with_seed(5);
        let (mut total, mut before) = (0, "{}".to_owned());
        for round in 0..60_000 {
            let mut members =
                vec![r#""name":"cpu""#.to_owned(), r#""gauge":{"value":1}"#.to_owned()];
            members.truncate(random.usize(..3));
            members.extend((0..random.usize(..5)).map(|_| member(&mut random)));
            random.shuffle(&mut members);
            let item = format!("{{{}}}", members.join(","));
            let profile = &profiles[round % 2];
            assert_eq!(
                taken(&item, profile),
                taken_behind(&before, &item, profile),
                "{before}{item}"
            );
            total += u32::from(taken(&item, profile));
            // The same cut short, which is never taken.
            let cut = item.floor_char_boundary(random.usize(..item.len()));
            assert!(
                !taken(item.get(..cut).expect("a boundary"), &profiles[0]),
                "{item} up to {cut}"
            );
            before = item;
        }
        assert!((3_000..50_000).contains(&total), "{total} taken");
    }

    #[test]
    fn tags_are_read_alike_behind_any_others() {
        let fixed = [("env".to_owned(), "prod".to_owned()), ("dt".to_owned(), "f".to_owned())];
        let profiles = [&[][..], &fixed]
            .map(|tags| Profile::new(Arc::new(Policy::default()), Some("gateway"), tags));
        let more = [
            r#"{"a":"b","host":"h"}"#,
            r#"{"a":"c","host":"","b":"x"}"#,
            r#"{"a":"d","b":"x","host":"i"}"#,
            r#"{"a":"d","b":"x","a":"i"}"#,
            r#"{"env":"e","a":"d"}"#,
            r#"{"env":"e","a":"d","dt":"kept"}"#,
            r#"{"a":"d" }"#,
            r#"{"a":"d"} "#,
            r#"{"ab":"d"}"#,
        ];
        let items: Vec<_> = TAGS
            .iter()
            .chain(&more)
            .flat_map(|tags| {
                let item =
                    |dt| format!(r#"{{"name":"x","dt":{dt},"tags":{tags},"gauge":{{"value":1}}}}"#);
                [item(r#""2026-11-22T10:29:59Z""#), item(r#""yesterday""#)]
            })
            .collect();
        for (before, item) in items.iter().flat_map(|a| items.iter().map(move |b| (a, b))) {
            for profile in &profiles {
                assert_eq!(taken(item, profile), taken_behind(before, item, profile));
            }
        }
    }

    #[test]
    fn an_ordinary_metric_stays_in_the_lane() {
        let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
        for dt in &DTS[..6] {
            for tags in &TAGS[..3] {
                let (gauge, histogram, summary) = (POINTS[1], HISTOGRAMS[0], SUMMARIES[0]);
                for value in [
                    format!(r#""gauge":{gauge}"#),
                    format!(r#""kind":"incremental","counter":{gauge}"#),
                    format!(r#""histogram":{histogram},"kind":"absolute""#),
                    format!(r#""aggregated_summary":{summary},"namespace":"app""#),
                ] {
                    let item = format!(r#"{{"name":"cpu","dt":{dt},"tags":{tags},{value}}}"#);
                    assert!(taken(&item, &profile), "{item}");
                    assert!(
                        taken(&item.replace(':', ": ").replace(',', ", "), &profile)
                            || dt.contains(':')
                    );
                }
            }
        }
    }

    #[test]
    fn what_the_lane_keeps_is_bounded() {
        let profile = Profile::new(Arc::new(Policy::default()), None, &[]);
        let list = |of: &dyn Fn(usize) -> String, count: usize| {
            (0..count).map(of).collect::<Vec<_>>().join(",")
        };
        let tags = |count| {
            let tags = list(&|at| format!(r#""k{at}":"v""#), count);
            format!(r#"{{"name":"x","gauge":{{"value":1}},"tags":{{{tags}}}}}"#)
        };
        let buckets = |count| {
            let buckets = list(&|at| format!(r#"{{"upper_limit":{at},"count":1}}"#), count);
            format!(r#"{{"name":"x","histogram":{{"count":1,"sum":1,"buckets":[{buckets}]}}}}"#)
        };
        let value = |length: usize| {
            format!(
                r#"{{"name":"x","gauge":{{"value":1}},"tags":{{"a":"{}"}}}}"#,
                "v".repeat(length)
            )
        };
        assert!(taken(&tags(128), &profile) && !taken(&tags(129), &profile));
        assert!(taken(&buckets(1_024), &profile) && !taken(&buckets(1_025), &profile));
        assert!(taken(&value(4_096), &profile) && !taken(&value(4_097), &profile));
    }
}

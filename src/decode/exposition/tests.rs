//! What the reader makes of pages, and what it has against others.

use std::fmt::Write as _;

use super::*;
use crate::decode::raw::Scalar;
use crate::metric::value::Value;

mod random;

/// The samples of a page, one a line, as far as they are sound; then what is wrong with the rest.
fn read(page: &str, syntax: Exposition, timestamps: Timestamps) -> (String, Option<Fault>) {
    read_of(page, syntax, &Origin { timestamps, ending: Ending::Open, ..Origin::default() })
}

fn read_of(page: &str, syntax: Exposition, origin: &Origin<'_>) -> (String, Option<Fault>) {
    let arena = Bump::new();
    let mut reader = Reader::new(page, syntax, origin, &arena);
    let mut next = Labelled::blank();
    let mut lines = String::new();
    loop {
        match reader.next(&mut next) {
            Ok(Some(_)) => show(&next, &mut lines),
            Ok(None) => return (lines, None),
            Err(fault) => return (lines, Some(fault)),
        }
    }
}

/// `name{label=value,..} counter 1 @seconds.nanos`
fn show(sample: &Labelled<'_>, lines: &mut String) {
    lines.push_str(sample.name);
    for tag in &sample.tags.tags {
        let Scalar::Text(value) = tag.value else { panic!("{tag:?}") };
        write!(lines, " {}={value:?}", tag.key).unwrap();
    }
    match sample.reading {
        Reading::Shape(Shape::Counter(value, Flow::Total)) => {
            write!(lines, " counter {}", digits(value)).unwrap();
        }
        Reading::Shape(Shape::Gauge(value)) => write!(lines, " gauge {}", digits(value)).unwrap(),
        Reading::NotFinite => lines.push_str(" not finite"),
        Reading::Unfit(flaw) => write!(lines, " {flaw:?}").unwrap(),
        other => panic!("{other:?}"),
    }
    if let Some(at) = sample.at {
        write!(lines, " @{}.{:09}", at.seconds(), at.nanos()).unwrap();
    }
    lines.push('\n');
}

fn digits(value: Value<'_>) -> String {
    match value {
        Value::Literal(literal) => literal.to_owned(),
        Value::Double(double) => format!("{double:?}"),
        other => panic!("{other:?}"),
    }
}

fn sound(page: &str, syntax: Exposition) -> String {
    match read(page, syntax, Timestamps::Taken) {
        (lines, None) => lines,
        (_, Some(fault)) => panic!("{page:?}: {fault:?}"),
    }
}

/// The fault of each page, whose place is marked by `^` in it.
fn check_faults(syntax: Exposition, table: &[(&str, &str)]) {
    for (marked, expected) in table {
        let place = marked.find('^').unwrap_or(marked.len());
        let page = marked.replacen('^', "", 1);
        let (_, fault) = read(&page, syntax, Timestamps::Taken);
        let fault = fault.unwrap_or_else(|| panic!("{page:?} is sound"));
        assert_eq!((fault.offset(), fault.expected()), (place, *expected), "{page:?}");
    }
}

#[test]
fn text_is_read_with_all_its_freedom() {
    for (page, lines) in [
        ("", ""),
        ("\n \t \n#\n# \n# x\n#x", ""),
        ("a 1", "a gauge 1\n"),
        ("a\t1\t", "a gauge 1\n"),
        ("  a  { b = \"c\" ,d=\"e\", }  1  -5 \n", "a b=\"c\" d=\"e\" gauge 1 @-1.995000000\n"),
        ("a{}1\n:b:{_c=\"\"}2 3\n", "a gauge 1\n:b: gauge 2 @0.003000000\n"),
        ("{\"a b\"} 1\n{c=\"d\",\"e\"} 2\n", "a b gauge 1\ne c=\"d\" gauge 2\n"),
        ("a{b=\"\\\"\\\\\\n\\z\\\\\"} 1\n", "a b=\"\\\"\\\\\\n\\\\z\\\\\" gauge 1\n"),
        ("a{b=\"{}#,= \\t\"} 1", "a b=\"{}#,= \\\\t\" gauge 1\n"),
        ("a 1\n# EOF\nb NaN\n", "a gauge 1\nb not finite\n"),
        ("# TYPE a COUNTER\t\na 1\n# HELP a\na 2", "a counter 1\na counter 2\n"),
        // Types may all come first, and families in pieces: Pushgateway keeps them apart by name.
        (
            "# TYPE a counter\n# TYPE b gauge\nb 1\na 2\nb 3\n",
            "b gauge 1\na counter 2\nb gauge 3\n",
        ),
        // A family of that very name comes before the part of another.
        (
            "# TYPE a summary\n# TYPE a_sum gauge\na_sum 1\na_count 2\n",
            "a_sum gauge 1\na_count counter 2\n",
        ),
        (
            "# TYPE a summary\na_bucket 1\na_total 2\na 3\n",
            "a_bucket gauge 1\na_total gauge 2\na gauge 3\n",
        ),
        // Nothing but a `# TYPE` tells that it is a part.
        (
            "a_sum 1\n# TYPE a histogram\na_sum 2\na_count 3\n",
            "a_sum gauge 1\na_sum gauge 2\na_count counter 3\n",
        ),
        // Joined pages say some types again: the first stands.
        ("# TYPE a counter\n# TYPE a gauge\na 1\n", "a counter 1\n"),
        ("# TYPE a untyped\na 1\n# TYPE a counter\na 2\n", "a gauge 1\na gauge 2\n"),
        (
            "# TYPE a summary\na_sum 1\n# TYPE a histogram\na_bucket 2\na_sum 3\n",
            "a_sum counter 1\na_bucket gauge 2\na_sum counter 3\n",
        ),
        // One behind samples holds from there on.
        ("a 1\n# TYPE a counter\na 2\n", "a gauge 1\na counter 2\n"),
        ("# TYPE\ta untyped\na 1\n#TYPE a counter\n# TYPES a counter\n", "a gauge 1\n"),
    ] {
        assert_eq!(sound(page, Exposition::Text), lines, "{page:?}");
    }
}

#[test]
fn what_is_no_text_is_refused_where_it_is_wrong() {
    check_faults(
        Exposition::Text,
        &[
            ("a^", "expected a value after the series"),
            ("a 1\nb ^\n", "expected a value after the series"),
            ("a{b=\"c\"}^", "expected a value after the series"),
            ("a ^x 1", "expected a number, `NaN`, `+Inf` or `-Inf`"),
            ("a ^1\r\n", "expected lines that end in a line feed alone, without a carriage return"),
            ("a ^1e999", "expected a value that a double can hold"),
            ("a^.b 1", "expected a space or `{` after the name of a metric"),
            ("a^+1", "expected a space or `{` after the name of a metric"),
            ("^1 1", "expected the name of a metric"),
            ("^\u{e4} 1", "expected the name of a metric"),
            ("a 1 ^x", "expected a timestamp in whole milliseconds, or the end of the line"),
            ("a 1 2 ^3", "expected the end of the line after the timestamp"),
            ("a 1 ^2\r\n", "expected a timestamp in whole milliseconds, or the end of the line"),
            ("a{^", "expected the name of a label"),
            ("a{b^}", "expected `=` after the name of a label"),
            ("a{b=^c}", "expected `\"` before the value of a label"),
            ("a{b=\"c^\n\"} 1", "expected `\"` at the end of a quoted text"),
            ("a{b=\"c\" ^d=\"e\"} 1", "expected `,` or `}` after a label"),
            ("a{b=\"c\",^,} 1", "expected the name of a label"),
            ("a{^,} 1", "expected the name of a label"),
            ("a{^__name__=\"b\"} 1", "expected a label other than `__name__`"),
            ("a{b=\"\",^b=\"\"} 1", "expected each label once"),
            ("a{^\"b\"} 1", "expected one name, not another"),
            ("{^\"\"} 1", "expected a name that is not empty"),
            ("^{b=\"c\"} 1", "expected the name of the metric before its labels"),
            ("# TYPE ^", "expected the name of a metric"),
            ("# HELP ^7 x", "expected the name of a metric"),
            ("# TYPE a^.b counter", "expected a space after the name of a metric"),
            ("# TYPE a ^x", "expected `counter`, `gauge`, `histogram`, `summary` or `untyped`"),
            ("# TYPE a^", "expected `counter`, `gauge`, `histogram`, `summary` or `untyped`"),
            (
                "# TYPE a gauge\n# TYPE a ^x",
                "expected `counter`, `gauge`, `histogram`, `summary` or `untyped`",
            ),
        ],
    );
}

#[test]
fn what_is_no_openmetrics_is_refused_where_it_is_wrong() {
    check_faults(
        Exposition::OpenMetrics,
        &[
            ("^", "expected `# EOF` as the last line"),
            ("a 1\n^\n# EOF\n", "expected no blank line"),
            ("# EOF\n^# EOF\n", "expected nothing after `# EOF`"),
            ("^#EOF\n", "expected `# TYPE `, `# HELP `, `# UNIT ` or `# EOF`"),
            ("a^\t1\n# EOF\n", "expected a value after the series"),
            ("a ^ 1\n# EOF\n", "expected a value after the series"),
            (
                "a 1 ^\n# EOF\n",
                "expected a timestamp in seconds, an exemplar or the end of the line",
            ),
            ("a{b=\"c\",^ d=\"e\"} 1\n# EOF\n", "expected the name of a label"),
            ("a{b=\"c\",^} 1\n# EOF\n", "expected the name of a label"),
            (
                "# TYPE a counter\na_total ^-1\n# EOF\n",
                "expected a total or sum that is not negative",
            ),
            (
                "# TYPE a counter\n^a 1\n# EOF\n",
                "expected a sample of a counter to end in `_total`",
            ),
        ],
    );
}

#[test]
fn families_that_break_the_rules_of_openmetrics_are_refused_where_it_shows() {
    check_faults(
        Exposition::OpenMetrics,
        &[
            ("# TYPE a counter\n# TYPE ^a_total gauge\n# EOF\n", CLAIMED),
            ("a_total 1\n# TYPE ^a counter\n# EOF\n", CLAIMED),
            ("# TYPE a histogram\n# TYPE ^a_count counter\n# EOF\n", CLAIMED),
            ("# TYPE a_gsum info\n# TYPE ^a gaugehistogram\n# EOF\n", CLAIMED),
            ("a 1\nb 2\n^a 3\n# EOF\n", CLAIMED),
            ("a 1\n^a 2\n# EOF\n", "expected each series once"),
            ("# TYPE a summary\na_sum 1\n^a_sum 2\n# EOF\n", "expected each series once"),
            (
                "# TYPE a summary\na{quantile=\"1\"} 1\na_sum 1\n^a{quantile=\"1\"} 2\n# EOF\n",
                "expected each series once",
            ),
            (
                "# TYPE a info\na_info{b=\"c\"} 1\n^a_info{b=\"c\"} 1\n# EOF\n",
                "expected each series once",
            ),
            (
                "# TYPE a stateset\na{a=\"b\",c=\"d\"} 1\n^a{c=\"d\",a=\"b\"} 1\n# EOF\n",
                "expected each series once",
            ),
            (
                "a{b=\"1\"} 1\na 1\n^a{b=\"1\"} 1\n# EOF\n",
                "expected the samples of each metric together",
            ),
            (
                "a{b=\"1\",c=\"2\"} 1\na 1\n^a{c=\"2\",b=\"1\"} 1\n# EOF\n",
                "expected the samples of each metric together",
            ),
            ("a 1 2\na 1 ^1.999\n# EOF\n", "expected the timestamps of a metric in their order"),
            ("a 1 2\n^a 1\n# EOF\n", "expected a timestamp on all samples of a metric or on none"),
            (
                "# TYPE h histogram\nh_bucket{le=\"1\"} 1\n^# TYPE i gauge\n# EOF\n",
                "expected the histogram `h`, before this, to end in a bucket `+Inf`",
            ),
            (
                "# TYPE h histogram\nh_count{a=\"b\"} 1\n^h_count 1\n# EOF\n",
                "expected the histogram `h`, before this, to end in a bucket `+Inf`",
            ),
            (
                "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_count 2\nh_sum 1\n^# EOF\n",
                "expected the histogram `h`, before this, to count what its bucket `+Inf` counts",
            ),
            ("a 1 ^# {} 1\n# EOF\n", "expected no exemplar: only buckets and totals have them"),
            ("# HELP a b\n^# HELP a b\n# EOF\n", "expected this once for each family"),
            ("a 1\n# HELP ^a b\n# EOF\n", "expected this before the samples of the metric family"),
            ("# UNIT ^a b\n# EOF\n", "expected a name that ends in `_` and the unit"),
            (
                "# UNIT a_b b\n# TYPE ^a_b info\n# EOF\n",
                "expected no unit: infos and state sets have none",
            ),
        ],
    );
}

const CLAIMED: &str = "expected each metric family once and in one piece, with names no other has";

#[test]
fn exemplars_and_families_are_counted() {
    let asides = |page, syntax| {
        let arena = Bump::new();
        let mut reader = Reader::new(page, syntax, &Origin::default(), &arena);
        let mut next = Labelled::blank();
        while reader.next(&mut next).expect("sound").is_some() {}
        (reader.asides().exemplars, reader.asides().metadata)
    };
    let page =
        "# HELP a b\n# TYPE a counter\na_total 1 # {c=\"d\"} 1\n# TYPE e gauge\ne 1\nf 1\n# EOF\n";
    assert_eq!(asides(page, Exposition::OpenMetrics), (1, 2));
    let page = "# HELP a b\n# TYPE a counter\na 1\n# HELP b c\n# HELP a b\nf 1\n# EOF\n";
    assert_eq!(asides(page, Exposition::Text), (0, 2));
}

#[test]
fn timestamps_are_taken_ignored_or_refused() {
    for (page, syntax, place) in [
        ("a 1 5000\n", Exposition::Text, 4),
        ("a 1 5\n# EOF\n", Exposition::OpenMetrics, 4),
        ("a 1 5 \u{1}\n", Exposition::Text, 6),
    ] {
        let [taken, ignored, refused] =
            [Timestamps::Taken, Timestamps::Ignored, Timestamps::Refused]
                .map(|timestamps| read(page, syntax, timestamps));
        let fault = refused.1.expect("refused");
        assert_eq!(fault.offset(), place, "{page:?}");
        if place == 4 {
            assert_eq!((taken.0.as_str(), taken.1), ("a gauge 1 @5.000000000\n", None));
            assert_eq!((ignored.0.as_str(), ignored.1), ("a gauge 1\n", None));
            let expected = "expected no timestamp: a pushed sample must not carry one";
            assert_eq!(fault.expected(), expected);
        }
    }
    let far = "a 1 1e300\n# EOF\n";
    let unfit = "a Value(\"the timestamp is too far from 1970\")\n";
    assert_eq!(read(far, Exposition::OpenMetrics, Timestamps::Taken), (unfit.to_owned(), None));
    let ignored = read(far, Exposition::OpenMetrics, Timestamps::Ignored);
    assert_eq!(ignored, ("a gauge 1\n".to_owned(), None));
}

#[test]
fn a_push_has_each_series_once() {
    const TWICE: &str = "expected each series once: a push has one value of each";
    let labels = [("job".to_owned(), "theirs".to_owned()), ("none".to_owned(), String::new())];
    let origin = Origin { labels: &labels, timestamps: Timestamps::Refused, ..Origin::default() };
    let (text, open) = (Exposition::Text, Exposition::OpenMetrics);
    for (marked, syntax, expected) in [
        ("a 1\n^a 2\n", text, TWICE),
        ("a 1\nb 1\n^ \ta 1\n", text, TWICE),
        ("a{b=\"1\",c=\"2\"} 1\n^a{c=\"2\",b=\"1\"} 1\n", text, TWICE),
        ("a 1\n^{\"a\",b=\"\"} 1\n", text, TWICE),
        ("# TYPE h histogram\nh_sum 1\n^h_sum 1\n", text, TWICE),
        // What the path says takes the place of what the page says.
        ("a{job=\"1\"} 1\n^a{job=\"2\"} 2\n", text, TWICE),
        ("a{none=\"1\"} 1\n^a 2\n", text, TWICE),
        ("a{job=\"1\"} 1\n^a{job=\"2\"} 2\n# EOF\n", open, TWICE),
        ("a 1\n^a 2\n# EOF\n", open, "expected each series once"),
    ] {
        let page = marked.replacen('^', "", 1);
        let (_, fault) = read_of(&page, syntax, &origin);
        let fault = fault.unwrap_or_else(|| panic!("{page:?} is sound"));
        let place = marked.find('^').expect("marked");
        assert_eq!((fault.offset(), fault.expected()), (place, expected), "{page:?}");
    }
    for page in [
        "a 1\nb 1\na{b=\"1\"} 1\na{b=\"2\"} 1\na{c=\"1\"} 1\na{b=\"1\",c=\"1\"} 1\n",
        "a{b=\"c\",d=\"e\"} 1\na{b=\"e\",d=\"c\"} 1\na{bc=\"\"} 1\n",
        // Two are told apart by labels that are too many to be kept.
        &[1, 2]
            .map(|last| {
                let labels: Vec<_> = (0..200).map(|n| format!("l{n}=\"1\",")).collect();
                format!("a{{{}b=\"{last}\"}} 1\n", labels.concat())
            })
            .concat(),
    ] {
        assert_eq!(read_of(page, Exposition::Text, &origin).1, None, "{page:?}");
    }
    // Elsewhere a sample may come again: it has an instant of its own, or none that matters.
    let (lines, fault) = read("a 1\na 2\n", Exposition::Text, Timestamps::Ignored);
    assert_eq!((lines.as_str(), fault), ("a gauge 1\na gauge 2\n", None));
}

#[test]
fn a_push_says_each_type_once_and_before_the_samples() {
    let push = |page: &str| read(page, Exposition::Text, Timestamps::Refused);
    for (marked, expected) in [
        ("# TYPE a gauge\n# TYPE ^a gauge", "expected one `# TYPE` for each metric, not a second"),
        ("a 1\n# TYPE ^a gauge", "expected `# TYPE` before the samples of its metric"),
        (
            "# TYPE a summary\na_sum 1\n# TYPE ^a summary",
            "expected one `# TYPE` for each metric, not a second",
        ),
    ] {
        let fault = push(&marked.replacen('^', "", 1)).1.expect("refused");
        assert_eq!((Some(fault.offset()), fault.expected()), (marked.find('^'), expected));
    }
    assert_eq!(push("# HELP a b\n# TYPE a gauge\n# HELP a b\na 1\n").1, None);
}

#[test]
fn a_page_that_may_have_been_cut_in_its_last_number_is_refused() {
    let whole = Origin::default();
    for (page, cut) in [
        ("a 1\nb 12", true),
        ("a 1", true),
        ("a 1 17", true),
        ("a 1\n", false),
        ("a 1\n# HELP b Some", true),
        ("a 1\n#", true),
        ("a 1\n# EOF\n", false),
        ("a 1\n\n", false),
        ("a 1\n \t", false),
        ("", false),
    ] {
        let fault = read_of(page, Exposition::Text, &whole).1;
        assert_eq!(fault.map(|fault| fault.offset()), cut.then_some(page.len()), "{page:?}");
        let open = Origin { ending: Ending::Open, ..Origin::default() };
        assert_eq!(read_of(page, Exposition::Text, &open).1, None, "{page:?}");
    }
}

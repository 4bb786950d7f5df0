//! Random texts and numbers, judged by a second implementation where both agree on the grammar.

use jiff::tz::Offset;
use proptest::prelude::*;
use tidegate::metric::timestamp::Timestamp;

use super::{LAST_S, at, unix_nanos};

/// What the other implementation makes of a text, where that lies in our range.
fn oracle(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    let (seconds, nanos) = (instant.as_second(), instant.subsec_nanosecond());
    let forward = seconds >= 0 && nanos >= 0 && seconds <= LAST_S;
    forward.then(|| Timestamp::from_unix(seconds, nanos as u32))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_instant_is_read_back_in_every_style(
        seconds in 100_000_i64..LAST_S - 100_000,
        nanos in 0_u32..1_000_000_000,
        offset_minutes in -1439_i32..1440,
        style in 0_usize..12,
    ) {
        let instant = jiff::Timestamp::new(seconds, nanos as i32).unwrap();
        let local = Offset::from_seconds(offset_minutes * 60).unwrap().to_datetime(instant);
        let utc = Offset::UTC.to_datetime(instant);
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        let text = match style {
            0 => instant.to_string(),
            1 => utc.to_string(),
            2 => utc.to_string().replace('T', " "),
            3 => format!("{} UTC", utc.strftime("%Y-%m-%d %H:%M:%S.%9f")),
            4 => format!("{} gmt", utc.strftime("%Y-%m-%dt%H:%M:%S,%9f")),
            5 => utc.strftime("%Y%m%dT%H%M%S.%9fZ").to_string(),
            6 => format!("{local}{sign}{hours:02}:{minutes:02}"),
            7 => format!("{local} {sign}{hours:02}{minutes:02}"),
            8 => format!("{}{sign}{hours:02}:{minutes:02}", local.strftime("%Y%m%d %H%M%S,%9f")),
            9 => format!("{}999{sign}{hours:02}{minutes:02}", local.strftime("%Y-%m-%dT%H:%M:%S.%9f")),
            10 => format!("{seconds}.{nanos:09}"),
            _ => unix_nanos(Timestamp::from_unix(seconds, nanos)).to_string(),
        };
        // The last style counts nanoseconds only where there are enough of them.
        prop_assume!(style < 11 || seconds > 100_000_000);
        prop_assert_eq!(Timestamp::parse(&text), at(seconds, nanos), "{}", text);
    }

    #[test]
    fn rfc_3339_is_judged_as_the_other_implementation_judges_it(
        text in "(19[67][0-9]|20[0-9]{2}|22[0-6][0-9])-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-5][0-9](\\.[0-9]{1,9})?([Zz]|[+-][0-2][0-9]:[0-5][0-9])"
    ) {
        // Offsets: jiff goes on to 25:59.
        let ours = Timestamp::parse(&text);
        let far = ["+24:", "-24:", "+25:", "-25:"].iter().any(|offset| text.contains(offset));
        prop_assert_eq!(ours, if far { None } else { oracle(&text) }, "{}", text);
    }

    #[test]
    fn what_both_accept_is_the_same_instant(
        base in "20[0-9]{2}-?(0[1-9]|1[0-2])-?[0-2][0-9][Tt ]?[0-2][0-9]:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{0,10})?)? ?(Z|z|UTC|[+-][0-2][0-9](:?[0-5][0-9])?)?",
        edit in 0_usize..40,
        with in "[-0-9TtZz:., +]{0,2}",
    ) {
        let mut text = base;
        if edit < text.len() {
            text.replace_range(edit..=edit, &with);
        }
        if let (Some(ours), Some(theirs)) = (Timestamp::parse(&text), oracle(&text)) {
            // jiff keeps second 60 in its minute.
            let leap = text.contains("60");
            prop_assert!(ours == theirs || leap, "{}: {:?} or {:?}", text, ours, theirs);
        }
    }

    #[test]
    fn a_double_and_its_literal_are_the_same_instant(
        seconds in 0.0..1e10_f64,
        scale in prop::sample::select(vec![1.0, 1e3, 1e6, 1e9]),
    ) {
        let number = seconds * scale;
        let literal = serde_json::to_string(&number).unwrap();
        prop_assert_eq!(Timestamp::from_f64(number), Timestamp::from_literal(&literal));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}", digits in "[-0-9eE.:TZ+ ,]{0,40}") {
        for text in [text, digits] {
            if let Some(instant) = Timestamp::parse(&text) {
                prop_assert!((0..=LAST_S).contains(&instant.seconds()));
            }
            if let Some(instant) = Timestamp::from_literal(&text) {
                prop_assert!((0..=LAST_S).contains(&instant.seconds()));
            }
        }
    }

    #[test]
    fn no_extension_panics(payload in prop::collection::vec(any::<u8>(), 0..16)) {
        let taken = Timestamp::from_extension(&payload).is_some();
        prop_assert!(!taken || matches!(payload.len(), 4 | 8 | 12));
    }
}

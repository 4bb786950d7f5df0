//! `dt` to an instant, and whether that is far from now (contract C3).

use super::{Code, Outside, Profile, Rejection, Unparsed, Warnings};
use crate::decode::raw::{Number, Scalar};
use crate::metric::text::Texts;
use crate::metric::timestamp::{Diary, Timestamp};
use crate::metric::{Metric, Tag};

/// Most bytes of an unparseable `dt` that are kept.
const KEPT_BYTES_MAX: usize = 128;

/// The MessagePack extension that is a timestamp.
const EXTENSION: i8 = -1;

/// The instant `dt` names; `None` where it names none (C3.2 to C3.4).
#[inline]
pub(super) fn parse(dt: &Scalar<'_>, diary: &mut Diary) -> Option<Timestamp> {
    match *dt {
        Scalar::Text(text) => diary.parse(text),
        Scalar::Number(number) => match number {
            Number::Literal(literal) => Timestamp::from_literal(literal),
            Number::Unsigned(integer) => Timestamp::from_u64(integer),
            Number::Signed(integer) => u64::try_from(integer).ok().and_then(Timestamp::from_u64),
            Number::Single(single) => Timestamp::from_f64(f64::from(single)),
            Number::Double(double) => Timestamp::from_f64(double),
        },
        Scalar::Extension { kind: EXTENSION, payload } => Timestamp::from_extension(payload),
        _ => None,
    }
}

/// Whether the point lies outside the window (C3.6).
#[inline]
pub(super) fn judge(
    at: Timestamp,
    now: Timestamp,
    profile: &Profile,
    warnings: &mut Warnings,
) -> Result<(), Rejection> {
    let policy = profile.policy().time;
    if policy.outside == Outside::Ignore {
        return Ok(());
    }
    let past = now.seconds().saturating_sub(at.seconds());
    let (near, far) = if past >= 0 { (at, now) } else { (now, at) };
    // Rounded up: what lies a fraction beyond the limit is outside, and is said to be.
    let distance_s = past.unsigned_abs() + u64::from(far.nanos() > near.nanos());
    let limit_s = if past >= 0 { policy.max_age_s } else { policy.max_future_s };
    if distance_s <= limit_s {
        return Ok(());
    }
    if past >= 0 {
        warnings.too_old_s = Some(distance_s);
    } else {
        warnings.in_future_s = Some(distance_s);
    }
    match policy.outside {
        Outside::Reject => Err(far_off(past >= 0, distance_s, limit_s)),
        Outside::Warn | Outside::Ignore => Ok(()),
    }
}

#[cold]
fn far_off(is_past: bool, distance_s: u64, limit_s: u64) -> Rejection {
    let (code, side, setting) = if is_past {
        (Code::TooOld, "old", "time.max_age")
    } else {
        (Code::InFuture, "ahead", "time.max_future")
    };
    let message =
        format!("the point is {distance_s} s {side}, more than `{setting}` ({limit_s} s)");
    Rejection::because(code, message)
}

/// Reception time it is, then, and what was sent may be kept (C3.5).
#[cold]
pub(super) fn unparsed<'a>(
    dt: Scalar<'a>,
    profile: &Profile,
    texts: Texts<'a>,
    metric: &mut Metric<'a>,
    warnings: &mut Warnings,
) {
    let kept = profile.policy().time.keep_unparsed && keep(dt, texts, metric);
    warnings.unparsed_dt = Some(if kept { Unparsed::Kept } else { Unparsed::Dropped });
}

/// Keeps what was sent as the tag `dt`, if it has a text (C3.5); generated, it wins over any tag of
/// that key (C4.7). True if it was kept.
fn keep<'a>(dt: Scalar<'a>, texts: Texts<'a>, metric: &mut Metric<'a>) -> bool {
    let text = match dt {
        Scalar::Text(text) => text,
        Scalar::Number(number) => number.text(texts.arena()),
        Scalar::Bool(bool) => {
            if bool {
                "true"
            } else {
                "false"
            }
        }
        _ => return false,
    };
    metric.tags.retain(|tag| tag.key != "dt");
    metric.tags.push(Tag { key: "dt", value: Some(texts.clean(cut(text))) });
    true
}

/// The text up to [`KEPT_BYTES_MAX`], cut at a character.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEPT_BYTES_MAX)).unwrap_or_default()
}

//! What to say about an item that was taken, but not quite as sent (contract C1.6, C2.4).

use super::report::Report;
use crate::metric::Metric;
use crate::normalize::{Code, Profile, Unparsed, Warnings};

/// Adds the warnings of one accepted item, once per code.
#[cold]
pub(super) fn note(
    report: &mut Report,
    index: u64,
    line: Option<u64>,
    warnings: &Warnings,
    metric: &Metric<'_>,
    profile: &Profile,
) {
    let mut warn = |code, text: &dyn Fn() -> String| report.warn(index, line, code, text);
    if warnings.renamed {
        warn(Code::Renamed, &|| {
            format!(
                "StackState reserves how this name starts; sent as `{}` (`reserved_names.action`)",
                metric.name
            )
        });
    }
    if let Some(unparsed) = warnings.unparsed_dt {
        let kept = match unparsed {
            Unparsed::Kept => " and its text kept as tag `dt`",
            Unparsed::Dropped => "",
        };
        warn(Code::UnparsedDt, &|| {
            format!("`dt` is no instant this API knows; reception time is used{kept}")
        });
    }
    if warnings.skipped_quantiles > 0 {
        warn(Code::SkippedQuantile, &|| {
            format!("{} quantile(s) without a value were left out", warnings.skipped_quantiles)
        });
    }
    if warnings.skipped_samples > 0 {
        warn(Code::SkippedQuantile, &|| {
            format!("{} sample(s) without a value were left out", warnings.skipped_samples)
        });
    }
    if warnings.skipped_value {
        warn(Code::SkippedValue, &|| {
            format!("the value of `{}` is NaN or infinite, which no tuple can hold", metric.name)
        });
    }
    if warnings.skipped_sum {
        warn(Code::SkippedValue, &|| {
            format!("the sum of `{}` is NaN or infinite, and was left out", metric.name)
        });
    }
    let time = profile.policy().time;
    if let Some(age_s) = warnings.too_old_s {
        warn(Code::TooOld, &|| {
            format!("the point is {age_s} s old, more than `time.max_age` ({} s)", time.max_age_s)
        });
    }
    if let Some(ahead_s) = warnings.in_future_s {
        warn(Code::InFuture, &|| {
            let limit_s = time.max_future_s;
            format!("the point is {ahead_s} s ahead, more than `time.max_future` ({limit_s} s)")
        });
    }
}

//! Metrics that keep to no straight lane: whatever the pipeline's lane learns to pass, each of these goes the
//! general road.

/// Puts two things into every metric: a text that has to be unescaped, and a member nobody reads that is
/// no plain value.
pub(crate) fn general(metrics: &[String]) -> Vec<String> {
    let one = |metric: &String| {
        let escaped = metric.replace(r#""env":"production""#, r#""env":"pr\u00e9production""#);
        let open = escaped.strip_suffix('}').expect("an object");
        format!(r#"{open},"interval_ms":[2000]}}"#)
    };
    metrics.iter().map(one).collect()
}

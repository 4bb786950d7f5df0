//! Texts and numbers as the contract wants them on the wire, the plain way (contract C4).

use std::fmt::Write as _;

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// Control characters as `_` (C4.7).
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '_' } else { c }).collect()
}

/// The same for a tag's key, where `:` goes too.
pub(crate) fn clean_key(key: &str) -> String {
    clean(key).replace(':', "_")
}

/// A value by C4.1; none where it is too large for a double.
pub(crate) fn value(literal: &str) -> Option<String> {
    let double: f64 = literal.parse().expect("Rust reads every JSON number");
    if !double.is_finite() {
        return None;
    }
    let exponent = literal.split(['e', 'E']).nth(1).map(|text| text.trim_start_matches(['+', '-']));
    let near = exponent.is_some_and(|text| text.parse::<u64>().is_ok_and(|size| size <= 308));
    Some(if literal.len() > 32 || exponent.is_some() && !near {
        serde_json::to_string(&double).expect("a finite double is JSON")
    } else if exponent.is_some() || literal.contains('.') {
        literal.to_owned()
    } else {
        format!("{literal}.0")
    })
}

/// A bound or quantile by C4.3.
pub(crate) fn bound(double: f64) -> String {
    if double == 0.0 {
        "0".to_owned()
    } else if double.is_infinite() {
        if double > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        double.to_string()
    }
}

/// What all tuples of one metric share.
pub(crate) struct Series<'t> {
    pub(crate) name: &'t str,
    pub(crate) seconds: i64,
    pub(crate) hostname: &'t str,
    /// Key and text (`key:value`, or the key alone).
    pub(crate) tags: &'t [(String, String)],
}

impl Series<'_> {
    /// Appends one tuple (C4.1). `label` is the generated tag, which wins over one of its key (C4.7).
    pub(crate) fn push(
        &self,
        out: &mut String,
        suffix: &str,
        value: &str,
        label: Option<(&str, &str)>,
        kind: &str,
    ) {
        if !out.is_empty() {
            out.push_str(",\n");
        }
        let name = quoted(&format!("{}{suffix}", self.name));
        let mut tags: Vec<String> = self
            .tags
            .iter()
            .filter(|(key, _)| label.is_none_or(|(generated, _)| key != generated))
            .map(|(_, text)| quoted(text))
            .collect();
        tags.extend(label.map(|(key, value)| quoted(&format!("{key}:{value}"))));
        write!(
            out,
            r#"[{name},{},{value},{{"hostname":{},"tags":[{}],"type":"{kind}"}}]"#,
            self.seconds,
            quoted(self.hostname),
            tags.join(","),
        )
        .expect("a String takes every text");
    }
}

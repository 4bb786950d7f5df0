//! `headers`: what is sent to targets beside the request; each value a secret.

use reqwest::header::HeaderName;
use std::path::Path;
use toml::de::{DeTable, DeValue};

use super::super::file::found;
use super::super::secret::{self, MASK, Secret};
use super::super::units::quoted;
use super::Section;

const KEY: &str = "headers";
const HEADERS_MAX: usize = 32;

/// What a scrape says itself, and what HTTP does with a connection.
const OURS: [&str; 13] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-prometheus-scrape-timeout-seconds",
];

/// A table of `name = "value"`, `name = { file = "path" }` and `name = { env = "VARIABLE" }`.
pub(super) fn read(section: &mut Section<'_>) -> Vec<(String, Secret)> {
    section.know(KEY);
    let Some(value) = section.value(KEY) else { return Vec::new() };
    let place = section.file.line(value);
    let Some(table) = value.get_ref().as_table() else {
        let expected = "a table, like { Authorization = \"Bearer ...\" }";
        section.must_be(KEY, place, expected, &kind(value.get_ref()));
        return Vec::new();
    };
    if table.len() > HEADERS_MAX {
        let path = section.name(KEY);
        let text =
            format!("`{path}` has {} headers; at most {HEADERS_MAX} are allowed", table.len());
        section.fault_at(place.clone(), text);
    }
    let (mut headers, mut shown) = (Vec::new(), Vec::new());
    for (name, value) in table {
        let (name, at) = (name.get_ref().to_string(), section.file.line(value));
        let path = section.name(&format!("{KEY}.{name}"));
        let twin =
            headers.iter().find(|(other, _): &&(String, Secret)| other.eq_ignore_ascii_case(&name));
        if let Some((other, _)) = twin {
            let text = format!("`{path}` is the same header as `{other}`: leave one of them out");
            section.fault_at(at, text);
            continue;
        }
        let header = check(&name).map_err(|text| format!("`{path}` {text}"));
        match header.and_then(|()| one(section, &path, value.get_ref())) {
            Ok((secret, text)) => {
                shown.push(format!("{} = {text}", quoted(&name)));
                headers.push((name, secret));
            }
            Err(text) => section.fault_at(at, text),
        }
    }
    section.show(KEY, format!("{{ {} }}", shown.join(", ")), place);
    headers
}

fn check(name: &str) -> Result<(), String> {
    let Ok(header) = name.parse::<HeaderName>() else {
        return Err("must be the name of a header, like \"Authorization\"".to_owned());
    };
    if OURS.contains(&header.as_str()) {
        return Err("is a header that each scrape sets itself: leave it out".to_owned());
    }
    Ok(())
}

/// The value, and how it is shown.
fn one(section: &Section<'_>, path: &str, value: &DeValue<'_>) -> Result<(Secret, String), String> {
    let forms = || {
        format!(
            "`{path}` must be a string, {{ file = \"PATH\" }} or {{ env = \"VARIABLE\" }}, not {}",
            kind(value)
        )
    };
    let (text, shown) = if let Some(text) = value.as_str() {
        (zeroize::Zeroizing::new(text.to_owned()), quoted(MASK))
    } else {
        match sole(value.as_table().ok_or_else(forms)?) {
            Some(("file", from)) => {
                section.file.names_file(from);
                let text = secret::from_file(Path::new(from));
                let text = text.map_err(|cause| format!("`{path}`: {cause}"))?;
                (text, format!("{{ file = {} }}", quoted(from)))
            }
            Some(("env", from)) => {
                let text = section
                    .environment_variable(from)
                    .ok_or_else(|| format!("`{path}`: the environment has no variable {from}"))?;
                (zeroize::Zeroizing::new(text.to_owned()), format!("{{ env = {} }}", quoted(from)))
            }
            _ => return Err(forms()),
        }
    };
    secret::usable_line(path, text).map(|secret| (secret, shown))
}

/// The one key of a table, and its text.
fn sole<'t>(table: &'t DeTable<'_>) -> Option<(&'t str, &'t str)> {
    let mut pairs = table.iter();
    match (pairs.next(), pairs.next()) {
        (Some((key, value)), None) => Some((key.get_ref(), value.get_ref().as_str()?)),
        _ => None,
    }
}

/// What was found, without a byte of a text: it may be a secret.
fn kind(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "a string".to_owned(),
        other => found(other),
    }
}

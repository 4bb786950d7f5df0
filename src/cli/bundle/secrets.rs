//! The secrets that a configuration knows, and every form in which a text could hold one.
//!
//! Whatever looks like one is taken for one, by its key: a key that a later version adds is covered before
//! anybody thinks of it here. What is hidden too much does no harm.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::super::words;
use crate::config::Environment;

/// What stands for a secret.
const MASK: &str = "***";

/// Keys with one of these in them hold secrets, or lead to them.
const WORDS: [&str; 9] =
    ["token", "key", "secret", "passw", "authorization", "_auth", "credential", "cookie", "bearer"];

/// Up to this length a text is a secret only where it stands alone: it may well be a part of other words.
const WORD_BYTES_MAX: usize = 7;

/// From this length on the value of a query looks like a secret, whatever it is called.
const QUERY_BYTES_MIN: usize = 16;

/// Most bytes of a file that holds one.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Texts that must not be in a bundle, the longest first.
pub(super) struct Secrets {
    forms: Vec<String>,
}

impl Secrets {
    /// Of a configuration's text, if there is one, and of the variables.
    pub(super) fn of(text: Option<&str>, environment: &Environment) -> Self {
        let mut found = Found { environment, texts: BTreeSet::new() };
        if let Some(text) = text {
            match text.parse::<Table>() {
                Ok(table) => found.table(&table, false),
                // What cannot be read is not in the bundle either, but variables are asked all the same.
                Err(_) => found.lines(text),
            }
        }
        for (name, value) in &environment.variables {
            if name.starts_with("TIDEGATE_") {
                found.value(&key_of(name), &Value::String(value.clone()), false);
            }
        }
        let mut forms: Vec<String> = found.texts.iter().flat_map(|text| forms(text)).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        Self { forms }
    }

    /// The text without them; `None` when it holds none.
    pub(super) fn without(&self, text: &str) -> Option<String> {
        let mut clean = None;
        for form in &self.forms {
            let at = clean.as_deref().unwrap_or(text);
            if let Some(less) = replaced(at, form) {
                clean = Some(less);
            }
        }
        clean
    }

    /// Whether there is one.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| replaced(text, form).is_some())
    }
}

/// Without a form; `None` where it does not occur.
fn replaced(text: &str, form: &str) -> Option<String> {
    let (mut clean, mut done) = (String::new(), 0);
    for (at, _) in text.match_indices(form) {
        let (before, after) = (text.get(..at)?, text.get(at + form.len()..)?);
        let touches = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let is_part = touches(before.chars().next_back()) || touches(after.chars().next());
        if form.len() <= WORD_BYTES_MAX && is_part {
            continue;
        }
        clean.push_str(text.get(done..at)?);
        clean.push_str(MASK);
        done = at + form.len();
    }
    if done == 0 {
        return None;
    }
    clean.push_str(text.get(done..)?);
    Some(clean)
}

/// How a secret can be written.
fn forms(secret: &str) -> BTreeSet<String> {
    let mut forms = BTreeSet::from([secret.to_owned()]);
    let quoted = Value::String(secret.to_owned()).to_string();
    forms.insert(quoted.trim_matches(['"', '\'']).to_owned());
    let json = serde_json::Value::from(secret).to_string();
    forms.insert(json.trim_matches('"').to_owned());
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    forms.insert(
        percent.replace("%2D", "-").replace("%2E", ".").replace("%5F", "_").replace("%7E", "~"),
    );
    forms.insert(lower_escapes(&percent));
    forms.insert(percent);
    if secret.len() > WORD_BYTES_MAX {
        forms.extend(within_base64(secret.as_bytes()));
        forms.insert(words::hex(secret.as_bytes()));
    }
    let digest = words::hex(&Sha256::digest(secret.as_bytes()));
    forms.insert(digest.to_uppercase());
    forms.insert(digest);
    forms.retain(|form| !form.is_empty() && !is_everywhere(form));
    forms
}

/// `%2F` as `%2f`.
fn lower_escapes(percent: &str) -> String {
    let mut parts = percent.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        text.extend(["%", &digits.to_ascii_lowercase(), rest]);
    }
    text
}

/// What base64 of a text that holds the secret holds for certain: the characters that are made of nothing
/// else, for each of the three places at which it can begin.
fn within_base64(secret: &[u8]) -> impl Iterator<Item = String> {
    let padded = |ahead: usize| [&b"\0\0"[..ahead], secret].concat();
    let core = |text: String, ahead: usize, bytes: usize| {
        let (first, end) = ((ahead * 8).div_ceil(6), bytes * 8 / 6);
        text.get(first..end).unwrap_or_default().to_owned()
    };
    let of = move |ahead: usize| {
        let whole = padded(ahead);
        [STANDARD_NO_PAD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)]
            .map(|text| core(text, ahead, whole.len()))
    };
    (0..3).flat_map(of).collect::<Vec<_>>().into_iter()
}

/// Whether its value is a secret, or leads to one. Of a token that ends it is no secret when.
fn is_secret_key(key: &str) -> bool {
    !key.ends_with("_expires") && WORDS.iter().any(|word| key.contains(word))
}

/// The key that a variable sets, in the section that its name has before it.
fn key_of(variable: &str) -> String {
    let path = variable.trim_start_matches("TIDEGATE_");
    path.rsplit_once("__").map_or(path, |(_, key)| key).to_ascii_lowercase()
}

/// Small numbers and the words of a switch stand everywhere, and to hide one would break a text that is JSON.
fn is_everywhere(form: &str) -> bool {
    let is_number = form.len() <= WORD_BYTES_MAX && form.bytes().all(|byte| byte.is_ascii_digit());
    is_number || matches!(form, "true" | "false" | "null")
}

/// What was found so far.
struct Found<'e> {
    environment: &'e Environment,
    texts: BTreeSet<String>,
}

impl Found<'_> {
    fn table(&mut self, table: &Table, is_secret: bool) {
        for (key, value) in table {
            let key = key.to_ascii_lowercase();
            self.value(&key, value, is_secret);
        }
    }

    fn value(&mut self, key: &str, value: &Value, is_secret: bool) {
        let is_secret = is_secret || key == "headers" || is_secret_key(key);
        match value {
            Value::String(text) if is_secret => self.lead(key, text),
            Value::String(text) => {
                self.address(text);
                self.query(text);
            }
            Value::Array(items) => items.iter().for_each(|item| self.value(key, item, is_secret)),
            // The names of headers are no secrets, and all of their values are.
            Value::Table(table) => self.table(table, is_secret),
            _ => {}
        }
    }

    /// A secret, or where it is.
    fn lead(&mut self, key: &str, text: &str) {
        let leads_to = |kind: &str| key == kind || key.ends_with(&format!("_{kind}"));
        if leads_to("file") {
            self.file(Path::new(text));
        } else if leads_to("env") {
            if let Some(value) = self.environment.variables.get(text) {
                self.add(&value.clone());
            }
        } else {
            // A key of TLS is named by its file.
            if text.contains(['/', '.']) {
                self.file(Path::new(text));
            }
            self.add(text);
            self.address(text);
        }
    }

    /// Each line of it as well: a private key has many.
    fn file(&mut self, path: &Path) {
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        if read.is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.add(&text);
        for line in text.lines().filter(|line| !line.starts_with("-----")) {
            self.add(line);
        }
    }

    /// The password in an address, and the pair that basic authentication sends.
    fn address(&mut self, text: &str) {
        let Some((_, rest)) = text.split_once("://") else { return };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { return };
        self.add(user);
        if let Some((_, password)) = user.split_once(':') {
            self.add(password);
            let plain = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
            self.add(&plain);
        }
    }

    /// Values of a query that are called a secret, or look like one: an exporter may want it there.
    fn query(&mut self, text: &str) {
        let Some((_, query)) = text.split_once('?') else { return };
        for part in query.split(['&', '#']) {
            let (key, value) = part.split_once('=').unwrap_or(("", part));
            if is_secret_key(&key.to_ascii_lowercase()) || value.len() >= QUERY_BYTES_MIN {
                self.add(value);
                let plain = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
                self.add(&plain);
            }
        }
    }

    fn add(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() && text != MASK {
            self.texts.insert(text.to_owned());
        }
        // `Bearer <token>`, `Basic <pair>`
        if let Some((_, rest)) = text.split_once(' ') {
            let rest = rest.trim();
            if !rest.is_empty() {
                self.texts.insert(rest.to_owned());
            }
            let decoded = base64::engine::general_purpose::STANDARD.decode(rest);
            if let Some(pair) = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
                let password = pair.split_once(':').map(|(_, password)| password.to_owned());
                self.texts.extend(password.filter(|password| !password.is_empty()));
            }
        }
    }

    /// Of a text that is no TOML: whatever stands in quotes behind such a key.
    fn lines(&mut self, text: &str) {
        for line in text.lines() {
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().trim_matches(['"', '\'']);
            self.value(&key.trim().to_ascii_lowercase(), &Value::String(value.to_owned()), false);
        }
    }
}

#[cfg(test)]
mod tests;

//! Secrets: text that never shows, and the three ways to hand it over.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::problem::Place;
use super::scalar::Scalar;
use super::section::Section;

/// Text that never shows: prints as `***`, and its memory is cleared when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the wire only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// What stands for a secret wherever settings are shown. No secret may be this: whoever saves what
/// `check-config` printed would have a gateway that anybody may use.
pub(super) const MASK: &str = "***";

/// Most bytes of a secret; also what is read of a secret file at most.
const SECRET_BYTES_MAX: usize = 4_096;

/// The keys that can carry one secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keys {
    /// The secret itself.
    pub(super) value: &'static str,
    /// A file that holds it; white space at its end does not count.
    pub(super) file: &'static str,
    /// The name of an environment variable that holds it.
    pub(super) env: &'static str,
    /// Its SHA-256, where that is enough.
    pub(super) sha256: Option<&'static str>,
}

/// What was given.
#[derive(Debug)]
pub(super) enum Given {
    /// The secret, and the file it was read from.
    Secret(Secret, Option<PathBuf>),
    /// Its digest.
    Digest([u8; 32]),
}

/// Reads the one of `keys` that is given. A variable of tidegate's own
/// (`TIDEGATE_RECEIVER__API_KEY`) beats the file; otherwise exactly one must be there.
pub(super) fn read(section: &mut Section<'_>, keys: Keys) -> Option<Given> {
    let given = read_optional(section, keys).ok()?;
    if given.is_none() {
        let text =
            format!("`{}` is missing: give one of {}", section.name(keys.value), names(keys));
        section.fault_of_section(text);
    }
    given
}

/// It is at fault, which has been noted.
pub(super) struct AtFault;

/// The same for what need not be there.
pub(super) fn read_optional(
    section: &mut Section<'_>,
    keys: Keys,
) -> Result<Option<Given>, AtFault> {
    let all = [Some(keys.value), keys.sha256, Some(keys.file), Some(keys.env)];
    let mut given = Vec::new();
    for key in all.into_iter().flatten() {
        if let Some((scalar, place)) = section.scalar(key) {
            given.push((key, scalar, place));
        }
    }
    if given.iter().any(|(_, _, place)| matches!(place, Place::Variable(_))) {
        given.retain(|(_, _, place)| matches!(place, Place::Variable(_)));
    }
    if given.len() > 1 {
        let written = given.iter().map(|(key, ..)| format!("`{key}`")).collect::<Vec<_>>();
        let (_, _, place) = given.pop().expect("there are several");
        let text = format!("{} are both given: keep one of {}", written.join(" and "), names(keys));
        section.fault_at(place, text);
        return Err(AtFault);
    }
    let Some((key, scalar, place)) = given.pop() else { return Ok(None) };
    resolve(section, keys, key, &scalar, place).map(Some).ok_or(AtFault)
}

/// All of them, for people.
fn names(keys: Keys) -> String {
    let all = [Some(keys.value), keys.sha256, Some(keys.file), Some(keys.env)];
    all.into_iter().flatten().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

fn resolve(
    section: &Section<'_>,
    keys: Keys,
    key: &'static str,
    scalar: &Scalar<'_>,
    place: Place,
) -> Option<Given> {
    let name = section.name(key);
    let Some(text) = scalar.text() else {
        section.fault_at(place, format!("`{name}` must be a string in quotes"));
        return None;
    };
    let shown = if key == keys.file || key == keys.env { text } else { MASK };
    section.show(key, super::units::quoted(shown), place.clone());
    let secret = if key == keys.file {
        from_file(Path::new(text)).map_err(|cause| format!("`{name}`: {cause}"))
    } else if key == keys.env {
        let missing = || format!("`{name}`: the environment has no variable {text}");
        let found = section.environment_variable(text).ok_or_else(missing);
        found.map(|text| Zeroizing::new(text.to_owned()))
    } else {
        Ok(Zeroizing::new(text.to_owned()))
    };
    let given = secret.and_then(|secret| {
        if Some(key) != keys.sha256 {
            let file = (key == keys.file).then(|| PathBuf::from(text));
            return usable(&name, secret).map(|secret| Given::Secret(secret, file));
        }
        digest(&secret).map(Given::Digest).ok_or_else(|| {
            format!("`{name}` must be the SHA-256 of the token: 64 hexadecimal digits")
        })
    });
    given.map_err(|text| section.fault_at(place, text)).ok()
}

/// The secret in a file that the setting `name` leads to, by the rules for all secrets. Blocks.
///
/// # Errors
///
/// What is wrong with the file or its content, without a byte of it.
pub(crate) fn load(name: &str, path: &Path) -> Result<Secret, String> {
    let text = from_file(path).map_err(|cause| format!("`{name}`: {cause}"))?;
    usable(name, text)
}

/// White space at the end goes: editors and `echo` put a line end there.
pub(super) fn from_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let file =
        std::fs::File::open(path).map_err(|error| format!("cannot open {shown}: {error}"))?;
    let mut text = Zeroizing::new(String::new());
    // One byte more than allowed, so that a longer file is seen as such.
    file.take(SECRET_BYTES_MAX as u64 + 3)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    let trimmed = text.trim_end().len();
    text.truncate(trimmed);
    Ok(text)
}

/// What can stand in a header: and so what a client can send, and a receiver get.
pub(crate) fn usable(name: &str, secret: Zeroizing<String>) -> Result<Secret, String> {
    let secret = bounded(name, secret)?;
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("`{name}` must be visible ASCII characters without spaces"));
    }
    Ok(Secret(secret))
}

/// The same for what is a whole header, in which spaces have a meaning.
pub(super) fn usable_line(name: &str, secret: Zeroizing<String>) -> Result<Secret, String> {
    let secret = bounded(name, secret)?;
    if !secret.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(format!("`{name}` must be visible ASCII characters and spaces"));
    }
    Ok(Secret(secret))
}

fn bounded(name: &str, secret: Zeroizing<String>) -> Result<Zeroizing<String>, String> {
    if secret.is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    if *secret == MASK {
        return Err(format!(
            "`{name}` is \"{MASK}\", which check-config prints in its place: put the secret back"
        ));
    }
    if secret.len() > SECRET_BYTES_MAX {
        return Err(format!("`{name}` is longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(secret)
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: u8| char::from(at).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(
            format!("{secret:?} {:?}", Given::Secret(secret.clone(), None)),
            "*** Secret(***, None)"
        );
        assert_eq!(secret.reveal(), "hunter2");
    }

    #[test]
    fn digests_are_64_hexadecimal_digits() {
        assert_eq!(digest(&"aF".repeat(32)), Some([0xaf; 32]));
        assert_eq!(digest(&"a".repeat(63)), None);
        assert_eq!(digest(&"g".repeat(64)), None);
        assert_eq!(digest(&"\u{e9}".repeat(32)), None);
    }
}

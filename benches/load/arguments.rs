//! Options behind `--`.

use std::str::FromStr;

/// The text after `name`.
pub(crate) fn text(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

/// The number after `name`, if it is there.
pub(crate) fn number<N: FromStr>(name: &str) -> Option<N> {
    let text = text(name)?;
    let number = text.parse().ok();
    Some(number.unwrap_or_else(|| panic!("{name} takes a number, not {text:?}")))
}

/// Whether `name` was given.
pub(crate) fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

//! Names: their bounds, and the prefixes StackState forbids (contract C2.2, C4.6).

use super::{Code, Profile, Rejection, ReservedAction, Warnings};
use crate::decode::raw::Scalar;
use crate::metric::text::Texts;

/// Most bytes of a name, as sent.
const NAME_BYTES_MAX: usize = 1_024;

/// StackState stores a metric under these field names and loses one whose name starts with them.
/// None holds a `_`, so a suffix like `_sum` never makes a name reserved.
const RESERVED: [&str; 7] =
    ["host", "labels", "name", "tags", "timeReceived", "timestamp", "values"];

pub(super) fn normalize<'a>(
    name: Option<Scalar<'a>>,
    profile: &Profile,
    texts: Texts<'a>,
    warnings: &mut Warnings,
) -> Result<&'a str, Rejection> {
    let name = match name {
        Some(Scalar::Text(name)) => name,
        None | Some(Scalar::Null) => {
            return Err(Rejection::new(Code::MissingName, "expected a member `name`"));
        }
        Some(_) => {
            return Err(Rejection::new(Code::InvalidName, "expected a UTF-8 string as `name`"));
        }
    };
    if name.is_empty() {
        return Err(Rejection::new(Code::InvalidName, "`name` is empty"));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Rejection::new(Code::InvalidName, "`name` is longer than 1,024 bytes"));
    }
    let name = texts.clean(name);
    let Some(prefix) = reserved_prefix(name) else { return Ok(name) };
    let reserved = &profile.policy().reserved_names;
    match reserved.action {
        ReservedAction::Keep => Ok(name),
        ReservedAction::Prefix => {
            warnings.renamed = true;
            Ok(texts.arena().alloc_str(&format!("{}{name}", reserved.prefix)))
        }
        ReservedAction::Reject => Err(Rejection::because(
            Code::InvalidName,
            format!(
                "`name` starts with `{prefix}`, which StackState reserves (`reserved_names.action`)"
            ),
        )),
    }
}

/// The reserved prefix `name` starts with; case matters.
#[inline]
pub(crate) fn reserved_prefix(name: &str) -> Option<&'static str> {
    // Most names start with another letter.
    if !matches!(name.as_bytes().first(), Some(b'h' | b'l' | b'n' | b't' | b'v')) {
        return None;
    }
    RESERVED.into_iter().find(|prefix| name.starts_with(prefix))
}

//! When a changed key takes effect, read from the table that the reload itself goes by.

use std::fs;
use std::path::Path;

/// What the table says of a key, in words; nothing of one that it does not have.
pub(super) fn effect(key: &str) -> Option<&'static str> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/reload/effect.rs");
    let text = fs::read_to_string(path).ok()?;
    let quoted = format!("\"{key}\"");
    // Lists of keys, each with the effect behind it.
    let mut lists = text.split("&[").skip(1).filter_map(|list| list.split_once(']'));
    let (_, behind) = lists.find(|(keys, _)| keys.contains(&quoted))?;
    match behind.trim_start_matches([',', ' ', '\n']) {
        live if live.starts_with("Live") => Some("at a reload"),
        restart if restart.starts_with("Restart") => Some("at the next start"),
        other => panic!("neither Live nor Restart behind {key}: {other:.20}"),
    }
}

//! Which names in a queue's directory are the queue's.

use super::position::destination_of;
use super::segment::Name;

/// What is still being written under it is no part of the log yet: positions, copies, and what is
/// written to see whether the disk takes anything.
const PARTIAL: &str = ".partial";

/// What was set aside: cut off by a crash, or damaged.
const KEPT: [&str; 2] = [".torn", ".damaged"];

/// Whether a log has files of this name.
pub(super) fn is_ours(file: &str) -> bool {
    is_of_log(file) || is_aside(file)
}

/// Whether a file of this name is, or may be, part of the log: a segment or a position.
pub(super) fn is_of_log(file: &str) -> bool {
    Name::parse(file).is_some() || destination_of(file).is_some()
}

/// Whether a file of this name is left of one of the log's: `<segment>@<offset>.torn`, `.damaged` of
/// segments and positions, and what was not finished.
pub(super) fn is_aside(file: &str) -> bool {
    let is_kept = |rest: &str| KEPT.iter().any(|suffix| rest.ends_with(suffix));
    file.ends_with(PARTIAL)
        || file.split_once('@').is_some_and(|(of, rest)| is_of_log(of) && is_kept(rest))
}

/// The destination whose position was set aside under this name because nobody could read it.
pub(super) fn set_aside_of(file: &str) -> Option<&str> {
    let (position, rest) = file.split_once('@')?;
    destination_of(position).filter(|_| rest.ends_with(".damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let segment = "00000000000000000001-0.seg";
        for (file, of_log, aside, lost) in [
            (segment, true, false, None),
            ("default.pos", true, false, None),
            ("00000000000000000001-0.seg@4096.torn", false, true, None),
            ("00000000000000000001-0.seg@4096.torn.partial", false, true, None),
            ("00000000000000000001-0.seg@0.damaged", false, true, None),
            ("default.pos@0.damaged", false, true, Some("default")),
            ("default.pos@12.damaged", false, true, Some("default")),
            ("default.pos.partial", false, true, None),
            ("probe.partial", false, true, None),
            ("notes.txt", false, false, None),
            ("notes@1.damaged", false, false, None),
            ("default.pos@0.kept", false, false, None),
            ("x.damaged", false, false, None),
        ] {
            let seen = (is_of_log(file), is_aside(file), set_aside_of(file));
            assert_eq!(seen, (of_log, aside, lost), "{file}");
            assert_eq!(is_ours(file), of_log || aside, "{file}");
        }
    }
}

//! Exemplars: read for their syntax, and not kept.

use super::super::line::Line;
use super::super::number::{seconds, value};
use super::super::series::{Item, Texts};
use crate::decode::pull::Fault;

/// Most characters of the names and values of its labels together.
const CHARACTERS_MAX: usize = 128;

/// Reads `# {label="value",..} value [timestamp]` to the end of the line.
pub(in super::super) fn exemplar<'a>(
    line: &mut Line<'a>,
    texts: &mut Texts<'a>,
) -> Result<(), Fault> {
    if !line.eat_text("# {") {
        return Err(line.fault("expected `# {` where an exemplar begins"));
    }
    let mut characters = 0;
    let mut names: Vec<&str> = Vec::new();
    texts.items(line, |item| {
        let Item::Label(name, value) = item else {
            return Err("expected a label in an exemplar, not a name");
        };
        characters += name.chars().count() + value.chars().count();
        if characters > CHARACTERS_MAX {
            return Err("expected at most 128 characters of labels in an exemplar");
        }
        if names.contains(&name) {
            return Err("expected each label of an exemplar once");
        }
        names.push(name);
        Ok(())
    })?;
    line.expect(b' ', "expected a space and a value after the labels of an exemplar")?;
    let at = line.at();
    value(line.token()).map_err(|expected| line.fault_at(at, expected))?;
    if line.eat(b' ') {
        let at = line.at();
        let expected = "expected a timestamp in seconds";
        seconds(line.token()).ok_or_else(|| line.fault_at(at, expected))?;
    }
    if line.is_at_end() { Ok(()) } else { Err(line.fault("expected the end of the line")) }
}

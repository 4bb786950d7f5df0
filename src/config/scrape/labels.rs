//! The labels of a job, and the rule for those of its targets.

use super::Section;

/// Most labels of a job, and of a target.
pub(crate) const LABELS_MAX: usize = 64;

const NAME_BYTES_MAX: usize = 255;
const VALUE_BYTES_MAX: usize = 4_096;

/// What is wrong with a label.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(format!("a name of 1 to {NAME_BYTES_MAX} bytes"));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("a value of at most {VALUE_BYTES_MAX} bytes"));
    }
    Ok(())
}

/// `labels`
pub(super) fn read(section: &mut Section<'_>) -> Vec<(String, String)> {
    let Some((labels, place)) = section.pairs("labels") else { return Vec::new() };
    let path = section.name("labels");
    if labels.len() > LABELS_MAX {
        let text =
            format!("`{path}` has {} labels; at most {LABELS_MAX} are allowed", labels.len());
        section.fault_at(place.clone(), text);
    }
    for (name, value) in &labels {
        if let Err(expected) = check(name, value) {
            section.fault_at(place.clone(), format!("each label of `{path}` must have {expected}"));
        } else if name.starts_with("__") {
            let text = format!(
                "`{path}.{name}` begins with `__`, which names what is not sent: choose another name"
            );
            section.fault_at(place.clone(), text);
        }
    }
    labels
}

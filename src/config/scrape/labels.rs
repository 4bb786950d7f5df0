//! The labels of a job, and the rule for those of its targets.

use std::collections::BTreeMap;

use super::Section;

/// Most labels of a job, and of a target.
pub(crate) const LABELS_MAX: usize = 64;

/// Most bytes of the labels of a target, names and values. Both leave half of what a tuple may have
/// (contract C2.3) to the samples: without `up`, nobody would know of a target at all.
const BYTES_MAX: usize = 8 << 10;

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

/// All labels of a target, none of them empty, by name. Of labels of one name the most particular counts:
/// `own` before the job's, and those before `job` and `instance`.
///
/// # Errors
///
/// They are more than a target may have.
pub(crate) fn of_target<'l>(
    job: &'l str,
    of_job: &'l [(String, String)],
    own: &'l BTreeMap<String, String>,
    instance: &'l str,
) -> Result<BTreeMap<&'l str, &'l str>, String> {
    let mut labels = BTreeMap::from([("job", job), ("instance", instance)]);
    labels.extend(of_job.iter().map(|(name, value)| (&**name, &**value)));
    // Others of these name what a discovery knows, and are for its rules alone.
    let own = own.iter().filter(|(name, _)| !name.starts_with("__"));
    labels.extend(own.map(|(name, value)| (&**name, &**value)));
    labels.retain(|_, value| !value.is_empty());
    let bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
    if labels.len() > LABELS_MAX || bytes > BYTES_MAX {
        return Err(format!(
            "a target has {} labels of {bytes} bytes, `job` and `instance` included; at most \
             {LABELS_MAX} of {BYTES_MAX} bytes together are allowed",
            labels.len()
        ));
    }
    Ok(labels)
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

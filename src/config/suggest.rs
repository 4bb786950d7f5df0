//! The nearest known name to one that was mistyped.

/// The name in `known` that `written` was probably meant to be, if any is close enough: one edit in
/// three letters, so that `lisen` finds `listen` and `xyz` finds nothing.
pub(crate) fn closest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (distance(written, name), name))
        .filter(|(edits, _)| *edits <= limit)
        .min()
        .map(|(_, name)| name)
}

/// Edits (insert, delete, replace; case does not count) that turn one name into the other.
fn distance(a: &str, b: &str) -> usize {
    let fold = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let (a, b) = (fold(a), fold(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_key_and_noise_finds_none() {
        let known = ["listen", "data_dir", "hostname", "hostname_tags"];
        for (written, wanted) in [
            ("lisen", Some("listen")),
            ("Listen", Some("listen")),
            ("data-dir", Some("data_dir")),
            ("hostnames", Some("hostname")),
            ("hostname_tag", Some("hostname_tags")),
            ("xyz", None),
            ("", None),
        ] {
            assert_eq!(closest(written, known), wanted, "{written}");
        }
    }
}

//! Columns of text for people: numbers to the right, everything else to the left.

use std::fmt::Write as _;

/// Where a column's texts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// Rows under a heading.
#[derive(Debug)]
pub(super) struct Table {
    heading: Vec<String>,
    aligns: Vec<Align>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<'t>(columns: impl IntoIterator<Item = (&'t str, Align)>) -> Self {
        let columns = columns.into_iter().map(|(title, align)| (title.to_owned(), align));
        let (heading, aligns) = columns.unzip();
        Self { heading, aligns, rows: Vec::new() }
    }

    /// As many cells as there are columns.
    pub(super) fn row(&mut self, row: impl Into<Vec<String>>) {
        let row = row.into();
        debug_assert_eq!(row.len(), self.aligns.len(), "a cell for each column");
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table with a heading, two spaces between columns and none at the end of a line.
    pub(super) fn render(&self) -> String {
        let rows = || std::iter::once(&self.heading).chain(&self.rows);
        let mut text = String::new();
        for row in rows() {
            let mut line = String::new();
            for (nth, (cell, align)) in row.iter().zip(&self.aligns).enumerate() {
                let width = rows().map(|row| row[nth].chars().count()).max().unwrap_or(0);
                let gap = if nth == 0 { "" } else { "  " };
                let written = match align {
                    Align::Left => write!(line, "{gap}{cell:<width$}"),
                    Align::Right => write!(line, "{gap}{cell:>width$}"),
                };
                written.expect("a string takes everything");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// `1,234,567`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `512 B`, `1.5 KiB`, `310.2 MiB`
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut tenths, mut unit) = (u128::from(bytes) * 10 / 1024, 0);
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        (tenths, unit) = (tenths / 1024, unit + 1);
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_text() {
        let mut table = Table::new([("name", Align::Left), ("n", Align::Right), ("", Align::Left)]);
        table.row(["a".into(), "1,000".into(), "x".into()]);
        table.row(["longer".into(), "7".into(), String::new()]);
        assert_eq!(table.render(), "name        n\na       1,000  x\nlonger      7\n");
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, wanted) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), wanted);
        }
    }

    #[test]
    fn sizes_keep_one_digit_and_never_round_up() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (1 << 20, "1.0 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(size(bytes), wanted);
        }
    }
}

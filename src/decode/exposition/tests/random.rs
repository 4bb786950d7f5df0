//! Pages made of known samples, in all the freedom the format has, read back.

use fastrand::Rng;

use super::*;

const TEXTS: [&str; 12] =
    ["a", "le", "", "=", "{},#", "\\", "\"", "\n", "\t ", "\u{e9}\u{2713}", "\u{0}", "\\n"];
const VALUES: [(&str, &str); 9] = [
    ("1", "1"),
    ("-0.50", "-0.50"),
    ("1e3", "1e3"),
    ("9223372036854775808", "9223372036854775808"),
    ("+7", "7.0"),
    ("007.5", "7.5"),
    (".25", "0.25"),
    ("NaN", ""),
    ("-inf", ""),
];

/// A page, and what is read of it.
struct Page {
    syntax: Exposition,
    random: Rng,
    text: String,
    lines: String,
}

impl Page {
    fn blanks(&mut self, least: usize) {
        if self.syntax == Exposition::OpenMetrics {
            self.text.push_str(if least > 0 { " " } else { "" });
            return;
        }
        for _ in 0..least + self.random.usize(..2) {
            self.text.push(if self.random.bool() { ' ' } else { '\t' });
        }
    }

    /// Any text at all, of a few pieces.
    fn any_text(&mut self) -> String {
        (0..self.random.usize(..4)).map(|_| TEXTS[self.random.usize(..TEXTS.len())]).collect()
    }

    fn quote(&mut self, text: &str) {
        self.text.push('"');
        for character in text.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                '\\' => self.text.push_str("\\\\"),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }

    fn name(&mut self, name: &str, is_plain: bool) {
        if is_plain { self.text.push_str(name) } else { self.quote(name) }
    }

    /// One family of its own, so that OpenMetrics takes it as well.
    fn family(&mut self, number: usize) {
        let is_plain = self.random.bool();
        let name =
            if is_plain { format!("m{number}") } else { format!("{}{number}", self.any_text()) };
        let is_typed = self.random.bool();
        if is_typed {
            self.text.push_str("# TYPE ");
            self.name(&name, is_plain);
            self.text.push_str(" gauge\n");
        }
        let point = self.random.usize(..100);
        // OpenMetrics wants the samples of one metric together, and these are of any.
        let most = if self.syntax == Exposition::Text { 4 } else { 2 };
        for sample in 0..self.random.usize(1..most) {
            self.sample(&name, is_plain, point + sample);
        }
    }

    fn sample(&mut self, name: &str, is_plain: bool, second: usize) {
        self.blanks(0);
        let mut items = vec![(String::new(), String::new(), false)];
        items[0].2 = is_plain;
        for number in 0..self.random.usize(..4) {
            let is_plain = self.random.bool();
            let any = if is_plain { String::from("l") } else { self.any_text() };
            items.push((format!("{any}{number}"), self.any_text(), is_plain));
        }
        if is_plain {
            self.text.push_str(name);
            items.remove(0);
        }
        let labels: Vec<_> =
            items.iter().filter(|(label, ..)| !label.is_empty()).cloned().collect();
        if !items.is_empty() || self.random.bool() {
            if is_plain {
                self.blanks(0);
            }
            self.text.push('{');
            for (number, (label, value, is_plain)) in items.iter().enumerate() {
                if number > 0 {
                    self.text.push(',');
                }
                self.blanks(0);
                if label.is_empty() {
                    self.quote(name);
                } else {
                    self.name(label, *is_plain);
                    self.blanks(0);
                    self.text.push('=');
                    self.blanks(0);
                    self.quote(value);
                }
                self.blanks(0);
            }
            self.text.push('}');
        }
        self.blanks(1);
        let (value, digits) = VALUES[self.random.usize(..VALUES.len())];
        self.text.push_str(value);
        self.blanks(1);
        let unit = if self.syntax == Exposition::Text { "000" } else { ".0" };
        write!(self.text, "{second}{unit}").unwrap();
        self.blanks(0);
        self.text.push('\n');

        self.lines.push_str(name);
        for (label, value, _) in labels.iter().filter(|(_, value, _)| !value.is_empty()) {
            write!(self.lines, " {label}={value:?}").unwrap();
        }
        let shown =
            if digits.is_empty() { "not finite".to_owned() } else { format!("gauge {digits}") };
        writeln!(self.lines, " {shown} @{second}.000000000").unwrap();
    }
}

#[test]
fn what_was_rendered_is_read_back() {
    for syntax in [Exposition::Text, Exposition::OpenMetrics] {
        for seed in 0..400 {
            let random = Rng::with_seed(seed);
            let mut page = Page { syntax, random, text: String::new(), lines: String::new() };
            let count = page.random.usize(1..6);
            (0..count).for_each(|number| page.family(number));
            if syntax == Exposition::OpenMetrics {
                page.text.push_str("# EOF\n");
            }
            let (lines, fault) = read(&page.text, syntax, Timestamps::Taken);
            assert_eq!(fault, None, "{seed}: {}", page.text);
            assert_eq!(lines, page.lines, "{seed}: {}", page.text);
        }
    }
}

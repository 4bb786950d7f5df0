//! Sets and distributions, with an odd part now and then.

use super::{Generator, put};

impl Generator {
    pub(super) fn set(&mut self, out: &mut String) {
        out.push_str("{\"values\":[");
        for at in 0..self.below(4) {
            out.push_str(if at > 0 { "," } else { "" });
            if self.chance(8) { self.scalar(out) } else { out.push_str("\"bob\"") }
        }
        out.push_str("]}");
    }

    pub(super) fn distribution(&mut self, out: &mut String) {
        out.push_str("{\"samples\":[");
        for at in 0..self.below(6) {
            out.push_str(if at > 0 { ",{\"value\":" } else { "{\"value\":" });
            if self.chance(15) {
                self.scalar(out);
            } else {
                self.number(out);
            }
            out.push_str(",\"rate\":");
            match self.below(12) {
                0 => self.number(out),
                1 => out.push_str(self.pick(&["0", "2.0", "1e1", "4294967295", "4294967296"])),
                _ => put(out, format_args!("{}", self.below(9))),
            }
            out.push('}');
        }
        out.push_str(self.pick(&["]}", "],\"statistic\":\"summary\"}"]));
    }
}

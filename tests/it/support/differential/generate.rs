//! Bodies that are nearly metrics: built member by member from odd parts, then damaged.
//!
//! Everything follows from the seed. Half of what comes out is valid JSON and tests values; the other
//! half is broken in one or a few places and tests verdicts.

mod vector;

use std::fmt::{Arguments, Write as _};

use tidegate::decode::Format;

use super::words::{DTS, NAMES, NUMBERS, TAG_KEYS, TEXTS, TOKENS};

/// A source of bodies.
pub(crate) struct Generator {
    rng: fastrand::Rng,
    /// Items to take and damage; building one costs more than damaging it.
    pool: Vec<String>,
    taken: u32,
}

const POOL: usize = 256;
/// Items taken before the pool is built anew.
const POOL_LASTS: u32 = 4_096;

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed), pool: Vec::new(), taken: 0 }
    }

    /// The generator's own dice, for what goes with a body.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(..bound)
    }

    /// Writes the next body over `out`.
    pub(crate) fn body(&mut self, out: &mut Vec<u8>) -> Format {
        if self.pool.is_empty() || self.taken == POOL_LASTS {
            self.pool = (0..POOL).map(|_| self.fresh_item()).collect();
            self.taken = 0;
        }
        self.taken += 1;
        out.clear();
        let format = match self.below(20) {
            0..12 => Format::Json,
            12..16 => Format::JsonStream,
            _ => Format::Ndjson,
        };
        let several = match format {
            Format::Json if self.chance(4) => {
                out.push(b'[');
                let count = self.below(4);
                self.items(out, count, b",");
                out.push(b']');
                return self.damaged(out, format);
            }
            Format::Json => 1,
            _ => self.below(4),
        };
        let join: &[u8] = match format {
            Format::Ndjson if !self.chance(4) => b"\n",
            _ => [b"".as_slice(), b" ", b"\n"][self.below(3)],
        };
        self.items(out, several, join);
        self.damaged(out, format)
    }

    fn items(&mut self, out: &mut Vec<u8>, count: usize, join: &[u8]) {
        for at in 0..count {
            if at > 0 {
                out.extend_from_slice(join);
            }
            let item = self.below(self.pool.len());
            out.extend_from_slice(self.pool[item].as_bytes());
        }
    }

    fn damaged(&mut self, out: &mut Vec<u8>, format: Format) -> Format {
        if self.chance(2) {
            for _ in 0..=self.below(3) {
                self.damage(out);
            }
        }
        format
    }

    /// One damage anywhere; for the bytes of any format.
    pub(crate) fn damage(&mut self, out: &mut Vec<u8>) {
        let at = self.below(out.len() + 1);
        let end = (at + 1 + self.below(12)).min(out.len());
        match self.below(10) {
            0 if at < out.len() => out[at] ^= 1 << self.below(8),
            1 if at < out.len() => out[at] = self.rng.u8(..),
            2 => out.truncate(at),
            3 => drop(out.drain(at..end)),
            4 => {
                let again = out[at..end].to_vec();
                drop(out.splice(at..at, again));
            }
            5 if !self.pool.is_empty() => self.splice_item(out, at),
            6 => self.another_number(out, at),
            7 if at < out.len() => {
                let other = self.below(out.len());
                out.swap(at, other);
            }
            _ => {
                let token = TOKENS[self.below(TOKENS.len())];
                drop(out.splice(at..at, token.iter().copied()));
            }
        }
    }

    /// The body's head with another item's tail.
    fn splice_item(&mut self, out: &mut Vec<u8>, at: usize) {
        let item = self.below(self.pool.len());
        let from = self.below(self.pool[item].len() + 1);
        out.truncate(at);
        out.extend_from_slice(&self.pool[item].as_bytes()[from..]);
    }

    /// Another number in the place of the next digits.
    fn another_number(&mut self, out: &mut Vec<u8>, at: usize) {
        let Some(start) = out[at..].iter().position(u8::is_ascii_digit).map(|found| at + found)
        else {
            return;
        };
        let digits = out[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = NUMBERS[self.below(NUMBERS.len())];
        drop(out.splice(start..start + digits, number.bytes()));
    }

    /// One time in `of`.
    fn chance(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    fn pick<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn fresh_item(&mut self) -> String {
        let item = self.tight_item();
        if self.chance(4) { self.spaced(&item) } else { item }
    }

    /// The same item with white space wherever the grammar allows it.
    fn spaced(&mut self, item: &str) -> String {
        let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
        let rare = 1 + self.below(4);
        for character in item.chars() {
            let punctuates = !quoted && matches!(character, '{' | '}' | '[' | ']' | ',' | ':');
            if punctuates && self.chance(rare) {
                out.push_str(self.pick(&[" ", "\t", "\r", "  "]));
            }
            out.push(character);
            if punctuates && self.chance(rare) {
                out.push_str(self.pick(&[" ", "\t", "\r ", "    "]));
            }
            quoted ^= character == '"' && !escaped;
            escaped = character == '\\' && !escaped;
        }
        out
    }

    fn tight_item(&mut self) -> String {
        let mut out = String::new();
        match self.below(40) {
            5..14 => self.straight(&mut out),
            0 => self.scalar(&mut out),
            1 => out.push_str("[{\"name\":\"x\"}]"),
            2 | 3 => {
                out.push_str("{\"metric\":");
                self.metric(&mut out);
                out.push_str(
                    [",\"host\":1}", ",\"name\":\"n\"}", "}", ",\"metric\":{}}"][self.below(4)],
                );
            }
            4 => {
                let depth = self.below(80);
                put(&mut out, format_args!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)));
            }
            _ => self.metric(&mut out),
        }
        out
    }

    /// A metric as clients send it, save for an odd part now and then.
    fn straight(&mut self, out: &mut String) {
        let mut members = vec!["name", "gauge", "dt", "tags"];
        members[1] =
            self.pick(&["gauge", "counter", "histogram", "summary", "gauge", "distribution"]);
        match self.below(10) {
            0 => members.push("kind"),
            1 => members.extend(["namespace", "kind"]),
            2 => members[2] = "timestamp",
            3 => drop(members.remove(2)),
            4 => drop(members.pop()),
            5 => members.push(self.pick(&["name", "gauge", "dt", "tags", "timestamp", "set"])),
            _ => {}
        }
        if self.chance(2) {
            self.rng.shuffle(&mut members);
        }
        for (at, member) in members.into_iter().enumerate() {
            put(out, format_args!("{}\"{member}\":", if at > 0 { "," } else { "{" }));
            match member {
                _ if self.chance(30) => self.member(member, out),
                "name" => put(out, format_args!("\"shop.orders_{}\"", self.below(1_000))),
                "dt" | "timestamp" => self.recent(out),
                "tags" => self.straight_tags(out),
                "namespace" => out.push_str("\"app\""),
                _ => self.member(member, out),
            }
        }
        out.push('}');
    }

    /// An instant of the last minutes, written in one of the common ways.
    fn recent(&mut self, out: &mut String) {
        let (minute, second) = (self.rng.u8(14..32), self.rng.u8(..60));
        let end = self.pick(&["Z", ".5Z", ".123456Z", ".000000001Z", "+00:00", "", ".1234567890Z"]);
        match self.below(8) {
            0 => put(out, format_args!("{}", 1_795_343_400 - u32::from(second))),
            1 => put(out, format_args!("\"2026-11-22 10:{minute}:{second:02}{end}\"")),
            2 => {
                put(out, format_args!("\"2026-11-2{}T10:{minute}:{second:02}{end}\"", second % 10));
            }
            _ => put(out, format_args!("\"2026-11-22T10:{minute}:{second:02}{end}\"")),
        }
    }

    fn straight_tags(&mut self, out: &mut String) {
        out.push('{');
        for at in 0..self.below(7) {
            let key = ["env", "region", "host", "pod", "a", "status", "hostname", "version"];
            let key =
                if self.chance(40) { self.pick(TAG_KEYS) } else { key[(at + self.below(3)) % 8] };
            put(out, format_args!("{}\"{key}\":", if at > 0 { "," } else { "" }));
            match self.below(25) {
                0 => self.scalar(out),
                1 => self.number(out),
                2 => out.push_str("\"\""),
                3 => put(out, format_args!("\"{}\"", "long-value ".repeat(self.below(9)))),
                4 => out.push_str("\"b\\u00e9\""),
                _ => put(out, format_args!("\"v-{:x}\"", self.rng.u32(..))),
            }
        }
        out.push('}');
    }

    fn metric(&mut self, out: &mut String) {
        let mut members: Vec<&str> = Vec::new();
        if !self.chance(20) {
            members.push("name");
        }
        members.push(self.pick(&[
            "gauge",
            "gauge",
            "gauge",
            "counter",
            "counter",
            "histogram",
            "summary",
            "aggregated_histogram",
            "aggregated_summary",
            "set",
            "distribution",
            "unknown",
        ]));
        for _ in 0..self.below(4) {
            members.push(if self.chance(10) {
                self.pick(&["name", "gauge", "counter", "sketch", "set", "distribution", "metric"])
            } else {
                self.pick(&["dt", "tags", "tags", "kind", "timestamp", "namespace"])
            });
        }
        self.rng.shuffle(&mut members);
        out.push('{');
        for (at, member) in members.into_iter().enumerate() {
            if at > 0 {
                out.push_str(if self.chance(8) { " , " } else { "," });
            }
            put(out, format_args!("\"{member}\":"));
            self.member(member, out);
        }
        out.push('}');
    }

    fn member(&mut self, member: &str, out: &mut String) {
        if self.chance(25) {
            return self.scalar(out);
        }
        match member {
            "name" => {
                let name = self.pick(NAMES);
                put(out, format_args!("\"{name}\""));
            }
            "gauge" | "counter" => {
                out.push_str(if self.chance(20) { "{\"x\":[1,{\"value\":2}]," } else { "{" });
                out.push_str("\"value\":");
                self.number(out);
                out.push('}');
            }
            "histogram" | "aggregated_histogram" => {
                self.series(out, "buckets", "upper_limit", "count");
            }
            "summary" | "aggregated_summary" => self.series(out, "quantiles", "quantile", "value"),
            "set" => self.set(out),
            "distribution" => self.distribution(out),
            "tags" => self.tags(out),
            "dt" | "timestamp" => out.push_str(self.pick(DTS)),
            "kind" => out.push_str(self.pick(&["\"incremental\"", "\"absolute\"", "null"])),
            _ => self.scalar(out),
        }
    }

    fn series(&mut self, out: &mut String, list: &str, bound: &str, value: &str) {
        out.push('{');
        for total in ["count", "sum"] {
            put(out, format_args!("\"{total}\":"));
            self.number(out);
            out.push(',');
        }
        put(out, format_args!("\"{list}\":["));
        for at in 0..self.below(4) {
            put(out, format_args!("{}{{\"{bound}\":", if at > 0 { "," } else { "" }));
            if self.chance(5) {
                self.scalar(out);
            } else {
                self.number(out);
            }
            put(out, format_args!(",\"{value}\":"));
            if self.chance(8) {
                out.push_str("null");
            } else {
                self.number(out);
            }
            out.push('}');
        }
        out.push_str("]}");
    }

    fn tags(&mut self, out: &mut String) {
        out.push('{');
        for at in 0..self.below(5) {
            let key = self.pick(TAG_KEYS);
            put(out, format_args!("{}\"{key}\":", if at > 0 { "," } else { "" }));
            if self.chance(5) {
                out.push('[');
                for at in 0..self.below(3) {
                    out.push_str(if at > 0 { "," } else { "" });
                    self.scalar(out);
                }
                out.push(']');
            } else if self.chance(3) {
                self.scalar(out);
            } else {
                out.push_str(self.pick(TEXTS));
            }
        }
        out.push('}');
    }

    fn number(&mut self, out: &mut String) {
        if self.chance(3) {
            out.push_str(self.pick(NUMBERS));
            return;
        }
        let double = f64::from_bits(self.rng.u64(..) >> 2);
        match self.below(30) {
            0..10 => put(out, format_args!("{}", self.rng.u32(..))),
            10..19 => put(out, format_args!("{double:e}")),
            // Hundreds of digits.
            19 => put(out, format_args!("{double}")),
            _ => put(out, format_args!("{}.{:03}", self.rng.i16(..), self.rng.u16(..1000))),
        }
    }

    fn scalar(&mut self, out: &mut String) {
        match self.below(12) {
            0..4 => out.push_str(self.pick(TEXTS)),
            4..6 => out.push_str(self.pick(NUMBERS)),
            6 => out.push_str(self.pick(&["null", "true", "false"])),
            7 => out.push_str(self.pick(&["{}", "[]", "[[]]", "{\"a\":[1,{\"b\":null}]}"])),
            8 => out.push_str(self.pick(DTS)),
            9 => out.push_str("null"),
            _ => self.number(out),
        }
    }
}

fn put(out: &mut String, text: Arguments<'_>) {
    out.write_fmt(text).expect("a String takes every text");
}

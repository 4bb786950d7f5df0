//! The page: what is told, as lines that fit a width and a height.

use super::line::{Line, Tone};
use super::told::{Queue, Rates, Receiver, Source, Told};
use crate::cli::table::{Align, Table, grouped, size};
use crate::cli::words::{age, count};

/// Problems that are shown beside the sentence.
const PROBLEMS_MAX: usize = 4;

/// Receivers that are shown where room is short.
const RECEIVERS_MAX: usize = 8;

/// Least sources that are shown, however small the terminal is.
const SOURCES_MIN: usize = 3;

/// What is drawn.
pub(super) struct Frame<'f> {
    /// The last that was told.
    pub(super) told: Option<&'f Told>,
    /// Why nothing newer was told.
    pub(super) trouble: Option<&'f str>,
    pub(super) now: String,
    pub(super) width: usize,
    pub(super) height: usize,
}

/// As many lines as fit, where the sources make way first.
pub(super) fn page(frame: &Frame<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(why) = frame.trouble {
        lines.push(Line::new(Tone::Trouble, &format!("{why}; trying again")));
    }
    let Some(told) = frame.told else {
        if frame.trouble.is_none() {
            lines.push(Line::new(Tone::Faint, "asking the gateway ..."));
        }
        return lines;
    };
    if frame.trouble.is_some() {
        lines.push(Line::new(Tone::Faint, "What it said last:"));
    }
    lines.push(Line::new(Tone::Faint, &heading(told, &frame.now)));
    lines.extend(verdict(told, frame.width));
    lines.push(Line::empty());
    lines.push(Line::new(Tone::Plain, &flow(&told.rates)));
    lines.push(Line::new(Tone::Plain, &queue(&told.queue)));
    lines.push(Line::new(Tone::Plain, &dead_letters(told)));
    lines.push(Line::empty());
    let is_short = frame.height != usize::MAX;
    let most = if is_short { RECEIVERS_MAX } else { usize::MAX };
    lines.extend(receivers(&told.receivers, most));
    lines.push(Line::empty());
    // A title, and perhaps a line that says how many more there are.
    let room = frame.height.saturating_sub(lines.len() + 2).max(SOURCES_MIN);
    lines.extend(sources(&told.sources, room));
    lines
}

fn heading(told: &Told, now: &str) -> String {
    let up = told.uptime_s.map_or_else(String::new, |s| format!("  up {}", age(s as u64)));
    format!("tidegate {}{up}  durability {}  {now}", told.version, told.durability)
}

/// The sentence, and what else is wrong.
fn verdict(told: &Told, width: usize) -> Vec<Line> {
    let (state, text) = match (&*told.summary.text, told.ready, told.causes.first()) {
        ("", true, _) => ("well", "All is well."),
        ("", false, Some(cause)) => ("trouble", &*cause.message),
        ("", false, None) => ("trouble", "The gateway is not ready."),
        (text, ..) => (&*told.summary.state, text),
    };
    let mut lines = wrapped(Tone::of(state), text, width);
    let more = told.problems.iter().skip(1);
    lines.extend(
        more.clone()
            .take(PROBLEMS_MAX)
            .map(|problem| Line::new(Tone::of(&problem.level), &format!("  {}", problem.text))),
    );
    if let left_out @ 1.. = more.count().saturating_sub(PROBLEMS_MAX) {
        lines.push(Line::new(Tone::Faint, &format!("  and {left_out} more")));
    }
    lines
}

/// A sentence over as many lines as it takes, up to three.
fn wrapped(tone: Tone, text: &str, width: usize) -> Vec<Line> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let is_last = lines.len() == 3;
        let line = lines.last_mut().expect("there is one from the start");
        let fits = line.chars().count() + word.chars().count() < width;
        if line.is_empty() || fits || is_last {
            let gap = if line.is_empty() { "" } else { " " };
            line.push_str(gap);
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().map(|line| Line::new(tone, line)).collect()
}

fn flow(Rates { accepted, rejected, delivered }: &Rates) -> String {
    format!(
        "in        {} metrics/s, {} rejected/s; out {} tuples/s",
        rate(*accepted),
        rate(*rejected),
        rate(*delivered)
    )
}

fn queue(queue: &Queue) -> String {
    let mut parts = vec![match (queue.bytes, queue.limit_bytes) {
        (Some(bytes), Some(limit)) => format!("{} of {}", size(bytes), size(limit)),
        (Some(bytes), None) => size(bytes),
        (None, _) => "-".to_owned(),
    }];
    let seconds = |seconds: f64| age(seconds as u64);
    parts.extend(queue.oldest_age_s.map(|old| format!("oldest {}", seconds(old))));
    parts.extend(queue.disk_free_bytes.map(|free| format!("disk has {} free", size(free))));
    parts.extend(queue.full_in_s.map(|full| format!("FULL IN {} at this rate", seconds(full))));
    format!("queue     {}", parts.join(", "))
}

fn dead_letters(told: &Told) -> String {
    let letters = &told.dead_letters;
    match letters.letters {
        0 => "refused   no dead letters".to_owned(),
        some => format!("refused   {}, {}", count(some, "dead letter"), size(letters.bytes)),
    }
}

fn receivers(receivers: &[Receiver], most: usize) -> Vec<Line> {
    let mut table = Table::new([
        ("RECEIVER", Align::Left),
        ("STATE", Align::Left),
        ("TUPLES/S", Align::Right),
        ("LATENCY", Align::Right),
        ("LAG", Align::Right),
        ("WAITING", Align::Right),
        ("WHY", Align::Left),
    ]);
    let mut tones = vec![Tone::Title];
    for receiver in receivers.iter().take(most) {
        let state = receiver.state.as_deref().unwrap_or("orphan");
        tones.push(match state {
            "flowing" => Tone::Plain,
            "held" => Tone::Trouble,
            _ => Tone::Look,
        });
        let error = receiver.last_error.as_ref().filter(|_| state != "flowing");
        let why = receiver.why.as_deref().or(error.map(|error| &*error.text));
        table.row([
            receiver.name.clone(),
            state.to_owned(),
            rate(receiver.rate),
            receiver.latency_ms.map_or_else(none, |ms| format!("{ms:.0} ms")),
            receiver.lag_seconds.map_or_else(none, |lag| age(lag as u64)),
            receiver.backlog.tuples.map_or_else(none, grouped),
            why.unwrap_or_default().to_owned(),
        ]);
    }
    drawn(&table, &tones, receivers.len().saturating_sub(most), "receiver")
}

fn sources(sources: &[Source], room: usize) -> Vec<Line> {
    let mut order: Vec<&Source> = sources.iter().collect();
    if sources.len() > room {
        // Who has trouble and who sends most is of interest; names are easier to find.
        let sends = |source: &Source| source.rate.unwrap_or(0.0);
        order.sort_by(|a, b| {
            is_troubled(b).cmp(&is_troubled(a)).then(sends(b).total_cmp(&sends(a)))
        });
    }
    let mut table = Table::new([
        ("SOURCE", Align::Left),
        ("METRICS/S", Align::Right),
        ("REJECTED/S", Align::Right),
        ("ACCEPTED", Align::Right),
        ("REJECTED", Align::Right),
        ("REFUSED", Align::Right),
        ("SILENT", Align::Right),
        ("LAST REJECT", Align::Left),
    ]);
    let mut tones = vec![Tone::Title];
    for source in order.iter().take(room) {
        tones.push(if is_troubled(source) { Tone::Look } else { Tone::Plain });
        let last = source.last_rejects.first();
        table.row([
            source.name.clone(),
            rate(source.rate),
            rate(source.reject_rate),
            grouped(source.accepted),
            grouped(source.rejected),
            grouped(source.refused),
            source.silent_s.map_or_else(none, |silent| age(silent as u64)),
            last.map_or_else(String::new, |last| format!("{}: {}", last.code, last.message)),
        ]);
    }
    drawn(&table, &tones, sources.len().saturating_sub(room), "source")
}

fn is_troubled(source: &Source) -> bool {
    source.reject_rate.is_some_and(|rate| rate > 0.0)
}

/// The table in its tones, and how many rows there are besides.
fn drawn(table: &Table, tones: &[Tone], left_out: usize, noun: &str) -> Vec<Line> {
    let text = table.render();
    let mut lines: Vec<_> =
        text.split_terminator('\n').zip(tones).map(|(row, tone)| Line::new(*tone, row)).collect();
    if left_out > 0 {
        let more = count(left_out as u64, noun);
        lines.push(Line::new(Tone::Faint, &format!("and {more} more")));
    }
    lines
}

fn none() -> String {
    "-".to_owned()
}

/// `0`, `0.25`, `12.5`, `1,204`
fn rate(rate: Option<f64>) -> String {
    match rate {
        None => none(),
        Some(rate) if rate >= 100.0 => grouped(rate.round() as u64),
        Some(rate) if rate >= 10.0 => format!("{rate:.1}"),
        Some(rate) if rate > 0.0 => format!("{rate:.2}"),
        Some(_) => "0".to_owned(),
    }
}

#[cfg(test)]
mod tests;

//! What a metric costs, over the metrics a body has and over the series they are of.

use super::bodies::{self, Mix};
use super::cpu_time::timed;
use super::{Body, ROUNDS, instructions, profile, spread, through_the_pipeline};

use tidegate::decode::Format;
use tidegate::normalize::Profile;

const METRICS: [usize; 6] = [1, 10, 100, 1_000, 10_000, 100_000];

/// From here on a body's fixed cost no longer shows.
const FLAT_FROM: usize = 100;

const SERIES: [usize; 3] = [1, 1_000, 1_000_000];

/// Metrics drawn for the time, and for the instructions: counting takes fifty times as long.
const DRAWN: usize = 1_000_000;
const DRAWN_TO_COUNT: usize = 20_000;

const METRICS_A_BODY: usize = 1_000;

/// The formats, as `--once` and the tables call them.
const FORMATS: [(&str, Format); 3] =
    [("json", Format::Json), ("ndjson", Format::Ndjson), ("msgpack", Format::MessagePack)];

/// What callgrind counts.
#[inline(never)]
fn counted(bodies: &[Body], profile: &Profile) {
    for body in bodies {
        through_the_pipeline(body, profile);
    }
}

/// Runs `metrics/FORMAT/COUNT` or `series/FORMAT/COUNT` twice; the second time is the one counted.
pub(crate) fn once(what: &str) {
    let parts: Vec<&str> = what.split('/').collect();
    let [curve, format, count] = parts[..] else { panic!("{what} is not CURVE/FORMAT/COUNT") };
    let (_, format) = FORMATS.into_iter().find(|(name, _)| *name == format).expect("a format");
    let count = count.parse().expect("a count");
    let bodies = match curve {
        "metrics" => vec![body_of(format, &bodies::metrics(Mix::Gauges, count))],
        "series" => drawn(format, count, DRAWN_TO_COUNT),
        other => panic!("{other} is no curve"),
    };
    let profile = profile();
    for body in &bodies {
        through_the_pipeline(body, &profile);
    }
    counted(&bodies, &profile);
}

/// The most instructions of a metric where they should not change, in the least.
const FLAT: f64 = 1.1;

/// Prints the table over metrics a body; false if a curve is not flat.
pub(crate) fn over_metrics() -> bool {
    heading("metrics a body");
    let mut flat = true;
    for (name, format) in FORMATS {
        let mut row = Row::new(format!("metrics/{name}"));
        for count in METRICS {
            let bodies = [body_of(format, &bodies::metrics(Mix::Gauges, count))];
            row.add(count, &bodies, count, count >= FLAT_FROM);
        }
        flat &= row.end(&format!("from {FLAT_FROM} metrics a body on"));
    }
    flat
}

/// Prints the table over distinct series; false if a curve is not flat.
pub(crate) fn over_series() -> bool {
    heading("distinct series");
    let mut flat = true;
    for (name, format) in FORMATS {
        let mut row = Row::new(format!("series/{name}"));
        for count in SERIES {
            row.add(count, &drawn(format, count, DRAWN), DRAWN_TO_COUNT, true);
        }
        flat &= row.end("over all");
    }
    flat
}

fn heading(what: &str) {
    let counting =
        if instructions::can_be_counted() { "" } else { " (valgrind is missing: no instructions)" };
    println!("\ncost of a metric over {what}{counting}");
    println!("{:<20}{:>10}{:>16}{:>12}{:>20}", "", "", "instructions", "ns CPU", "min .. max");
}

/// The measurements of one format.
struct Row {
    name: String,
    counts: Vec<f64>,
    times: Vec<f64>,
}

impl Row {
    fn new(name: String) -> Self {
        Self { name, counts: Vec::new(), times: Vec::new() }
    }

    /// Measures and prints `bodies`; `in_process` metrics are what `--once` runs of the same.
    fn add(&mut self, count: usize, bodies: &[Body], in_process: usize, is_flat: bool) {
        let metrics: usize = bodies.iter().map(|body| body.metrics).sum();
        let profile = profile();
        // At least as many metrics for each time as make a time of milliseconds.
        let repeats = (20_000 / metrics).max(1);
        let pass = || (0..repeats).for_each(|_| counted(bodies, &profile));
        pass();
        let times = (0..ROUNDS).map(|_| timed(pass) * 1e9 / (repeats * metrics) as f64).collect();
        let (time, least, most) = spread(times);
        let instructions = instructions::can_be_counted()
            .then(|| instructions::count(&format!("{}/{count}", self.name)))
            .flatten()
            .map(|count| count as f64 / in_process as f64);
        println!(
            "{:<20}{count:>10}{:>16}{time:>12.0}{:>20}",
            self.name,
            instructions.map_or("-".to_owned(), |count| format!("{count:.0}")),
            format!("{least:.0} .. {most:.0}"),
        );
        if is_flat {
            self.times.push(time);
            self.counts.extend(instructions);
        }
    }

    /// Whether the curve is flat, as far as it could be counted.
    fn end(self, range: &str) -> bool {
        let flatness = |of: &[f64]| {
            let (_, least, most) = spread(of.to_vec());
            most / least
        };
        let counts = (!self.counts.is_empty()).then(|| flatness(&self.counts));
        println!(
            "{:<20}largest / smallest {range}: {} in instructions, {:.2} in time",
            self.name,
            counts.map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            flatness(&self.times),
        );
        let is_flat = counts.is_none_or(|ratio| ratio <= FLAT);
        if !is_flat {
            println!("NOT FLAT (more than {FLAT}): {}", self.name);
        }
        is_flat
    }
}

fn body_of(format: Format, metrics: &[String]) -> Body {
    let bytes = match format {
        Format::MessagePack => bodies::messagepack(metrics),
        Format::Ndjson => bodies::ndjson(metrics),
        _ => bodies::json_array(metrics),
    };
    Body { format, bytes, metrics: metrics.len() }
}

/// Bodies of `total` metrics, each of one of `series` series; whatever their number, the texts are as
/// long, so that nothing but their variety differs.
fn drawn(format: Format, series: usize, total: usize) -> Vec<Body> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut metric = |_| {
        let id = random.usize(..series);
        format!(
            r#"{{"name":"checkout.requests.latency_{:02}","dt":"2026-11-22T10:{:02}:{:02}Z","tags":{{"host":"web-{:03}","env":"production","region":"eu-central-1","pod":"checkout-{id:07}"}},"gauge":{{"value":{}.{:03}}}}}"#,
            id % 97,
            random.u32(16..30),
            random.u32(..60),
            id % 640,
            random.u32(10_000..100_000),
            // No trailing zero: as a double it would be shorter.
            random.u32(..100) * 10 + 7,
        )
    };
    (0..total / METRICS_A_BODY)
        .map(|_| body_of(format, &(0..METRICS_A_BODY).map(&mut metric).collect::<Vec<_>>()))
        .collect()
}

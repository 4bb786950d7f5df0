//! Medians over the rounds, with the least and the most, as a table in Markdown.

use crate::spread::Spread;

/// What one run of one peer took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) metrics: f64,
    /// Seconds until the sink had everything.
    pub(crate) took: f64,
    /// Seconds the program ran.
    pub(crate) cpu: f64,
    pub(crate) peak_mib: f64,
    /// Bytes of bodies the sink got; none, where nothing is forwarded.
    pub(crate) sent_bytes: Option<u64>,
}

impl Run {
    /// CPU seconds for a million metrics.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu / self.metrics * 1e6
    }
}

/// Says what the columns of [`row`] are.
pub(crate) fn head() {
    println!(
        "| | million metrics/s until drained | CPU s per million metrics | peak RSS, MiB | bytes sent on per metric |\n\
         |---|---|---|---|---|"
    );
}

/// The figures of one peer.
pub(crate) fn row(name: &str, rounds: &[Run]) {
    let rate = Spread::of(rounds, |run| run.metrics / run.took / 1e6);
    let cost = Spread::of(rounds, Run::cost);
    let peak = Spread::of(rounds, |run| run.peak_mib);
    let sent = rounds[0].sent_bytes.map_or_else(
        || "-".to_owned(),
        |_| {
            let bytes = |run: &Run| run.sent_bytes.unwrap_or_default() as f64 / run.metrics;
            format!("{:.0}", Spread::of(rounds, bytes).median)
        },
    );
    println!("| {name} | {rate:.2} | {cost:.2} | {peak:.0} | {sent} |");
}

//! Medians over the rounds, with the least and the most, as a table in Markdown.

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

/// The median, the least and the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// Of what each round says.
    pub(crate) fn of<T>(rounds: &[T], of: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        Self { median: values[values.len() / 2], least, most }
    }

    /// With so many digits.
    pub(crate) fn cell(&self, digits: usize) -> String {
        let Self { median, least, most } = self;
        format!("{median:.digits$} ({least:.digits$} to {most:.digits$})")
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
    println!("| {name} | {} | {} | {} | {sent} |", rate.cell(2), cost.cell(2), peak.cell(0));
}

//! Rejections and warnings by their code, and what came along, summed over the reports of whoever decides.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Kinds, Report};
use crate::decode::labelled::Asides;
use crate::normalize::Code;

/// Sums since they were made; read while they are added to.
#[derive(Debug, Default)]
pub struct Codes {
    rejections: [AtomicU64; Code::COUNT],
    warnings: [AtomicU64; Code::COUNT],
    exemplars: AtomicU64,
    metadata: AtomicU64,
    stale_markers: AtomicU64,
    histograms: AtomicU64,
    kinds: [AtomicU64; Kinds::NAMES.len()],
}

impl Codes {
    /// Adds those of one report.
    pub fn take(&self, report: &Report) {
        let Asides { exemplars, metadata, stale_markers, histograms } = report.asides;
        add(&self.exemplars, exemplars);
        add(&self.metadata, metadata);
        add(&self.stale_markers, stale_markers);
        add(&self.histograms, histograms);
        for (count, tuples) in self.kinds.iter().zip(report.kinds.tuples()) {
            add(count, tuples);
        }
        if report.is_clean() {
            return;
        }
        let tally = &report.tally;
        Code::rejections().for_each(|code| {
            add(&self.rejections[code as usize], tally.rejections(code));
        });
        Code::warnings().for_each(|code| {
            add(&self.warnings[code as usize], tally.warnings(code));
        });
    }

    /// Items rejected for this.
    pub fn rejections(&self, code: Code) -> u64 {
        self.rejections[code as usize].load(Ordering::Relaxed)
    }

    /// What came along with the metrics of these reports.
    pub fn asides(&self) -> Asides {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Asides {
            exemplars: read(&self.exemplars),
            metadata: read(&self.metadata),
            stale_markers: read(&self.stale_markers),
            histograms: read(&self.histograms),
        }
    }

    /// Tuples by what their metric was sent as.
    pub fn kinds(&self) -> [u64; Kinds::NAMES.len()] {
        self.kinds.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Accepted items warned of for this.
    pub fn warnings(&self, code: Code) -> u64 {
        self.warnings[code as usize].load(Ordering::Relaxed)
    }
}

/// Most have nothing to add, and do not pay for saying so.
fn add(count: &AtomicU64, more: u64) {
    if more > 0 {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

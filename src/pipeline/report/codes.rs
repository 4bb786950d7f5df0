//! Rejections and warnings by their code, summed over the reports of whoever decides.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Report;
use crate::normalize::Code;

/// Sums since they were made; read while they are added to.
#[derive(Debug, Default)]
pub struct Codes {
    rejections: [AtomicU64; Code::COUNT],
    warnings: [AtomicU64; Code::COUNT],
}

impl Codes {
    /// Adds those of one report.
    pub fn take(&self, report: &Report) {
        if report.is_clean() {
            return;
        }
        let tally = &report.tally;
        Code::rejections().for_each(|code| add(&self.rejections, code, tally.rejections(code)));
        Code::warnings().for_each(|code| add(&self.warnings, code, tally.warnings(code)));
    }

    /// Items rejected for this.
    pub fn rejections(&self, code: Code) -> u64 {
        self.rejections[code as usize].load(Ordering::Relaxed)
    }

    /// Accepted items warned of for this.
    pub fn warnings(&self, code: Code) -> u64 {
        self.warnings[code as usize].load(Ordering::Relaxed)
    }
}

fn add(to: &[AtomicU64; Code::COUNT], code: Code, items: u64) {
    if items > 0 {
        to[code as usize].fetch_add(items, Ordering::Relaxed);
    }
}

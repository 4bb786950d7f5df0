//! What a request that was read and understood is told (contract C1.6, C1.8, C1.14), with the place that
//! explains each code (`http.help_url`).

use std::collections::VecDeque;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};

use super::content::{Content, Response};
use crate::budget::Grant;
use crate::encode::Block;
use crate::pipeline::report::Report;

/// Most tuples in the answer to a dry run.
const PREVIEW_TUPLES_MAX: usize = 10_000;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The outcome, ready to be sent.
pub(super) enum Answer {
    /// What became of the items.
    Taken(Report),
    /// What would have been queued.
    Preview(Preview),
}

/// The tuples of a dry run, still where the encoder put them.
pub(super) struct Preview {
    pub(super) report: Report,
    pub(super) blocks: Vec<Block>,
    /// For the blocks, which live until the answer is sent.
    pub(super) grant: Grant,
}

/// The numbers that a protocol has for what became of the items.
#[derive(Clone, Copy, Debug)]
pub(super) struct Statuses {
    /// All of them were taken, or some.
    pub(super) taken: StatusCode,
    /// There were items, and none could be taken.
    pub(super) nothing_accepted: StatusCode,
}

impl Answer {
    /// With a report as its body where there is something to report; `help` is where its codes are
    /// explained.
    pub(super) fn into_response(self, statuses: Statuses, help: &str) -> Response {
        let Statuses { taken, nothing_accepted } = statuses;
        let (status, body) = match self {
            Self::Taken(report) if report.is_nothing_accepted() => {
                (nothing_accepted, Content::Whole(json(&report, help).into()))
            }
            Self::Taken(report) if report.is_clean() => (taken, Content::EMPTY),
            Self::Taken(report) => (taken, Content::Whole(json(&report, help).into())),
            Self::Preview(preview) => (StatusCode::OK, Content::Pieces(Frames::of(preview, help))),
        };
        let has_content = body.left() > 0;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        if has_content {
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        }
        response
    }
}

fn json(report: &Report, help: &str) -> Vec<u8> {
    serde_json::to_vec(&report.told(help)).expect("a report is numbers and text")
}

/// A body in several pieces, so that tuples are sent without being copied together.
#[derive(Debug)]
pub(super) struct Frames {
    frames: VecDeque<Bytes>,
    _grant: Grant,
}

impl Frames {
    /// `{"tuples":[...],` and then the members of the report.
    fn of(Preview { report, blocks, mut grant }: Preview, help: &str) -> Self {
        let mut frames = VecDeque::from([Bytes::from_static(b"{\"tuples\":[")]);
        let mut left = PREVIEW_TUPLES_MAX;
        let mut kept_bytes = 0;
        for block in blocks {
            if left == 0 {
                break;
            }
            if frames.len() > 1 {
                frames.push_back(Bytes::from_static(b",\n"));
            }
            kept_bytes += block.bytes.len() as u64;
            let tuples = block.tuples as usize;
            frames.push_back(if tuples > left { first(&block.bytes, left) } else { block.bytes });
            left -= left.min(tuples);
        }
        frames.push_back(Bytes::from_static(b"],"));
        frames.push_back(Bytes::from(json(&report, help)).slice(1..));
        // The other blocks are gone, and a client may take its time over these. A slice keeps the
        // whole block it was cut from.
        grant.resize(kept_bytes).expect("a share that shrinks always fits");
        Self { frames, _grant: grant }
    }

    /// The next piece, which is never empty.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.frames.pop_front()
    }

    /// Bytes of those that are left.
    pub(super) fn left(&self) -> u64 {
        self.frames.iter().map(|frame| frame.len() as u64).sum()
    }
}

/// The first `count` tuples of a block: `,\n` stands between two tuples and nowhere else.
fn first(block: &Bytes, count: usize) -> Bytes {
    let mut ends = memchr::memchr_iter(b'\n', block);
    let end = ends.nth(count - 1).map_or(block.len(), |newline| newline - 1);
    block.slice(..end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::budget::{Budget, GRAIN_BYTES};

    fn block(from: usize, tuples: usize) -> Block {
        let list: Vec<_> = (from..from + tuples).map(|n| format!("[\"m\",{n}]")).collect();
        Block { bytes: list.join(",\n").into(), tuples: tuples as u32 }
    }

    fn preview(sizes: &[usize]) -> (usize, serde_json::Value) {
        let mut from = 0;
        let mut blocks = Vec::new();
        for size in sizes {
            blocks.push(block(from, *size));
            from += size;
        }
        let grant = Arc::new(Budget::new(u64::MAX)).grant().unwrap();
        let report = Report { accepted: from as u64, ..Report::default() };
        let frames = Frames::of(Preview { report, blocks, grant }, "codes");
        let promised = frames.left();
        let bytes = frames.frames.iter().flatten().copied().collect::<Vec<_>>();
        assert_eq!(bytes.len() as u64, promised);
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["accepted"], from);
        (value["tuples"].as_array().unwrap().len(), value["tuples"].clone())
    }

    #[test]
    fn a_preview_gives_back_the_memory_of_what_it_does_not_show() {
        let budget = Arc::new(Budget::new(u64::MAX));
        let mut grant = budget.grant().unwrap();
        grant.resize(100 << 20).unwrap();
        let blocks = vec![block(0, PREVIEW_TUPLES_MAX), block(0, PREVIEW_TUPLES_MAX)];
        let shown = blocks[0].bytes.len() as u64;
        let frames = Frames::of(Preview { report: Report::default(), blocks, grant }, "codes");
        assert_eq!(budget.used(), shown.next_multiple_of(GRAIN_BYTES));
        drop(frames);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_preview_holds_the_first_ten_thousand_tuples_whatever_the_blocks() {
        for (sizes, expected) in [
            (&[][..], 0),
            (&[1], 1),
            (&[3, 2], 5),
            (&[10_000], 10_000),
            (&[10_000, 1], 10_000),
            (&[9_999, 1], 10_000),
            (&[9_999, 2], 10_000),
            (&[9_998, 1, 7, 7], 10_000),
        ] {
            let (count, tuples) = preview(sizes);
            assert_eq!(count, expected, "{sizes:?}");
            for (n, tuple) in tuples.as_array().unwrap().iter().enumerate() {
                assert_eq!(tuple[1], n);
            }
        }
    }
}

//! The ways a receiver can be told to fail.

use std::time::Duration;

use serde::Deserialize;

mod written;

pub(super) use written::FaultDoc;

/// What happens to one intake request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Nothing unusual; lets a request through in a script.
    Pass,
    /// Answers this; nothing of the request is kept.
    Status(Status),
    /// Reads the request and never answers; nothing is kept.
    Hang,
    /// Treats the request as usual, keeps its tuples, and answers after this long.
    Delay(Duration),
    /// Resets the connection (TCP RST).
    Reset(ResetAt),
    /// Treats the request as usual, keeps its tuples, and writes the answer byte by byte with this
    /// pause before each byte after the first.
    Drip(Duration),
    /// Answers with this status, 200 to 599, and a text that never ends, as fast as it is read. With a
    /// 2xx an acceptable request is kept.
    Endless(u16),
}

/// An answer that has nothing to do with what was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// 200 to 599.
    pub code: u16,
    /// The text; a stock one when absent.
    pub body: Option<String>,
    /// `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// `Location`
    pub location: Option<String>,
    /// Before or after the request body was read.
    pub when: When,
}

/// When a status is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Once the request body was read.
    #[default]
    AfterBody,
    /// At once; the request body is never read, and the connection closes 2 s later.
    Early,
}

/// When a connection is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResetAt {
    /// Once the request head is read, before its body. Nothing is kept.
    Head,
    /// After the first bytes of the request body. Nothing is kept.
    Body,
    /// After the first 20 bytes of the answer. An acceptable request **is** kept: this is the answer
    /// that got lost.
    Answer,
}

/// A fault that goes on until it is lifted.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What happens.
    pub fault: Fault,
    /// To which requests.
    pub hits: Hits,
}

/// Which requests a standing fault happens to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hits {
    /// All of them.
    All,
    /// This share of them at random, 0 to 1.
    Share(f64),
    /// None of `good` requests, then all of `bad`, and again.
    Turns {
        /// Requests it spares.
        good: u32,
        /// Requests it hits; at least one.
        bad: u32,
    },
}

impl Standing {
    /// A fault that hits every request.
    pub fn always(fault: Fault) -> Self {
        Self { fault, hits: Hits::All }
    }

    /// A receiver that flaps: `good` requests fare well, the next `bad` do not, and again.
    pub fn by_turns(fault: Fault, good: u32, bad: u32) -> Self {
        Self { fault, hits: Hits::Turns { good, bad } }
    }
}

impl Fault {
    /// A bare status, answered after the body was read.
    pub fn status(code: u16) -> Self {
        Self::Status(Status { code, ..Status::default() })
    }

    /// A status with this text.
    pub fn saying(code: u16, body: &str) -> Self {
        Self::Status(Status { code, body: Some(body.to_owned()), ..Status::default() })
    }

    /// A status that is answered before the body is read.
    pub fn early(code: u16) -> Self {
        Self::Status(Status { code, when: When::Early, ..Status::default() })
    }

    /// A redirect to there.
    pub fn redirect(code: u16, location: &str) -> Self {
        Self::Status(Status { code, location: Some(location.to_owned()), ..Status::default() })
    }
}

/// Why a fault could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadFault(String);

//! Whose a body is, and whether that source may send it.

use std::sync::Arc;

use hyper::http::request::Parts;

use super::super::auth::{Source, Sources};
use super::super::problem::Problem;
use super::super::protocol::{Entrance, Protocol};
use super::super::state::{Rules, State};
use crate::decode::labelled::LabelToken;
use crate::decode::{Format, remote_write};
use crate::metric::timestamp::Timestamp;

/// Whose body it is, or where that will be seen.
pub(super) enum Sender {
    Known(Arc<Source>),
    /// The first series of the body names its token.
    InLabel(Arc<Sources>),
}

impl Sender {
    pub(super) fn of(
        state: &State,
        rules: &Rules,
        head: &Parts,
        entrance: &Entrance,
    ) -> Result<Self, Problem> {
        let now = state.clock.now();
        let known = rules.sources.authenticate(&head.headers, entrance.credentials(), now);
        let is_remote_write = matches!(entrance.protocol, Protocol::RemoteWrite(_));
        match known {
            Ok(source) => Ok(Self::Known(Arc::clone(source))),
            Err(_) if is_remote_write && rules.sources.may_be_in_label(&head.headers) => {
                Ok(Self::InLabel(Arc::clone(&rules.sources)))
            }
            Err(refused) => Err(refused),
        }
    }

    /// The source, where it is known.
    pub(super) fn source(&self) -> Option<Arc<Source>> {
        match self {
            Self::Known(source) => Some(Arc::clone(source)),
            Self::InLabel(_) => None,
        }
    }

    /// Whether it may have a quota, as far as that is known.
    pub(super) fn may_be_limited(&self) -> bool {
        match self {
            Self::Known(source) => source.quota.is_some(),
            Self::InLabel(_) => true,
        }
    }

    /// A bad token hears of nothing else (contract C1.9), and as long as none was seen it is bad.
    pub(super) fn may_hear(&self, problem: Problem) -> Problem {
        match (self, problem) {
            (Self::Known(_), problem) => problem,
            // These are about the gateway and the connection, and a sender comes back for them.
            (_, problem @ (Problem::Busy(_) | Problem::TooSlow { .. } | Problem::BrokenOff)) => {
                problem
            }
            (Self::InLabel(sources), _) => sources.refused(),
        }
    }

    /// The source, and the token that each series must name.
    pub(super) fn find<'b>(
        &self,
        body: &'b [u8],
        format: Format,
        now: Timestamp,
    ) -> Result<(Arc<Source>, LabelToken<'b>), Problem> {
        match self {
            Self::Known(source) => Ok((Arc::clone(source), LabelToken::default())),
            Self::InLabel(sources) => {
                let token = match format {
                    Format::RemoteWrite(version) => remote_write::label_token(body, version),
                    _ => None,
                };
                Ok((Arc::clone(sources.by_label(token, now)?), LabelToken(token)))
            }
        }
    }
}

impl Source {
    /// Counts a request of this source, or refuses it as one too many.
    pub(super) fn admit(&self, state: &State, rules: &Rules) -> Result<(), Problem> {
        let Some(quota) = &self.quota else { return Ok(()) };
        quota.admit(state.clock.monotonic()).map_err(|over| {
            let problem = rules.over_quota(over);
            self.refused(state, &problem);
            problem
        })
    }

    /// One of its bodies was refused, so the operator hears of it.
    #[cold]
    pub(super) fn refused(&self, state: &State, problem: &Problem) {
        state.complaints.body(&self.name, problem);
        self.ledger.refused(problem, state.clock.now());
    }
}

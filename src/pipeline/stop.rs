//! What ends the reading of a body before its end.

use super::BodyError;
use crate::decode::pull::Fault;

/// Why reading stopped: broken grammar, whose meaning depends on the format, or the whole body.
pub(super) enum Stop {
    Fault(Fault),
    Body(BodyError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<BodyError> for Stop {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Stop {
    pub(super) fn or_syntax(self, text: impl FnOnce(&Fault) -> String) -> BodyError {
        self.or(|fault| BodyError::Syntax(text(fault)))
    }

    pub(super) fn or(self, error: impl FnOnce(&Fault) -> BodyError) -> BodyError {
        match self {
            Self::Fault(fault) => error(&fault),
            Self::Body(error) => error,
        }
    }
}

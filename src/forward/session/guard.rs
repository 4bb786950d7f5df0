//! How a session tells a bad tuple from a receiver that refuses everything (contract C6.2).

/// What was refused so far, and whether the receiver accepted something since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing was refused.
    Calm,
    /// Something was.
    Refusing(Reason, Standing),
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// 413. That a smaller body was accepted after it says nothing about content ...
    Size,
    /// ... so evidence begins anew with the first of 400 and 422.
    Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// No evidence, and not enough refusals to mind.
    Open,
    /// No evidence in spite of everything that was tried.
    Suspect,
    /// The receiver accepted something.
    Evident,
}

/// What counts as evidence after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Evidence {
    /// The same as before it.
    Stands,
    /// Only acceptances in attempts that begin after now: note the number of the latest attempt.
    Anew,
}

impl Guard {
    /// Something was refused.
    pub(super) fn refuse(&mut self, reason: Reason) -> Evidence {
        if self.reason() >= Some(reason) {
            return Evidence::Stands;
        }
        // Who was suspect stays it: the receiver is held already.
        let standing = if self.is_suspect() { Standing::Suspect } else { Standing::Open };
        *self = Self::Refusing(reason, standing);
        Evidence::Anew
    }

    /// The receiver accepted something. Whether that is news.
    pub(super) fn prove(&mut self) -> bool {
        self.enter(Standing::Evident, |now| now != Standing::Evident)
    }

    /// Nothing but refusals. Whether that is news.
    pub(super) fn suspect(&mut self) -> bool {
        self.enter(Standing::Suspect, |now| now == Standing::Open)
    }

    fn enter(&mut self, next: Standing, may_leave: impl Fn(Standing) -> bool) -> bool {
        match self {
            Self::Refusing(_, standing) if may_leave(*standing) => {
                *standing = next;
                true
            }
            _ => false,
        }
    }

    /// Refusals, and no evidence.
    pub(super) fn is_doubtful(self) -> bool {
        self != Self::Calm && !self.is_evident()
    }

    pub(super) fn reason(self) -> Option<Reason> {
        match self {
            Self::Calm => None,
            Self::Refusing(reason, _) => Some(reason),
        }
    }

    pub(super) fn is_suspect(self) -> bool {
        matches!(self, Self::Refusing(_, Standing::Suspect))
    }

    pub(super) fn is_evident(self) -> bool {
        matches!(self, Self::Refusing(_, Standing::Evident))
    }
}

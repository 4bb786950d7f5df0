//! `[auth]`: how a request without a good token is answered.

use super::section::Section;

/// `[auth]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The status of an answer to a missing, unknown or disabled token (contract C1.2). 403 or 401;
    /// default 403, as Better Stack answers. The body stays `Unauthorized`. For clients that renew
    /// their token on 401 only.
    pub unauthorized_status: u16,
}

impl Auth {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let auth =
            Self { unauthorized_status: section.status("unauthorized_status", 403, &[403, 401]) };
        section.finish();
        auth
    }
}

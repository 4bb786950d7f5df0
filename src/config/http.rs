//! `[http]`: the time-outs of a connection, what a body without a good item gets, and where its report
//! points to.

use std::sync::Arc;
use std::time::Duration;

use super::section::Section;

/// `[http]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// The status when a body parses and none of its items is acceptable (contract C1.8). 200, 202,
    /// 400, 406 or 422; default 422. For clients that treat every 4xx as an outage: 202.
    pub nothing_accepted_status: u16,
    /// From accepting a connection to its first byte, and from the first byte of a request to the
    /// end of its headers; then the connection is closed. 100 ms to 10 min; default 10 s. Raise it
    /// for clients behind very slow links.
    pub header_timeout: Duration,
    /// How long a keep-alive connection may stay without a request. 1 s to 1 h; default 75 s. Keep
    /// it above the idle time-out of a load balancer in front, or that one sees resets.
    pub idle_timeout: Duration,
    /// No byte of a body for this long, or fewer than `body_min_rate` averaged over it: 408
    /// (contract C1.5). 100 ms to 10 min; default 30 s.
    pub body_timeout: Duration,
    /// Bytes a second a client must average while it sends a body; 0 to 1 MiB, default 1 KiB. 0
    /// turns the average off, `body_timeout` stays.
    pub body_min_rate: u64,
    /// After an early answer, how long the rest of the body is read and dropped, so
    /// that the client sees the answer (contract C1.9). 0 s to 1 min; default 2 s. 0 s closes at once.
    pub drain_timeout: Duration,
    /// Where the codes of a report are explained: its member `help` has this, `#` and the code for each
    /// code that occurs (contract C1.6). An address or a path, 1 to 512 visible ASCII characters without
    /// `#`; default `docs/codes.md`, a file of the distribution, and with `serve --dev` the page `/codes` of
    /// the admin port. Clients read it: name the admin port only if they can reach it.
    pub help_url: Arc<str>,
}

/// Where codes are explained unless `http.help_url` says otherwise.
pub const HELP_URL: &str = "docs/codes.md";

impl Http {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let (seconds, millis) = (Duration::from_secs, Duration::from_millis);
        let statuses = [200, 202, 400, 406, 422];
        let http = Self {
            nothing_accepted_status: section.status("nothing_accepted_status", 422, &statuses),
            header_timeout: section.duration(
                "header_timeout",
                seconds(10),
                millis(100)..=seconds(600),
            ),
            idle_timeout: section.duration("idle_timeout", seconds(75), seconds(1)..=seconds(3600)),
            body_timeout: section.duration("body_timeout", seconds(30), millis(100)..=seconds(600)),
            body_min_rate: section.size("body_min_rate", 1 << 10, 0..=1 << 20),
            drain_timeout: section.duration("drain_timeout", seconds(2), seconds(0)..=seconds(60)),
            help_url: section.parsed("help_url", HELP_URL.into(), Arc::to_string, help_url),
        };
        section.finish();
        http
    }
}

fn help_url(text: &str) -> Result<Arc<str>, String> {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    if text.is_empty() || text.len() > 512 || !text.bytes().all(is_fit) {
        return Err(
            "an address or a path, like \"https://wiki.example.com/codes\", of 1 to 512 visible \
             ASCII characters without `#`"
                .to_owned(),
        );
    }
    Ok(text.into())
}

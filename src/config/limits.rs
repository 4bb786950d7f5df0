//! `[limits]`: what one client, one body and all of them together may take.

use std::net::IpAddr;

use ipnet::IpNet;

use super::section::Section;

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests a minute for each client IP, all of them at once if it likes (contract C1.10); an
    /// IPv6 client counts by its /64. 0 to 1,000,000; default 500; 0 = no limit. Raise it where
    /// many clients share one address and no `trusted_proxies` tell them apart.
    pub requests_per_minute: u32,
    /// The status over that limit. 429 or 503; default 429. For clients that drop data on 429: 503.
    pub over_limit_status: u16,
    /// Client IPs the limiter remembers; newcomers to a full table share one bucket. 1 to
    /// 10,000,000; default 65,536, about 100 bytes each.
    pub limiter_keys: usize,
    /// Proxies whose forwarded header is believed, as CIDRs or addresses (contract C1.11). Default
    /// none: the peer is the client. To be set behind a load balancer, to its addresses only.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which those proxies name the client; the right-most address that is not
    /// itself trusted counts. Default `x-forwarded-for`. Kept in lower case.
    pub forwarded_header: String,
    /// Bytes of a body on the wire, and again after decompression (contract C1.5); exactly this
    /// many pass. 1 KiB to 20 MiB; default 20 MiB. Lower it to save memory.
    pub body_bytes: usize,
    /// Bytes of tuples that one body may become (contract C1.5). 1 MiB to 1 GiB; default 128 MiB.
    pub expanded_bytes: u64,
    /// Bodies and tuples in memory at once, all requests together; over it the answer is 503
    /// (contract C1.12). 2 x `body_bytes` + `expanded_bytes` to 1 TiB; default 256 MiB. Raise it for
    /// many large bodies at once.
    pub memory_bytes: u64,
    /// Open connections; over it new ones are answered 503 and closed. 1 to 1,000,000; default 4,096. The
    /// limit of open files is raised to fit, as far as the process may; a warning says when not.
    pub connections: usize,
}

impl Limits {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let limits = Self {
            requests_per_minute: section.number("requests_per_minute", 500, 0..=1_000_000) as u32,
            over_limit_status: section.status("over_limit_status", 429, &[429, 503]),
            limiter_keys: section.number("limiter_keys", 65_536, 1..=10_000_000) as usize,
            trusted_proxies: section.list("trusted_proxies", Vec::new(), IpNet::to_string, network),
            forwarded_header: section.parsed(
                "forwarded_header",
                "x-forwarded-for".to_owned(),
                String::clone,
                header_name,
            ),
            body_bytes: section.size("body_bytes", 20 << 20, 1 << 10..=20 << 20) as usize,
            expanded_bytes: section.size("expanded_bytes", 128 << 20, 1 << 20..=1 << 30),
            memory_bytes: section.size("memory_bytes", 256 << 20, 1 << 20..=1 << 40),
            connections: section.number("connections", 4_096, 1..=1_000_000) as usize,
        };
        let least = 2 * limits.body_bytes as u64 + limits.expanded_bytes;
        if limits.memory_bytes < least {
            section.fault(
                "memory_bytes",
                format!(
                    "`limits.memory_bytes` must be at least 2 x `limits.body_bytes` + \
                     `limits.expanded_bytes` = {least}, or the largest body never fits: raise it, or \
                     lower those"
                ),
            );
        }
        section.finish();
        limits
    }
}

/// `10.0.0.0/8`, or an address for itself alone.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .or_else(|_| address())
        .map_err(|_| "an address or a network, like \"10.0.0.7\" or \"10.0.0.0/8\"".to_owned())
}

fn header_name(text: &str) -> Result<String, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(token) {
        return Err("the name of one header, like \"x-forwarded-for\" or \"x-real-ip\"".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

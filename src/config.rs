//! The effective settings: valid by construction, every option decided (contract C8).
//!
//! Each struct is one `[section]` of the file; field docs state effect, default and edge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

/// Everything `serve` needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    pub hostname: String,
    pub hostname_tags: Vec<String>,
    pub sources: Vec<Source>,
    pub receiver: Receiver,
    pub auth: Auth,
    pub http: Http,
    pub limits: Limits,
    pub policy: Arc<crate::normalize::Policy>,
    pub queue: Queue,
    pub shutdown: Shutdown,
}

/// One `[[sources]]` entry.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: Arc<str>,
    /// SHA-256 of the token; the token itself is forgotten once hashed.
    pub token_sha256: [u8; 32],
    pub enabled: bool,
    pub allow_metrics: bool,
    /// false: exempt from the per-IP limit (C1.10).
    pub rate_limit: bool,
    pub hostname: Option<String>,
    pub tags: Vec<(String, String)>,
}

/// `[auth]`
#[derive(Clone, Copy, Debug)]
pub struct Auth {
    /// 403 or 401 (C1.2).
    pub unauthorized_status: u16,
}

/// `[http]`
#[derive(Clone, Copy, Debug)]
pub struct Http {
    /// Status when no item is acceptable, default 422 (C1.8).
    pub nothing_accepted_status: u16,
    /// From the first byte of a request to the end of its headers, and from accept to the first byte; 10 s.
    pub header_timeout: Duration,
    /// An idle keep-alive connection is closed after this; 75 s.
    pub idle_timeout: Duration,
    /// No body byte for this long, or under `body_min_rate` averaged over it: 408 (C1.5); 30 s.
    pub body_timeout: Duration,
    /// Bytes a second; 1024.
    pub body_min_rate: u64,
    /// How long an early answer goes on reading and dropping (C1.9); 2 s.
    pub drain_timeout: Duration,
}

/// `[limits]`
#[derive(Clone, Debug)]
pub struct Limits {
    /// Per client IP; 500; 0 = off (C1.10).
    pub requests_per_minute: u32,
    /// 429 or 503.
    pub over_limit_status: u16,
    /// Most client IPs remembered by the limiter; 65,536.
    pub limiter_keys: usize,
    pub trusted_proxies: Vec<IpNet>,
    /// Lower case; `x-forwarded-for`.
    pub forwarded_header: String,
    /// Wire and decoded; 20 MiB; not more.
    pub body_bytes: usize,
    /// Tuples of one body; 128 MiB.
    pub expanded_bytes: u64,
    /// Bodies and tuples in memory at once, all requests together; 256 MiB.
    pub memory_bytes: u64,
    /// Open connections; 4,096.
    pub connections: usize,
}

/// `[receiver]`
#[derive(Clone, Debug)]
pub struct Receiver {
    pub url: String,
    pub api_key: Secret,
    pub auth: ReceiverAuth,
    pub compression: Compression,
    /// 10 s.
    pub connect_timeout: Duration,
    /// Whole request; 30 s.
    pub timeout: Duration,
    /// Deliveries in flight at once; 4.
    pub concurrency: usize,
    /// Back-off floor, 200 ms, and ceiling, 60 s (C6.2).
    pub retry_min: Duration,
    pub retry_max: Duration,
    /// Probe interval while held; 30 s.
    pub hold_probe: Duration,
}

/// How the api key travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverAuth {
    /// `?api_key=`
    Query,
    /// `sts-api-key:`
    Header,
}

/// Content-Encoding of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Deflate,
    Gzip,
    Identity,
}

/// `[queue]`
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    pub durability: crate::queue::Durability,
    /// 4 GiB; for `memory` 256 MiB unless said otherwise.
    pub max_bytes: u64,
}

/// `[shutdown]`
#[derive(Clone, Copy, Debug)]
pub struct Shutdown {
    /// 10 s (C6.5).
    pub grace: Duration,
}

/// Text that never shows: prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the wire only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

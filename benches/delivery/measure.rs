//! What one way through the backlog took: the time that passed, and the time this process ran.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use tidegate::clock::SystemClock;
use tidegate::config::{ClientTls, Compression, Proxy, Receiver, ReceiverAuth, Secret};
use tidegate::dead_letter::{DeadLetters, Ownership};
use tidegate::forward::body::Body;
use tidegate::forward::envelope::Envelope;
use tidegate::forward::part::Part;
use tidegate::forward::{Drain, Forwarder};
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::{Sources, Want};
use tokio::time::{Instant, timeout};

use crate::backlog::{Backlog, RECEIVER};
use crate::bare::{self, KEY, PATH};
use crate::cpu_time;
use crate::null::{Null, Received};

/// In whose name both sides post.
const HOSTNAME: &str = "gateway-1";

/// Longest wait for the end of a run: a delivery that holds must not hold the bench.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often bare hyper posts everything.
const BARE_TIMES: u32 = 8;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Seconds that passed.
    pub(crate) took: f64,
    /// Seconds this process ran, all of its threads together.
    pub(crate) cpu: f64,
}

/// How many deliveries there might be in flight meanwhile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// On average over the deliveries.
    pub(crate) mean: f64,
    pub(crate) last: usize,
}

/// Everything as requests: the same for both sides.
pub(crate) struct Requests {
    pub(crate) parts: Vec<Part>,
    pub(crate) raw_bytes: u64,
    envelope: Envelope,
}

/// The bodies of all requests in one encoding.
pub(crate) struct Packed {
    pub(crate) compression: Compression,
    pub(crate) bodies: Arc<Vec<Bytes>>,
    pub(crate) bytes: u64,
}

impl Requests {
    pub(crate) async fn of(backlog: &Backlog) -> Self {
        let envelope = Envelope::new(HOSTNAME).expect("it is short");
        let parts = backlog.parts(envelope.want()).await;
        let raw_bytes = parts.iter().map(|part| envelope.raw_bytes(part) as u64).sum();
        Self { parts, raw_bytes, envelope }
    }

    pub(crate) fn want(&self) -> Want {
        self.envelope.want()
    }

    pub(crate) fn packed(&self, compression: Compression) -> Packed {
        let bodies: Vec<Bytes> =
            self.parts.iter().map(|part| self.pack(part, compression).into_bytes()).collect();
        let bytes = bodies.iter().map(|body| body.len() as u64).sum();
        Packed { compression, bodies: Arc::new(bodies), bytes }
    }

    /// Seconds of one thread that does nothing but pack everything once.
    pub(crate) fn pack_seconds(&self, compression: Compression) -> f64 {
        let pack = || {
            cpu_time::timed(|| {
                for part in &self.parts {
                    std::hint::black_box(self.pack(part, compression));
                }
            })
        };
        std::thread::scope(|scope| scope.spawn(pack).join()).expect("packing does not panic")
    }

    fn pack(&self, part: &Part, compression: Compression) -> Body {
        self.envelope.pack(Timestamp::from_unix(1_795_343_400, 0), part, compression)
    }
}

/// The gateway's way: the real forwarder empties a log.
pub(crate) async fn tidegate(
    backlog: &Backlog,
    null: &Null,
    packed: &Packed,
    concurrency: usize,
) -> (Run, Limits) {
    let copy = backlog.copy();
    let settings = receiver(null.address(), packed.compression, concurrency);
    let letters = DeadLetters::open(copy.directory(), RECEIVER, 1 << 20, Ownership::Held);
    let letters = Arc::new(letters.expect("there are none"));
    let (outlet, clock) = (copy.outlet(), Arc::new(SystemClock::new()));
    let mut forwarder = None;
    let (mut limits, mut seen) = (Vec::new(), 0);
    let run = timed(async {
        let started = Forwarder::start(&settings, HOSTNAME, outlet, letters, clock);
        let started = forwarder.insert(started.expect("sound settings"));
        let mut status = started.status();
        let is_done = status.wait_for(|status| {
            if status.delivered_tuples > seen {
                seen = status.delivered_tuples;
                limits.push(status.limit);
            }
            seen >= backlog.tuples()
        });
        timeout(PATIENCE, is_done).await.expect("it ends").expect("it delivers");
    })
    .await;
    let forwarder = forwarder.expect("it was started");
    let left = forwarder.shutdown(Drain::InFlight, Instant::now() + PATIENCE).await;
    assert_eq!(left, 0, "everything was acknowledged");
    copy.end().await;
    check(null, packed, 1).await;
    let mean = limits.iter().sum::<usize>() as f64 / limits.len() as f64;
    (run, Limits { mean, last: limits.last().copied().unwrap_or_default() })
}

/// The ceiling: the same bodies, ready to be sent; the mean of a few times, as once takes milliseconds.
pub(crate) async fn bare(null: &Null, packed: &Packed, in_flight: usize) -> Run {
    let (bodies, compression) = (&packed.bodies, packed.compression);
    let all = timed(async {
        for _ in 0..BARE_TIMES {
            bare::post(null.address(), bodies, compression, in_flight).await;
        }
    })
    .await;
    check(null, packed, BARE_TIMES).await;
    let times = f64::from(BARE_TIMES);
    Run { took: all.took / times, cpu: all.cpu / times }
}

/// Reading alone: every lease is acknowledged at once.
pub(crate) async fn log(backlog: &Backlog, want: Want) -> Run {
    let copy = backlog.copy();
    let run = timed(copy.drain(want, drop)).await;
    copy.end().await;
    run
}

/// Both sides posted the same: as many requests, and as many bytes but for what the hour changes.
async fn check(null: &Null, packed: &Packed, times: u32) {
    let Received { requests, bytes } = null.received().await;
    let times = u64::from(times);
    assert_eq!(requests, times * packed.bodies.len() as u64, "requests");
    let expected = times * packed.bytes;
    assert!(bytes.abs_diff(expected) * 1000 <= expected, "{bytes} bytes, not {expected}");
}

async fn timed(work: impl Future<Output = ()>) -> Run {
    let (began, cpu) = (Instant::now(), ran());
    work.await;
    Run { took: began.elapsed().as_secs_f64(), cpu: ran() - cpu }
}

/// Seconds this process ran, all of its threads together.
fn ran() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// With the defaults of the configuration in everything that is not measured.
fn receiver(address: SocketAddr, compression: Compression, concurrency: usize) -> Receiver {
    Receiver {
        tls: ClientTls::default(),
        proxy: Proxy::Off,
        name: RECEIVER.into(),
        sources: Sources::All,
        max_backlog_bytes: None,
        url: format!("http://{address}{PATH}"),
        api_key: Secret::new(KEY.to_owned()),
        api_key_file: None,
        auth: ReceiverAuth::Query,
        compression,
        connect_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(30),
        concurrency,
        retry_min: Duration::from_millis(200),
        retry_max: Duration::from_mins(1),
        hold_probe: Duration::from_secs(30),
    }
}

//! What hostile clients send.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A token that is good, of a source that is counted like everybody.
pub(crate) const TOKEN: &str = "hostile";

/// How one hostile connection behaves.
#[derive(Clone)]
pub(crate) enum Manner {
    /// Says nothing, and comes again when it is closed.
    Sits,
    /// Sends the script, and then a byte of it over and over, so many at a time, and never ends.
    Drips { script: Arc<[u8]>, bytes: usize, every: Duration },
    /// Sends the script as a whole, and again as soon as there is an answer.
    Floods(Arc<[u8]>),
    /// Sends the script as a whole, and hangs up.
    HangsUp(Arc<[u8]>),
}

/// Heads that never end, a byte every two seconds.
pub(crate) fn slow_heads() -> Vec<Manner> {
    let script = "POST /metrics HTTP/1.1\r\nhost: x\r\nx-slow: a".as_bytes().into();
    vec![Manner::Drips { script, bytes: 1, every: Duration::from_secs(2) }]
}

/// Bodies just fast enough to be read on, with a token that is good.
pub(crate) fn slow_bodies() -> Vec<Manner> {
    let script = format!("{}content-length: 200000\r\n\r\n[ ", post(TOKEN)).into_bytes().into();
    vec![Manner::Drips { script, bytes: 600, every: Duration::from_millis(500) }]
}

/// Many headers, large ones, and both at the bounds of what is read.
pub(crate) fn heads() -> Vec<Manner> {
    let many = |count| "x-a: b\r\n".repeat(count);
    let of = |headers: String| format!("POST / HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes();
    [of(many(90)), of(many(2000)), of(format!("x-a: {}\r\n", "b".repeat(200_000)))]
        .map(|script| Manner::Floods(script.into()))
        .to_vec()
}

/// Header blocks that never end, and streams that are reset as soon as they are opened.
pub(crate) fn http2() -> Vec<Manner> {
    let mut endless = preface();
    let field = [b"\0\x01x\x64".as_slice(), &[b'a'; 100]].concat();
    frame(&mut endless, 1, 0, 1, b"\x83\x86\x84");
    for _ in 0..64 {
        frame(&mut endless, 9, 0, 1, &field.repeat(150));
    }
    let mut resets = preface();
    for stream in (1..600).step_by(2) {
        frame(&mut resets, 1, 5, stream, b"\x83\x86\x84\x41\x01x");
        frame(&mut resets, 3, 0, stream, &8_u32.to_be_bytes());
    }
    vec![Manner::HangsUp(endless.into()), Manner::HangsUp(resets.into())]
}

/// Bad JSON with a good token, bad tokens, and no HTTP at all.
pub(crate) fn garbage() -> Vec<Manner> {
    let whole = |token: &str, body: &str| {
        let head = post(token);
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let broken = format!("[{{\"name\":\"a\",\"gauge\":{{\"value\":1}}}},{}", "[".repeat(2000));
    let item = "{\"name\":\"\",\"gauge\":{\"value\":\"x\"}}";
    let rejected = format!("[{}]", vec![item; 100].join(","));
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = (0..512).map(|_| random.u8(..)).collect();
    [
        whole(TOKEN, &broken),
        whole(TOKEN, &rejected),
        whole("nobody's", "{\"name\":\"a\",\"gauge\":{\"value\":1}}"),
        noise,
    ]
    .map(|script| Manner::Floods(script.into()))
    .to_vec()
}

/// Bodies over the limit: as they say, and only once they are decompressed.
pub(crate) fn bombs() -> Vec<Manner> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; (20 << 20) + 1]).expect("memory takes it");
    let packed = packed.finish().expect("memory takes it");
    let head = post(TOKEN);
    let declared = format!("{head}content-length: 99999999\r\n\r\n{}", " ".repeat(4096));
    let coded = format!("{head}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", packed.len());
    let packed = [coded.as_bytes(), &packed].concat();
    [declared.into_bytes(), packed].map(|script| Manner::Floods(script.into())).to_vec()
}

fn post(token: &str) -> String {
    format!("POST /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n")
}

fn preface() -> Vec<u8> {
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frame(&mut bytes, 4, 0, 0, b"");
    bytes
}

/// One frame (RFC 9113, section 4.1).
fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    to.extend_from_slice(&length);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

//! What a receiver's own inflater makes of a packed body: Python's, which is zlib's.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tidegate::config::Compression;
use tidegate::encode::Block;
use tidegate::forward::envelope::Envelope;
use tidegate::forward::part::Part;
use tidegate::metric::timestamp::Timestamp;
use tidegate::queue::Leased;

/// Reads one body, and writes what it says; trailing bytes would be an error.
const INFLATE: &str = "
import sys, zlib
data = sys.stdin.buffer.read()
inflater = zlib.decompressobj(int(sys.argv[1]))
text = inflater.decompress(data) + inflater.flush()
assert inflater.eof and not inflater.unused_data
sys.stdout.buffer.write(text)
";

/// Of so many tuples each, no two alike, with names that are no ASCII among them.
fn blocks(sizes: &[usize]) -> Vec<Leased> {
    let mut random = fastrand::Rng::with_seed(11);
    let mut tuple = || {
        let (name, value) =
            (["a.b", "latency", "gr\u{f6}\u{df}e"][random.usize(..3)], random.f64());
        let pod = random.u32(..);
        format!(
            r#"["{name}",1795343400,{value:?},{{"hostname":"web-1","tags":["pod:{pod:x}"],"type":"gauge"}}]"#
        )
    };
    let leased = |(sequence, &tuples): (u64, &usize)| {
        let texts: Vec<String> = (0..tuples).map(|_| tuple()).collect();
        let block = Block { bytes: texts.join(",\n").into(), tuples: tuples as u32 };
        let received = Timestamp::from_unix(0, 0);
        Leased { sequence, source: Arc::from("shop"), received, block }
    };
    (1..).zip(sizes).map(leased).collect()
}

/// `None` where there is no Python.
fn inflated_by_python(body: &[u8], window_bits: &str) -> Option<Vec<u8>> {
    let mut python = Command::new("python3");
    python.args(["-c", INFLATE, window_bits]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().ok()?;
    let mut stdin = python.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // Meanwhile what it says is read: it may begin before it has read everything.
        scope.spawn(move || stdin.write_all(body).expect("python reads"));
        let output = python.wait_with_output().expect("python ends");
        assert!(output.status.success(), "{output:?}");
        Some(output.stdout)
    })
}

#[test]
fn zlib_itself_reads_what_was_packed() {
    let envelope = Envelope::new("gateway-1").unwrap();
    for sizes in [&[1][..], &[1; 300], &[1_000, 1, 2, 3_000, 500, 500], &[9_000]] {
        let part = Part::of(&blocks(sizes));
        let pack = |compression| {
            envelope.pack(Timestamp::from_unix(1_795_343_400, 0), &part, compression).into_bytes()
        };
        let plain = pack(Compression::Identity);
        // 15: a zlib stream; 31: a gzip member.
        for (compression, window_bits) in [(Compression::Deflate, "15"), (Compression::Gzip, "31")]
        {
            let Some(text) = inflated_by_python(&pack(compression), window_bits) else {
                let is_needed = std::env::var_os("CI").is_some();
                assert!(!is_needed, "no python3, and CI must not skip this");
                return;
            };
            assert!(text == plain, "{sizes:?} as {compression:?}");
        }
    }
}

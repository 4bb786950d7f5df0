//! Connections that keep others out, or try to: what an honest client gets meanwhile. Counts, not times;
//! the times are measured by benches/siege.rs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use crate::support::edge::{Edge, METRIC, PATIENCE, TOKEN};
use crate::support::wire::{Reply, Wire, chunked_head, post};

const SEATS: usize = 4;

async fn edge() -> Edge {
    Edge::with(|settings| settings.limits.connections = SEATS).await
}

fn made_way(edge: &Edge) -> u64 {
    edge.state.counts().made_way.load(Ordering::SeqCst)
}

/// One request on a connection of its own, again until there is a seat.
async fn insist(edge: &Edge) -> (Wire, Reply) {
    let again = async {
        loop {
            let mut wire = Wire::connect(edge.address).await;
            drop(wire.try_send(&post("", METRIC.as_bytes())).await);
            let reply = wire.reply().await;
            if reply.status != 503 {
                return (wire, reply);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.expect("somebody makes way")
}

/// Fills every seat with connections that have sent this much.
async fn occupied(edge: &Edge, sent: &[u8]) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..SEATS {
        let mut wire = Wire::connect(edge.address).await;
        wire.send(sent).await;
        wires.push(wire);
    }
    edge.until(|edge| edge.connections() == SEATS as u64).await;
    wires
}

#[tokio::test]
async fn connections_that_sent_no_whole_request_make_way() {
    let loris = b"POST /metrics HTTP/1.1\r\nhost: x\r\nx-a: ".as_slice();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".as_slice();
    for sent in [&b""[..], loris, preface] {
        let edge = edge().await;
        let mut hostile = occupied(&edge, sent).await;
        let mut honest = Vec::new();
        // All of them, one after the other, and none that was served meanwhile.
        for served in 1..=SEATS {
            let (wire, reply) = insist(&edge).await;
            assert_eq!(reply.status, 202, "{sent:?}");
            honest.push(wire);
            assert_eq!(made_way(&edge), served as u64, "{sent:?}");
        }
        for wire in &mut hostile {
            wire.closed().await;
        }
        for wire in &mut honest {
            wire.send(&post("", METRIC.as_bytes())).await;
            assert_eq!(wire.reply().await.status, 202, "it kept its seat");
        }
    }
}

#[tokio::test]
async fn a_kept_connection_makes_way_after_those_that_never_asked() {
    let edge = edge().await;
    let (mut kept, _) = insist(&edge).await;
    let mut hostile = Vec::new();
    for _ in 1..SEATS {
        hostile.push(Wire::connect(edge.address).await);
    }
    edge.until(|edge| edge.connections() == SEATS as u64).await;
    let mut honest = Vec::new();
    for _ in 1..SEATS {
        honest.push(insist(&edge).await.0);
    }
    for wire in &mut hostile {
        assert_eq!(wire.closed().await, b"");
    }
    kept.send(&post("", METRIC.as_bytes())).await;
    assert_eq!(kept.reply().await.status, 202, "the others were asked first");
    // Now everybody has sent something, and whoever was the first to fall silent goes.
    insist(&edge).await;
    assert_eq!(made_way(&edge), SEATS as u64);
}

#[tokio::test]
async fn requests_that_nobody_let_in_keep_no_seat() {
    let stranger = "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n[]";
    for (asked, told) in [
        ("GET /nope HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        ("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", 200),
        (stranger, 403),
    ] {
        let edge = edge().await;
        let mut hostile = occupied(&edge, asked.as_bytes()).await;
        for wire in &mut hostile {
            assert_eq!(wire.reply().await.status, told, "{asked}");
        }
        // They go on asking, more often than somebody who was let in has to.
        let asking = async {
            loop {
                for wire in &mut hostile {
                    drop(wire.try_send(asked.as_bytes()).await);
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let reply = tokio::select! {
            () = asking => unreachable!("it goes on for ever"),
            (_, reply) = insist(&edge) => reply,
        };
        assert_eq!((reply.status, made_way(&edge)), (202, 1), "{asked}");
    }
}

#[tokio::test]
async fn a_request_that_is_worked_on_never_makes_way() {
    let edge = edge().await;
    let mut busy = occupied(&edge, chunked_head("").as_bytes()).await;
    edge.until(|edge| edge.state.memory_used() > 0).await;
    let mut turned_away = 0;
    // Longer than anybody else may be silent.
    let end = tokio::time::Instant::now() + Duration::from_secs(6);
    while tokio::time::Instant::now() < end {
        let mut wire = Wire::connect(edge.address).await;
        let reply = wire.reply().await;
        assert_eq!((reply.status, reply.closes()), (503, true));
        turned_away += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(made_way(&edge), 0);
    assert_eq!(edge.state.counts().turned_away.load(Ordering::SeqCst), turned_away);
    let body = METRIC.as_bytes();
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    for wire in &mut busy {
        wire.send(&chunks).await;
        assert_eq!(wire.reply().await.status, 202);
    }
}

#[tokio::test]
async fn an_honest_client_is_answered_beside_hostile_ones_of_every_kind() {
    let edge = Edge::with(|settings| settings.limits.connections = 24).await;
    let auth = format!("authorization: Bearer {TOKEN}\r\n");
    let many = "x-filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(60);
    let kinds: [Vec<u8>; 6] = [
        Vec::new(),
        b"POST / HTTP/1.1\r\nx: ".to_vec(),
        post(&format!("{many}{many}"), b""),
        b"\x00\xff\xfe garbage \r\n\r\n".to_vec(),
        post("", b"{\"name\": nonsense"),
        format!("POST / HTTP/1.1\r\nhost: x\r\n{auth}content-length: 99999999999\r\n\r\n").into(),
    ];
    let mut hostile = Vec::new();
    for round in 0..20 {
        for sent in &kinds {
            let mut wire = Wire::connect(edge.address).await;
            drop(wire.try_send(sent).await);
            hostile.push(wire);
        }
        // They keep their sockets, whatever they were told.
        let (_, reply) = insist(&edge).await;
        assert_eq!(reply.status, 202, "round {round}");
    }
    assert_eq!(edge.queue.entries().len(), 20, "each honest request, and nothing else");
    drop(hostile);
    edge.until(|edge| edge.connections() == 0 && edge.state.memory_used() == 0).await;
}

//! Nothing of what the port tells is a secret.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::super::forward_receiver::{Act, Scripted, script};
use super::{EVIL, KEY, OTHER_TOKEN, TOKEN, Wire, get, post, post_as, request, start};

fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn no_answer_holds_a_token_a_key_or_the_hash_of_one() {
    let receiver = Scripted::start(script([])).await;
    let quoting = format!("key {KEY} is not known here");
    receiver.rule(Box::new(move |_| Act::answer(403, "", &quoting)));
    let gateway = start(&receiver).await;
    let admin = gateway.admin_addr().unwrap();
    assert_eq!(post(&gateway, &format!("[{},{EVIL}]", super::metric("a"))).await, 202);
    assert_eq!(post(&gateway, "nonsense").await, 406);
    assert_eq!(post_as(&gateway, "wr0ng-token", "application/json", "{}").await, 403);
    while get(admin, "/readyz").await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }

    let mut told: Vec<String> = Vec::new();
    for path in ["/", "/status", "/receivers", "/readyz", "/metrics", "/logs"] {
        let reply = get(admin, &format!("{path}?token={TOKEN}&key={KEY}")).await;
        told.push(format!("{path}: {:?} {}", reply.headers, reply.text()));
    }
    for (path, wanted) in [("/events", "event: status"), ("/tap", "[\"tapped\"")] {
        let mut wire = Wire::connect(admin).await;
        let authorization = format!("authorization: Bearer {TOKEN}\r\n");
        wire.send(&request(&format!("GET {path}"), &authorization, b"")).await;
        let mut heard = format!("{:?}", wire.reply_head().await);
        // Whoever has the head of an answer looks.
        assert_eq!(post(&gateway, &format!("[{}]", super::metric("tapped"))).await, 202);
        while !heard.contains(wanted) {
            let mut bytes = vec![0; 64 << 10];
            wire.stream.readable().await.unwrap();
            if let Ok(read) = wire.stream.try_read(&mut bytes) {
                assert!(read > 0, "{heard}");
                heard += &String::from_utf8_lossy(&bytes[..read]);
            }
        }
        told.push(format!("{path}: {heard}"));
    }
    // What the receiver said is told, without the key in it.
    assert!(told[1].contains("is not known here"), "{}", told[1]);
    for told in &told {
        for secret in [TOKEN, OTHER_TOKEN, KEY, "wr0ng-token"] {
            assert!(!told.contains(secret), "{secret}: {told}");
            assert!(!told.to_lowercase().contains(&hash(secret)), "hash of {secret}: {told}");
        }
    }
}

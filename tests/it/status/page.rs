//! The page as a browser shows it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use super::super::forward_receiver::{Act, Scripted, script};
use super::super::support::browser::{Browser, DESK, Look, PHONE};
use super::super::support::peers::free_address;
use super::{EVIL, metric, post, start, start_at};

fn url(admin: SocketAddr) -> String {
    format!("http://{admin}/")
}

/// Nothing of the page is wider than the window.
async fn fits(browser: &Browser) {
    let script = "return [document.documentElement.scrollWidth, window.innerWidth]";
    let widths = browser.eval(script).await;
    assert!(widths[0].as_u64() <= widths[1].as_u64(), "{widths}");
}

#[tokio::test]
async fn a_reject_shows_within_seconds_and_nothing_is_asked_of_anybody_else() {
    let Some(browser) = Browser::start(true).await else { return };
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let admin = gateway.admin_addr().unwrap();
    browser.look(DESK).await;
    browser.go(&url(admin)).await;
    browser.until("document.querySelectorAll('#sources tbody tr').length >= 2").await;
    assert!(browser.text().await.contains("All is well; nothing has come in since the start."));

    assert_eq!(post(&gateway, &format!("[{},{EVIL}]", metric("room.temp"))).await, 202);
    browser.until("document.querySelector('#rejects').innerText.includes('missing_value')").await;
    let text = browser.text().await;
    assert!(text.contains("<script>document.title='evil'</script>"), "{text}");
    assert!(text.contains("Works, but worth a look: metrics of source checkout are rejected"));
    let evil = "return [document.title, document.querySelectorAll('script, img').length]";
    let told = browser.eval(evil).await;
    assert_eq!((told[0].as_str(), told[1].as_u64()), (Some("(!) tidegate"), Some(1)));
    // A sentence for those who do not see it, which is not repeated for a number.
    let spoken = "return document.querySelector('[aria-live=polite]').textContent";
    assert!(browser.eval(spoken).await.as_str().unwrap().contains("are rejected"));

    for (name, look) in [
        ("desk", DESK),
        ("desk-dark", Look { scheme: "dark", ..DESK }),
        ("phone", PHONE),
        ("phone-dark", Look { scheme: "dark", ..PHONE }),
    ] {
        browser.look(look).await;
        fits(&browser).await;
        browser.shoot(name).await;
    }
    let ground = "return getComputedStyle(document.body).backgroundColor";
    let dark = browser.eval(ground).await;
    browser.look(DESK).await;
    assert_ne!(browser.eval(ground).await, dark);

    assert_eq!(browser.console().await, Vec::<String>::new());
    let requests = browser.requests().await;
    assert!(requests.iter().any(|asked| asked.ends_with("/events")), "{requests:?}");
    let is_of_network = |asked: &&String| asked.starts_with("http") || asked.starts_with("ws");
    for asked in requests.iter().filter(is_of_network) {
        assert!(asked.starts_with(&url(admin)), "{requests:?}");
    }
}

#[tokio::test]
async fn the_page_says_that_the_gateway_is_gone_and_comes_back_with_it() {
    let Some(browser) = Browser::start(true).await else { return };
    let receiver = Scripted::start(script([])).await;
    let admin = free_address();
    let gateway = start_at(admin, &receiver, "").await;
    browser.look(DESK).await;
    browser.go(&url(admin)).await;
    browser.until("document.body.dataset.link === 'live'").await;
    browser.eval("window.isTheSamePage = true").await;

    gateway.stop().await;
    browser.until("document.body.dataset.link === 'gone'").await;
    let text = browser.text().await;
    assert!(text.contains("No answer since") && text.contains("trying again"), "{text}");
    assert!(!text.contains("All is well"), "{text}");
    browser.shoot("gone").await;

    let gateway = start_at(admin, &receiver, "").await;
    assert_eq!(post(&gateway, &metric("a")).await, 202);
    browser.until("document.body.dataset.link === 'live'").await;
    browser.until("document.querySelector('#summary').textContent.includes('All is well')").await;
    browser.until("document.querySelector('#sources').innerText.includes('sending')").await;
    assert_eq!(browser.eval("return window.isTheSamePage").await, true);
}

/// A proxy that forgets the first connection of events after a while, and takes its time with each later one.
async fn forgetful_proxy(admin: SocketAddr, late: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let events = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, admin, Arc::clone(&events), late));
        }
    });
    address
}

async fn pass_on(
    mut client: TcpStream,
    admin: SocketAddr,
    events: Arc<AtomicUsize>,
    late: Duration,
) {
    let mut head = vec![0; 16 << 10];
    let Ok(read @ 1..) = client.read(&mut head).await else { return };
    let nth = head.starts_with(b"GET /events").then(|| events.fetch_add(1, Ordering::Relaxed));
    if nth.is_some_and(|nth| nth > 0) {
        sleep(late).await;
    }
    let mut gateway = TcpStream::connect(admin).await.unwrap();
    gateway.write_all(&head[..read]).await.unwrap();
    let passing = copy_bidirectional(&mut client, &mut gateway);
    if nth == Some(0) {
        drop(timeout(Duration::from_secs(3), passing).await);
        // Open, and nothing comes any more.
        drop(client.read(&mut head).await);
    } else {
        drop(passing.await);
    }
}

#[tokio::test]
async fn an_answer_that_is_late_is_waited_for() {
    let Some(browser) = Browser::start(true).await else { return };
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    let proxy = forgetful_proxy(gateway.admin_addr().unwrap(), Duration::from_secs(2)).await;
    browser.go(&url(proxy)).await;
    browser.until("document.body.dataset.link === 'live'").await;
    browser.until("document.body.dataset.link === 'gone'").await;
    browser.until("document.body.dataset.link === 'live'").await;
}

#[tokio::test]
async fn a_held_receiver_is_shown_with_its_reason_and_its_cure() {
    let Some(browser) = Browser::start(true).await else { return };
    let receiver = Scripted::start(script([])).await;
    receiver.rule(Box::new(|_| Act::answer(403, "", "no <b>such</b> key")));
    let gateway = start(&receiver).await;
    assert_eq!(post(&gateway, &metric("a")).await, 202);
    assert_eq!(post(&gateway, &format!("[{EVIL}]")).await, 422);
    browser.look(DESK).await;
    browser.go(&url(gateway.admin_addr().unwrap())).await;
    browser.until("document.querySelector('#verdict').dataset.state === 'trouble'").await;
    browser.until("document.querySelector('.receiver .badge').textContent.includes('held')").await;
    let why = browser.eval("return document.querySelector('.why').innerText").await;
    let why = why.as_str().unwrap();
    assert!(why.contains("no <b>such</b> key") && why.contains("check api_key"), "{why}");
    assert!(browser.text().await.contains("nothing is thrown away"));
    for (name, look) in [("trouble", DESK), ("trouble-phone", Look { scheme: "dark", ..PHONE })] {
        browser.look(look).await;
        fits(&browser).await;
        browser.shoot(name).await;
    }
    assert_eq!(browser.console().await, Vec::<String>::new());
}

#[tokio::test]
async fn without_scripts_the_same_is_there_as_tables() {
    let Some(browser) = Browser::start(false).await else { return };
    let receiver = Scripted::start(script([])).await;
    let gateway = start(&receiver).await;
    assert_eq!(post(&gateway, &format!("[{},{EVIL}]", metric("a"))).await, 202);
    browser.look(PHONE).await;
    browser.go(&url(gateway.admin_addr().unwrap())).await;
    let text = browser.text().await;
    for told in ["are rejected", "checkout", "missing_value", "What goes out", "/status"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    fits(&browser).await;
    browser.shoot("still").await;
}

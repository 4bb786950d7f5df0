//! The receiver as a library: printing, keeping, waiting, stopping.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate::receiver::{Keep, Options, Printer, Receiver};

use crate::receiver_client::{Client, PATIENCE, Request, TUPLE, call, envelope};

/// A writer whose text can be looked at from outside.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe whose reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn accepted_tuples_are_printed_as_ndjson_before_the_answer() {
    let page = Page::default();
    let print = Some(Printer::new(page.clone()));
    let receiver = Receiver::start(Options { print, ..Options::for_tests() }).await.unwrap();
    let body = include_str!("../../fixtures/receiver/envelope.json");
    call(receiver.addr(), &Request::intake(body)).await;
    let printed = page.0.lock().unwrap().clone();
    let expected = include_str!("../../fixtures/receiver/printed.ndjson");
    assert_eq!(String::from_utf8(printed).unwrap(), expected);
}

#[tokio::test]
async fn a_closed_output_ends_the_printing_and_nothing_else() {
    let print = Some(Printer::new(Closed));
    let receiver = Receiver::start(Options { print, ..Options::for_tests() }).await.unwrap();
    for _ in 0..2 {
        let answer = call(receiver.addr(), &Request::intake(envelope(&[TUPLE]))).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(receiver.received().tuples.len(), 2);
}

#[tokio::test]
async fn only_the_newest_tuples_are_kept_but_all_are_counted() {
    let keep = Keep::Newest(3);
    let receiver = Receiver::start(Options { keep, ..Options::for_tests() }).await.unwrap();
    for second in 0..5 {
        let tuples = [0, 1].map(|half| format!(r#"["m{half}",{second},1.0,{{"type":"gauge"}}]"#));
        let body = envelope(&tuples.each_ref().map(String::as_str));
        call(receiver.addr(), &Request::intake(body)).await;
    }
    let seen = receiver.received();
    let kept: Vec<_> = seen.tuples.iter().map(|t| (t.parts().name, t.parts().seconds)).collect();
    assert_eq!(kept, [("m1".into(), 3), ("m0".into(), 4), ("m1".into(), 4)]);
    assert_eq!(seen.totals.tuples, 10);
    assert_eq!((seen.requests.len(), seen.totals.requests), (3, 5));
}

#[tokio::test]
async fn waiting_ends_when_the_tuples_are_there_or_says_what_came() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let request = Request::intake(envelope(&[TUPLE]));
    let (waited, ()) = tokio::join!(receiver.wait_for_tuples(2, PATIENCE), async {
        call(receiver.addr(), &request).await;
        call(receiver.addr(), &request).await;
    },);
    assert_eq!(waited.unwrap().tuples.len(), 2);
    let late = receiver.wait_for_tuples(3, Duration::from_millis(1)).await.unwrap_err();
    assert_eq!(late.totals.tuples, 2);
    assert!(late.to_string().contains("waited 1ms in vain"), "{late}");
}

#[tokio::test]
async fn a_stopped_receiver_refuses_connections_and_its_port_can_be_taken_again() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let addr = receiver.addr();
    let mut idle = Client::connect(addr).await;
    idle.call(&Request::intake(envelope(&[TUPLE]))).await.unwrap();
    let seen = receiver.stop().await;
    assert_eq!(seen.totals.tuples, 1);
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
    assert!(idle.call(&Request::intake(envelope(&[TUPLE]))).await.is_err());

    let again = Receiver::start(Options { listen: addr, ..Options::for_tests() }).await.unwrap();
    assert_eq!(again.addr(), addr);
    assert_eq!(call(addr, &Request::intake(envelope(&[TUPLE]))).await.status, 200);
}

#[tokio::test]
async fn a_taken_port_is_named_in_the_error() {
    let receiver = Receiver::start(Options::for_tests()).await.unwrap();
    let options = Options { listen: receiver.addr(), ..Options::for_tests() };
    let error = Receiver::start(options).await.unwrap_err().to_string();
    let start = format!("the receiver cannot listen on {}: ", receiver.addr());
    assert!(error.starts_with(&start), "{error}");
}

#[tokio::test]
async fn the_options_print_no_key() {
    let shown = format!("{:?}", Options::default());
    assert!(shown.contains("1 keys") && !shown.contains("API_KEY"), "{shown}");
}

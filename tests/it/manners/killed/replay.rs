//! Killed while dead letters go in again: each is delivered once, and counted once.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use tidegate::receiver::Fault;

use super::super::world::{PATIENCE, names};
use super::process::{BAD, Process};
use crate::strace::strace;
use crate::support::endure::letters::Letter;

/// Everything that changes a file.
const CALLS: &str = "write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,fallocate,\
                     unlink,unlinkat,rename,renameat,renameat2";

const LETTERS: u64 = 6;

/// A stopped gateway with dead letters, to a receiver that takes them from now on.
async fn with_letters() -> Process {
    let mut process = Process::new().await;
    process.gateway.start().await;
    for number in 0..3 {
        let mut all = names(&format!("m{number}"), 0..20);
        for place in [2, 17] {
            all[place] = format!("{BAD}.{number}.{place}");
        }
        process.send(&all).await;
        process.settled().await;
    }
    process.judge().await;
    // In order: what was acknowledged in the last second would be leased again after a kill, to a
    // receiver that takes now what it refused before.
    assert!(process.gateway.stop().await.success());
    process.receiver.faults().change(|rules| rules.poisons.clear());
    process
}

/// How often each bad one arrived.
fn arrivals(process: &Process) -> BTreeMap<String, u64> {
    let received = process.receiver.received();
    let names = received.tuples.iter().map(|tuple| tuple.parts().name.into_owned());
    let mut arrivals = BTreeMap::new();
    for name in names.filter(|name| name.starts_with(BAD)) {
        *arrivals.entry(name).or_default() += 1;
    }
    arrivals
}

/// That all of them have arrived so many times, are counted once and listed no more.
async fn judge(process: &Process, times: u64, what: &str) {
    let books = process.settled().await;
    assert_eq!(books.sample("tidegate_books_balanced"), 1, "{what}");
    let counts = ["series", "replayed", "dead_lettered", "delivered"].map(|name| books.of(name));
    assert_eq!(counts, [60, LETTERS, LETTERS, 60], "{what}");
    let arrivals = arrivals(process);
    assert_eq!(arrivals.len() as u64, LETTERS, "{what}");
    assert!(arrivals.values().all(|arrived| *arrived == times), "{what}: {arrivals:?}");
    assert_eq!(process.listed(), 0, "{what}");
    assert!(process.gateway.panics().is_empty(), "{}", process.gateway.log());
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}

/// The replay of a stopped gateway's letters, killed at each call that changes a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_each_write_and_sync_of_a_replay() {
    let Some(strace) = strace() else { return };
    let mut process = with_letters().await;
    let (data, template) =
        (process.directory.path().join("data"), process.directory.path().join("template"));
    std::fs::rename(&data, &template).unwrap();
    let mut call = 0;
    loop {
        call += 1;
        copy(&template, &data);
        let inject = format!("inject={CALLS}:signal=KILL:when={call}");
        let trace = format!("trace={CALLS}");
        let wrapper = [&strace, "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let output = process.run_through(&wrapper, &["dead-letters", "replay"]);
        let is_killed = output.status.signal() == Some(9);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(is_killed || output.status.success(), "call {call}: {said}");

        process.gateway.start().await;
        process.settled().await;
        let again = process.run(&["dead-letters", "replay"]);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        judge(&process, call, &format!("killed at call {call}")).await;
        assert!(process.gateway.stop().await.success());
        std::fs::remove_dir_all(&data).unwrap();
        if !is_killed {
            break;
        }
    }
    assert!(call > 5, "a replay changes files more often than {call} times");
}

/// When a gateway that replays is killed.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Something stands in a journal.
    Begun,
    /// A journal says that it is done.
    Done,
    /// The receiver has them and does not answer.
    Delivering,
    /// They were delivered.
    Delivered,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_gateway_killed_at_each_step_of_a_replay() {
    for death in [Death::Begun, Death::Done, Death::Delivering, Death::Delivered] {
        let mut process = with_letters().await;
        process.gateway.start().await;
        if matches!(death, Death::Delivering) {
            process.receiver.faults().script([Fault::Hang]);
        }
        let hung = |received: &tidegate::receiver::Received| received.totals.hung > 0;
        let directory = process.letters_at();
        let reached = async {
            match death {
                Death::Begun => until(|| has_journal(&directory)).await,
                // Once all are, their file may be gone as well.
                Death::Done => until(|| process.letters().iter().all(is_replayed)).await,
                Death::Delivering => drop(process.receiver.wait_for(PATIENCE, hung).await.unwrap()),
                Death::Delivered => until(|| arrivals(&process).len() as u64 == LETTERS).await,
            }
        };
        let mut command = process.command(&["dead-letters", "replay"]);
        let mut replaying = command.spawn().unwrap();
        reached.await;
        process.gateway.kill();
        let arrived = arrivals(&process).len() as u64;
        // It says what it knows of a gateway that is gone.
        replaying.wait().unwrap();
        // The kill hit the step it names, or a later one: a step may be over before it is seen.
        match death {
            Death::Begun => assert!(has_journal(&directory) || arrived > 0, "{death:?}"),
            Death::Done => assert!(process.letters().iter().all(is_replayed), "{death:?}"),
            Death::Delivering => assert_eq!(arrived, 0, "{death:?}"),
            Death::Delivered => assert_eq!(arrived, LETTERS, "{death:?}"),
        }
        process.gateway.start().await;
        process.settled().await;
        let again = process.run(&["dead-letters", "replay"]);
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
        process.settled().await;
        // What was delivered just before a kill may come again (contract C5.2).
        let twice = arrivals(&process).values().copied().max().unwrap();
        assert!(twice <= 2, "{death:?}");
        let books = process.settled().await;
        let counts = ["series", "replayed", "delivered"].map(|name| books.of(name));
        assert_eq!(counts, [60, LETTERS, 60], "{death:?}");
        assert_eq!(arrivals(&process).len() as u64, LETTERS, "{death:?}");
        assert_eq!(process.listed(), 0, "{death:?}");
    }
}

fn is_replayed(letter: &Letter) -> bool {
    letter.is_replayed
}

fn has_journal(directory: &Path) -> bool {
    let mut names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    names.any(|name| name.to_string_lossy().ends_with(".replays"))
}

async fn until(reached: impl Fn() -> bool) {
    let poll = async {
        while !reached() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll).await.expect("it comes to that");
}

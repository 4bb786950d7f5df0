//! Reads what `strace -f -yy` wrote, and finds in it for one request: the last read of it, the writes
//! of its records, the sync behind them, and its answer.
//!
//! The order of the lines is the order in which the tracer let the calls happen: a thread stands still
//! from the moment a call begins until its line is written, and again when it ends. So a call whose
//! beginning is below the end of another one did begin after it.

use std::collections::BTreeMap;

/// One system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    name: String,
    /// Its arguments and result as they are printed.
    text: String,
    /// Lines at which it began and ended.
    began: usize,
    ended: usize,
}

/// All calls of all threads, by their ends.
#[derive(Debug)]
pub(super) struct Log {
    calls: Vec<Call>,
}

/// What an acknowledged request left in the log, with its line numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) read: usize,
    pub(super) written: usize,
    pub(super) sync_began: usize,
    pub(super) sync_ended: usize,
    pub(super) answered: usize,
}

const READS: [&str; 4] = ["read", "recvfrom", "recvmsg", "readv"];
const ANSWERS: [&str; 4] = ["write", "sendto", "sendmsg", "writev"];
const WRITES: [&str; 5] = ["write", "writev", "pwrite64", "pwritev", "pwritev2"];
const SYNCS: [&str; 2] = ["fdatasync", "fsync"];

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    /// What the descriptor it works on is open for: a path, or the two ends of a connection.
    fn target(&self) -> &str {
        let (_, rest) = self.text.split_once('<').unwrap_or_default();
        // A connection is printed with an arrow in it.
        let rest = rest.split_once(['"', ',', ')']).map_or(rest, |(target, _)| target);
        rest.rsplit_once('>').map_or(rest, |(target, _)| target)
    }

    fn result(&self) -> Option<i64> {
        let (_, result) = self.text.rsplit_once(" = ")?;
        result.split(' ').next()?.parse().ok()
    }
}

impl Log {
    pub(super) fn parse(text: &str) -> Self {
        let mut calls = Vec::new();
        let mut open: BTreeMap<&str, Call> = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let rest = rest.trim_start();
            if let Some(rest) = rest.strip_prefix("<... ") {
                let Some((_, rest)) = rest.split_once(" resumed>") else { continue };
                let Some(mut call) = open.remove(thread) else { continue };
                call.text.push_str(rest);
                call.ended = at;
                calls.push(call);
            } else if let Some((name, rest)) = rest.split_once('(') {
                let (text, is_open) = match rest.strip_suffix(" <unfinished ...>") {
                    Some(text) => (text, true),
                    None => (rest, false),
                };
                let (name, text) = (name.to_owned(), text.to_owned());
                let call = Call { name, text, began: at, ended: at };
                if is_open {
                    open.insert(thread, call);
                } else {
                    calls.push(call);
                }
            }
        }
        Self { calls }
    }

    /// Number of system calls.
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Segments that were begun.
    pub(super) fn segments(&self) -> usize {
        let begins = |call: &&Call| {
            call.is(&["openat"]) && call.text.contains("O_CREAT") && call.text.contains(".seg\"")
        };
        self.calls.iter().filter(begins).count()
    }

    /// Shows that the request was on the disk before it was answered with 202, or says what is missing.
    /// `ids` are names of metrics in it, which its records hold as they are.
    pub(super) fn proof(&self, request_id: &str, ids: &[String]) -> Result<Proof, String> {
        let marked = format!("x-request-id: {request_id}\\r\\n");
        let answer = self.first(0, |call| {
            call.is(&ANSWERS)
                && call.text.contains("\"HTTP/1.1 202 ")
                && call.text.contains(&marked)
        });
        let answer = answer.ok_or("there is no answer")?;
        let connection = answer.target();
        let reads = self.calls.iter().filter(|call| {
            call.is(&READS)
                && call.target() == connection
                && call.began < answer.began
                && call.result() > Some(0)
        });
        let read = reads.map(|call| call.ended).max().ok_or("it was never read")?;

        let mut written = 0;
        let mut segment = "";
        for id in ids {
            // Quotes are printed with a backslash.
            let marked = format!("\\\"{id}\\\"");
            let is_it = |call: &Call| {
                call.is(&WRITES) && call.target().contains(".seg") && call.text.contains(&marked)
            };
            let write = self.first(read, is_it).ok_or_else(|| format!("{id} was not written"))?;
            written = written.max(write.ended);
            segment = write.target();
        }
        let sync = self.first(written + 1, |call| {
            call.is(&SYNCS) && call.target() == segment && call.result() == Some(0)
        });
        let sync = sync.ok_or_else(|| format!("no sync of {segment} began below {written}"))?;
        if sync.ended >= answer.began {
            return Err(format!(
                "answered in line {}, synced from line {} to {}",
                answer.began, sync.began, sync.ended
            ));
        }
        self.name_is_synced(segment, answer.began)?;
        let (sync_began, sync_ended) = (sync.began, sync.ended);
        Ok(Proof { read, written, sync_began, sync_ended, answered: answer.began })
    }

    /// Whether this directory's names were synced before anybody was answered with 202.
    pub(super) fn is_synced_before_any_answer(&self, directory: &str) -> bool {
        let answered =
            self.first(0, |call| call.is(&ANSWERS) && call.text.contains("\"HTTP/1.1 202 "));
        let synced = self.first(0, |call| {
            call.is(&SYNCS) && call.target() == directory && call.result() == Some(0)
        });
        synced.zip(answered).is_some_and(|(synced, answered)| synced.ended < answered.began)
    }

    /// A file's bytes are of no use while its name may vanish: its directory was synced as well.
    fn name_is_synced(&self, segment: &str, before: usize) -> Result<(), String> {
        let created = self.first(0, |call| {
            call.is(&["openat"])
                && call.text.contains("O_CREAT")
                && call.text.contains(segment_name(segment))
        });
        let created = created.ok_or_else(|| format!("{segment} was not created"))?;
        let directory = segment.rsplit_once('/').map_or("", |(directory, _)| directory);
        let sync = self.first(created.ended + 1, |call| {
            call.is(&SYNCS) && call.target() == directory && call.result() == Some(0)
        });
        match sync {
            Some(sync) if sync.ended < before => Ok(()),
            _ => Err(format!("{directory} was not synced between {} and {before}", created.ended)),
        }
    }

    /// The call that ends first of those that begin at this line or below it.
    fn first(&self, from: usize, is_it: impl Fn(&Call) -> bool) -> Option<&Call> {
        self.calls.iter().find(|call| call.began >= from && is_it(call))
    }
}

fn segment_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[test]
fn each_way_to_answer_too_early_is_seen() {
    const CREATED: &str = "9 openat(7</q>, \"1-0.seg\", O_RDWR|O_CREAT|O_EXCL, 0600) = 12</q/1-0.seg>\n\
                           9 fsync(7</q>) = 0";
    const READ: &str =
        "8 recvfrom(5<TCP:[1:1->1:2]>, \"POST \\\"k.0.0\\\"\", 8192, 0, NULL, NULL) = 99";
    const WRITTEN: &str =
        "9 pwritev(12</q/1-0.seg>, [{iov_base=\"[\\\"k.0.0\\\",1\", iov_len=9}], 1, 1024) = 9";
    const SYNC: &str = "9 fdatasync(12</q/1-0.seg>) = 0";
    const OTHER: &str = "9 fdatasync(13</q/2-0.seg>) = 0";
    const FAILED: &str = "9 fdatasync(12</q/1-0.seg>) = -1 EIO (Input/output error)";
    const BEGUN: &str = "9 fdatasync(12</q/1-0.seg> <unfinished ...>";
    const ENDED: &str = "9 <... fdatasync resumed>) = 0";
    const ANSWER: &str = "8 writev(5<TCP:[1:1->1:2]>, [{iov_base=\"HTTP/1.1 202 Accepted\\r\\nx-request-id: k-0\\r\\n\", iov_len=99}], 1) = 99";
    let cases: [(&[&str], Option<&str>); 10] = [
        (&[CREATED, READ, WRITTEN, SYNC, ANSWER], None),
        (&[CREATED, READ, WRITTEN, BEGUN, OTHER, ENDED, ANSWER], None),
        (&[CREATED, READ, WRITTEN, FAILED, SYNC, ANSWER], None),
        (
            &[CREATED, READ, WRITTEN, ANSWER, SYNC],
            Some("answered in line 4, synced from line 5 to 5"),
        ),
        (
            &[CREATED, READ, WRITTEN, BEGUN, ANSWER, ENDED],
            Some("answered in line 5, synced from line 4 to 6"),
        ),
        (&[CREATED, READ, BEGUN, WRITTEN, ENDED, ANSWER], Some("no sync of /q/1-0.seg began")),
        (&[CREATED, READ, WRITTEN, OTHER, ANSWER], Some("no sync of /q/1-0.seg began")),
        (&[CREATED, READ, WRITTEN, FAILED, ANSWER], Some("no sync of /q/1-0.seg began")),
        (&[CREATED, READ, SYNC, ANSWER], Some("k.0.0 was not written")),
        (
            &[CREATED.split_once('\n').unwrap().0, READ, WRITTEN, SYNC, ANSWER],
            Some("/q was not synced"),
        ),
    ];
    for (lines, wanted) in cases {
        let proof = Log::parse(&lines.join("\n")).proof("k-0", &["k.0.0".to_owned()]);
        match (&proof, wanted) {
            (Ok(_), None) => {}
            (Err(why), Some(wanted)) => assert!(why.contains(wanted), "{why}\n{lines:#?}"),
            _ => panic!("{proof:?} is not {wanted:?}\n{lines:#?}"),
        }
    }
}

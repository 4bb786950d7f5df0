//! Room for thousands of sockets: systems allow a process 1,024 files until it asks for more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a process has open besides its connections, amply.
const OTHERS: u64 = 256;

/// Raises the limit of open files as far as it goes, for the gateway too, which inherits it. False, and
/// says so, where that is not enough for so many connections.
pub(crate) fn make_room(connections: usize) -> bool {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Up to the hard limit everybody may; should it fail, what is there now counts.
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).ok();
    let (current, needed) = (getrlimit(Resource::Nofile).current, connections as u64 + OTHERS);
    let is_enough = current.is_none_or(|current| current >= needed);
    if !is_enough {
        println!(
            "load: {connections} connections need {needed} open files, and the hard limit is {}: raise it \
             (`ulimit -Hn`), or ask for fewer connections",
            current.unwrap_or_default()
        );
    }
    is_enough
}

//! The operating system's limit of open files, which most shells set below `limits.connections`.
//!
//! When it is reached no client is accepted any more, and no connection to the receiver either: the
//! cap on connections has to be met first.

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Scrape;

/// Files that are no client's connection: logs, the listeners, the runtime's own, the admin port's
/// connections, and connections that are being turned away.
const SPARE: u64 = 384;

/// Connections to the targets of files, for each job that has any: how many they name is not known yet,
/// and changes. A job that has more needs a limit that was raised for it.
const OF_TARGET_FILES: usize = 1_000;

/// Connections to the targets of a job.
pub(super) fn of_scrape(scrape: &Scrape) -> usize {
    let of_files = if scrape.target_files.is_empty() { 0 } else { OF_TARGET_FILES };
    scrape.targets.len() + of_files
}

/// Raises the limit to what the process may have, and warns when that is too little.
/// `outgoing` are those to receivers and to targets that are scraped.
pub(super) fn make_room(connections: usize, outgoing: usize) {
    let need = connections as u64 + outgoing as u64 + SPARE;
    let mut limit = getrlimit(Resource::Nofile);
    // `None` is no limit at all.
    if limit.current.is_some_and(|current| current < need) {
        limit.current = Some(limit.maximum.map_or(need, |most| most.min(need)));
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "cannot raise the limit of open files");
        }
    }
    if let Some(allowed) = getrlimit(Resource::Nofile).current.filter(|allowed| *allowed < need) {
        tracing::warn!(
            allowed,
            need,
            "this process may have {allowed} open files and `limits.connections` = {connections} \
             takes up to {need}: raise the limit (`ulimit -n`, LimitNOFILE=), or lower \
             `limits.connections`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    #[test]
    fn targets_that_are_not_known_yet_have_a_share() {
        for (text, expected) in [
            ("targets = [\"a\", \"b\"]", 2),
            ("target_files = [\"x.json\", \"*.json\"]", 1_000),
            ("targets = [\"a\"]\ntarget_files = [\"x.json\"]", 1_001),
        ] {
            let receiver = "[receiver]\nurl = \"http://r/\"\napi_key = \"k\"";
            let text = format!("[[scrape]]\njob = \"node\"\n{text}\n{receiver}\n");
            let config = load("test", &text, &Environment::default()).unwrap().config;
            assert_eq!(of_scrape(&config.scrapes[0]), expected, "{text}");
        }
    }
}

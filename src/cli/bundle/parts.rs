//! The parts of a bundle, and how each is had.

use std::time::Duration;

use super::super::Failure;
use super::super::ask::AskArgs;
use super::super::gateway::Gateway;
use super::facts;
use super::own::Own;
use super::secrets::Secrets;
use crate::config::Environment;

/// Most bytes of a part; the end of a longer one is left out, or the beginning of a log.
const PART_BYTES_MAX: usize = 4 << 20;

/// Longest time for what only looks something up, and for reading every record of the queue.
const LOOK: Duration = Duration::from_secs(10);
const VERIFY: Duration = Duration::from_mins(1);

/// A text file of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// It is the reason why it is not there.
    pub(super) is_missing: bool,
}

/// What the admin port is asked for.
const ASKED: [(&str, &str); 5] = [
    ("/status", "status.json"),
    ("/readyz", "readyz.json"),
    ("/receivers", "receivers.json"),
    ("/metrics", "metrics.txt"),
    ("/logs", "logs.ndjson"),
];

/// What the commands print, and how long that may take.
const PRINTED: [(&str, &[&str], Duration); 3] = [
    ("queue.json", &["queue", "ls", "--json"], LOOK),
    ("verify.json", &["queue", "verify", "--json"], VERIFY),
    ("dead-letters.json", &["dead-letters", "ls", "--json"], LOOK),
];

impl Part {
    pub(super) fn new(name: &'static str, text: String) -> Self {
        Self { name, text: bounded(text), is_missing: false }
    }

    fn missing(name: &'static str, why: &str) -> Self {
        Self { name, text: format!("not to be had: {}\n", why.trim_end()), is_missing: true }
    }

    fn of(name: &'static str, text: Result<String, String>) -> Self {
        match text {
            Ok(text) => Self::new(name, text),
            Err(why) => Self::missing(name, &bounded(why)),
        }
    }

    /// Takes secrets out; its name if there were any.
    pub(super) fn clean(&mut self, secrets: &Secrets) -> Option<&'static str> {
        let clean = secrets.without(&self.text)?;
        self.text = clean;
        Some(self.name)
    }

    /// For whoever opens the bundle.
    pub(super) fn about(&self) -> &'static str {
        match self.name {
            "version.txt" => "which tidegate this is",
            "config.toml" => "the settings in effect, or what is wrong with them",
            "environment.txt" => {
                "names of variables that begin with TIDEGATE_, without their values"
            }
            "system.txt" => "this machine",
            "status.json" => {
                "what the status page shows, without the items it shows of what was rejected"
            }
            "readyz.json" => "why the gateway is not ready, if it is not",
            "receivers.json" => "each receiver, its books and its last error",
            "metrics.txt" => "the gateway's own metrics",
            "logs.ndjson" => "the last log lines of the running gateway",
            "queue.json" => "what waits for whom, and in which files",
            "verify.json" => "whether every record of the queue is intact",
            "dead-letters.json" => "how many tuples were refused for good, and with which answers",
            _ => "",
        }
    }
}

/// All of them.
pub(super) fn gather(ask: &AskArgs, environment: &Environment) -> Vec<Part> {
    let own = Own::of(ask);
    let data_dir = data_dir(ask, environment);
    let mut parts = vec![
        Part::new("version.txt", facts::version()),
        Part::of("config.toml", own.prints_as_configured(&["check-config"], LOOK)),
        Part::new("environment.txt", facts::names_of_variables(environment)),
        Part::new("system.txt", facts::system(data_dir.as_deref())),
    ];
    parts.extend(asked(ask, environment));
    parts.extend(PRINTED.map(|(name, args, wait)| {
        let printed = own.prints(args, wait);
        let is_of_tuples = name == "dead-letters.json";
        Part::of(
            name,
            if is_of_tuples { printed.and_then(|text| without_examples(&text)) } else { printed },
        )
    }));
    parts
}

fn asked(ask: &AskArgs, environment: &Environment) -> Vec<Part> {
    let gateway = gateway(ask, environment);
    let ask = |path: &str| {
        let answer = gateway.as_ref().map_err(Clone::clone)?.get(path);
        let answer = answer.map_err(|absent| absent.to_string())?;
        // Who is not ready says so with a status of its own.
        match answer.status {
            200 | 503 => Ok(answer.body),
            other => Err(format!("it answers HTTP {other}: {}", answer.body)),
        }
    };
    let told = |path: &str| {
        let text = ask(path);
        if path == "/status" { text.and_then(|text| without_examples(&text)) } else { text }
    };
    ASKED.map(|(path, name)| Part::of(name, told(path))).into()
}

fn gateway(ask: &AskArgs, environment: &Environment) -> Result<Gateway, String> {
    let whereabouts = ask.whereabouts(environment).map_err(|failure| words(&failure))?;
    whereabouts.gateway().map_err(|absent| absent.to_string())
}

fn data_dir(ask: &AskArgs, environment: &Environment) -> Option<std::path::PathBuf> {
    let place = super::super::place::Place::find(&ask.place, environment);
    place.ok().map(|place| place.data_dir)
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Usage(error) | Failure::Run(error) => format!("{error:#}"),
    }
}

/// Without the names and items that clients sent, of which what was refused is shown by example. A text in
/// which they cannot be found is left out as a whole.
fn without_examples(text: &str) -> Result<String, String> {
    let mut value = serde_json::from_str(text)
        .map_err(|error| format!("what it says cannot be read: {error}"))?;
    drop_examples(&mut value);
    Ok(format!("{value:#}\n"))
}

fn drop_examples(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.remove("example");
            members.values_mut().for_each(drop_examples);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(drop_examples),
        _ => {}
    }
}

fn bounded(mut text: String) -> String {
    if text.len() > PART_BYTES_MAX {
        let left_out = text.len() - PART_BYTES_MAX;
        text.truncate(text.floor_char_boundary(PART_BYTES_MAX));
        text.push_str(&["\n[", &left_out.to_string(), " bytes left out]\n"].concat());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_bounded() {
        let part = Part::new("status.json", "\u{e9}".repeat(PART_BYTES_MAX));
        assert!(part.text.len() < PART_BYTES_MAX + 64);
        assert!(part.text.ends_with("\n[4194304 bytes left out]\n"));
    }

    #[test]
    fn examples_are_dropped_at_any_depth() {
        let text = r#"{"a":[{"example":"x","letters":3}],"example":1}"#;
        let kept: serde_json::Value =
            serde_json::from_str(&without_examples(text).unwrap()).unwrap();
        assert_eq!(kept, serde_json::json!({"a": [{"letters": 3}]}));
        let cut = r#"{"a":[{"example":"x""#;
        assert!(without_examples(cut).unwrap_err().starts_with("what it says cannot be read"));
    }

    #[test]
    fn every_part_says_what_it_is() {
        let fixed = ["version.txt", "config.toml", "environment.txt", "system.txt"];
        let asked = ASKED.iter().map(|(_, name)| *name);
        let printed = PRINTED.iter().map(|(name, ..)| *name);
        for name in fixed.into_iter().chain(asked).chain(printed) {
            assert!(!Part::missing(name, "x").about().is_empty(), "{name}");
        }
    }
}

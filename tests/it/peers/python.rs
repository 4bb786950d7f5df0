//! Scripts that use the Python clients, and print what these say they sent.

use std::path::Path;

use serde::Deserialize;
use tidegate::receiver::Kind;

use super::points::Point;
use crate::support::peers;

/// A sample as a script prints it: name, labels, value, type, and seconds or zero.
#[derive(Deserialize)]
struct Sent(String, Vec<(String, String)>, String, String, i64);

/// Runs a script of this directory; what it sent and a tuple can hold. `None` where the
/// clients are not installed.
pub(crate) async fn run(script: &str, arguments: &[&str]) -> Option<Vec<(Point, Kind)>> {
    let python = peers::python()?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/peers").join(script);
    let mut words = vec![path.display().to_string()];
    words.extend(arguments.iter().map(ToString::to_string));
    let printed = peers::run(&python, &words).await;
    let sent: Vec<Sent> = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
    let point = |Sent(name, labels, value, kind, seconds): Sent| {
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let value = value.parse().expect("a number of Python");
        let kind = match kind.as_str() {
            "counter" => Kind::Counter,
            "count" => Kind::Count,
            "gauge" => Kind::Gauge,
            other => panic!("{other}"),
        };
        Some((Point::new(&name, labels, seconds, value)?, kind))
    };
    Some(sent.into_iter().filter_map(point).collect())
}

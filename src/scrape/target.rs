//! What is fetched: an address, the labels of everything that comes from there, and when.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use crate::config::{self, Scheme};
use crate::metric::timestamp::Timestamp;

/// One target of a job. Two that are equal are the same one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    pub(super) url: Url,
    /// `host:port`, as it was written.
    instance: String,
    /// None of them empty, in the order of their names.
    pub(super) labels: Arc<[(String, String)]>,
}

impl Target {
    /// A target of this job; `own` are the labels of its group in a file.
    pub(super) fn new(
        job: &config::Scrape,
        address: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let meta = |name: &str| own.get(name).map(String::as_str);
        let scheme = match meta("__scheme__") {
            None => job.scheme,
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err("__scheme__ must be http or https".to_owned()),
        };
        for (name, setting) in
            [("__scrape_interval__", "interval"), ("__scrape_timeout__", "timeout")]
        {
            if own.contains_key(name) {
                return Err(format!(
                    "{name} is for one target, and `{setting}` is for a whole job: put those targets \
                     into a job of their own"
                ));
            }
        }
        let path = meta("__metrics_path__").unwrap_or(&job.path);
        if !path.starts_with('/') {
            return Err("__metrics_path__ must begin with /".to_owned());
        }
        let mut url = config::scrape_address(address, scheme, path)
            .map_err(|expected| format!("each of `targets` must be {expected}"))?;
        let instance = config::scrape_instance(address, &url);
        for (name, value) in own {
            if let Some(name) = name.strip_prefix("__param_") {
                ask(&mut url, name, value);
            }
        }
        let labels = config::labels_of_target(&job.job, &job.labels, own, &instance)?;
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let labels = labels.into_iter().map(owned).collect();
        Ok(Self { url, instance, labels })
    }

    /// Bytes of memory it takes, about.
    pub(super) fn memory(&self) -> usize {
        const PART_BYTES: usize = 64;
        let label = |(name, value): &(String, String)| name.len() + value.len() + PART_BYTES;
        let labels: usize = self.labels.iter().map(label).sum();
        labels + self.url.as_str().len() + self.instance.len() + 4 * PART_BYTES
    }

    /// What logs call it: an address alone, for a query may hold a secret.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// How long from `now` to its point of the interval: always the same one, so that targets do not all
    /// answer at once, and a restart moves nothing.
    pub(super) fn wait(&self, now: Timestamp, interval: Duration) -> Duration {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let interval_ns = interval.as_nanos().max(1);
        let point = u128::from(hasher.finish()) % interval_ns;
        let now_ns = i128::from(now.seconds()) * 1_000_000_000 + i128::from(now.nanos());
        let gone = now_ns.rem_euclid(interval_ns as i128) as u128;
        Duration::from_nanos(((point + interval_ns - gone) % interval_ns) as u64)
    }
}

/// Puts a parameter into the query, in place of those of the same name: exporters take the first.
fn ask(url: &mut Url, name: &str, value: &str) {
    if url.query_pairs().any(|(other, _)| other == name) {
        let others = url.query_pairs().filter(|(other, _)| other != name);
        let others: Vec<(String, String)> =
            others.map(|(name, value)| (name.into(), value.into())).collect();
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    url.query_pairs_mut().append_pair(name, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load};

    fn job(more: &str) -> config::Scrape {
        let text = format!(
            "[[scrape]]\njob = \"node\"\ntargets = [\"a:1\"]\n{more}\n{}",
            "[receiver]\nurl = \"http://r/\"\napi_key = \"k\"\n"
        );
        load("test", &text, &Environment::default()).unwrap().config.scrapes.remove(0)
    }

    fn labels(job: &config::Scrape, address: &str, own: &[(&str, &str)]) -> String {
        let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let target = Target::new(job, address, &own.collect()).unwrap();
        let labels: Vec<_> =
            target.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {}", target.url, labels.join(","))
    }

    #[test]
    fn labels_come_from_the_file_then_the_job_then_the_address() {
        let plain = job("");
        let full =
            job("scheme = \"https\"\npath = \"/m\"\nlabels = { env = \"prod\", zone = \"a\" }");
        for (job, address, own, expected) in [
            (&plain, "h:9100", &[][..], "http://h:9100/metrics instance=h:9100,job=node"),
            (&plain, "h", &[], "http://h/metrics instance=h:80,job=node"),
            (
                &plain,
                "H.Example:9100",
                &[],
                "http://h.example:9100/metrics instance=H.Example:9100,job=node",
            ),
            (
                &full,
                "h:9100",
                &[("__param_module", "a b"), ("__param_x", "1")],
                "https://h:9100/m?module=a+b&x=1 env=prod,instance=h:9100,job=node,zone=a",
            ),
            (
                &plain,
                "http://h:1/probe?module=old&t=1",
                &[("__param_module", "new")],
                "http://h:1/probe?t=1&module=new instance=h:1,job=node",
            ),
            (&plain, "https://h/x?y=z", &[], "https://h/x?y=z instance=h:443,job=node"),
            (&plain, "[::1]:9", &[], "http://[::1]:9/metrics instance=[::1]:9,job=node"),
            (
                &full,
                "h:9100",
                &[("zone", "b")],
                "https://h:9100/m env=prod,instance=h:9100,job=node,zone=b",
            ),
            (
                &full,
                "h:9100",
                &[("instance", "one"), ("job", "other"), ("env", "")],
                "https://h:9100/m instance=one,job=other,zone=a",
            ),
            (
                &full,
                "h:9100",
                &[("__meta_x", "y"), ("__metrics_path__", "/n"), ("__scheme__", "http")],
                "http://h:9100/n env=prod,instance=h:9100,job=node,zone=a",
            ),
        ] {
            assert_eq!(labels(job, address, own), expected);
        }
    }

    #[test]
    fn what_a_file_cannot_ask_for_is_refused_in_words() {
        let many: Vec<_> = (0..63).map(|nth| (format!("l{nth}"), "x".to_owned())).collect();
        let long: Vec<_> = (0..3).map(|nth| (format!("l{nth}"), "x".repeat(4_000))).collect();
        let one = |name: &str| vec![(name.to_owned(), "1s".to_owned())];
        for (own, said) in [
            (one("__scrape_interval__"), "`interval` is for a whole job"),
            (one("__scrape_timeout__"), "`timeout` is for a whole job"),
            (one("__scheme__"), "__scheme__ must be http or https"),
            (one("__metrics_path__"), "must begin with /"),
            (many.clone(), "a target has 65 labels of"),
            (long, "a target has 5 labels of 12"),
        ] {
            let refused = Target::new(&job(""), "h:1", &own.into_iter().collect()).unwrap_err();
            assert!(refused.contains(said), "{refused}");
        }
        let just = many.into_iter().skip(1).collect();
        assert_eq!(Target::new(&job(""), "h:1", &just).unwrap().labels.len(), 64);
    }

    #[test]
    fn targets_are_spread_over_the_interval_and_keep_their_points() {
        let job = job("");
        let interval = Duration::from_secs(15);
        let mut points = Vec::new();
        for port in 1..=300 {
            let target = Target::new(&job, &format!("h:{port}"), &BTreeMap::new()).unwrap();
            let at = |seconds, nanos| target.wait(Timestamp::from_unix(seconds, nanos), interval);
            let point = at(0, 0);
            assert!(point < interval);
            // A third of a second before its point, and right at it, in any other interval.
            let third = Duration::from_nanos(333_333_333);
            let before = (point + interval).saturating_sub(third).as_nanos() as u64;
            let wait =
                at(15_000 + (before / 1_000_000_000) as i64, (before % 1_000_000_000) as u32);
            assert_eq!(wait, third);
            let wait = at(1_500 + point.as_secs() as i64, point.subsec_nanos());
            assert_eq!(wait, Duration::ZERO);
            points.push(point);
        }
        for fifth in 0..5 {
            let within = |point: &&Duration| point.as_secs() / 3 == fifth;
            let count = points.iter().filter(within).count();
            assert!((30..=90).contains(&count), "{count} of 300 in one fifth");
        }
    }
}

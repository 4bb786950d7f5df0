//! Where deliveries go, with the api key inside and never shown (contract C6.1).

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::scrub::Scrub;
use crate::config::{Proxy, Receiver, ReceiverAuth, Secret, is_loopback};

/// The header of `receiver.auth = "header"`.
pub const KEY_HEADER: &str = "sts-api-key";

/// The query parameter of `receiver.auth = "query"`.
const KEY_PARAMETER: &str = "api_key";

/// Why a receiver's settings name no place to deliver to; the receiver's name belongs before it. No text holds the key or the query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not an absolute URL.
    #[error("`url` is not a URL: {0}; it looks like https://host/receiver/stsAgent/intake")]
    Url(String),
    /// Some other protocol.
    #[error("`url` begins with {0}:, expected http: or https:")]
    Scheme(String),
    /// The query already has a key.
    #[error("`url` carries {KEY_PARAMETER}=; move the key to `api_key`")]
    KeyInUrl,
    /// A key no header can carry.
    #[error("`api_key` holds control characters, which no header can carry")]
    Key,
}

/// The parsed `url` of a receiver, and its key.
#[derive(Clone)]
pub struct Target {
    /// Without the key.
    base: Url,
    auth: ReceiverAuth,
    url: Url,
    key_header: Option<HeaderValue>,
    shown: String,
    scrub: Scrub,
}

impl Target {
    /// Parses the settings; the URL may already have a query.
    pub fn parse(receiver: &Receiver) -> Result<Self, TargetError> {
        let url = Url::parse(&receiver.url).map_err(|error| TargetError::Url(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(TargetError::Scheme(url.scheme().to_owned()));
        }
        if url.query_pairs().any(|(name, _)| name == KEY_PARAMETER) {
            return Err(TargetError::KeyInUrl);
        }
        let shown = shown(&url);
        let scrub = Scrub::new(receiver.api_key.clone()).with_proxy(&receiver.proxy);
        let target =
            Self { base: url.clone(), auth: receiver.auth, url, key_header: None, shown, scrub };
        target.with_key(&receiver.api_key)
    }

    /// The same place with another key; text is still cleared of those before it.
    pub fn with_key(&self, key: &Secret) -> Result<Self, TargetError> {
        let scrub = self.scrub.with(key);
        let mut target = Self { url: self.base.clone(), key_header: None, scrub, ..self.clone() };
        match self.auth {
            ReceiverAuth::Query => {
                target.url.query_pairs_mut().append_pair(KEY_PARAMETER, key.reveal());
            }
            ReceiverAuth::Header => {
                let value = HeaderValue::from_str(key.reveal());
                let mut value = value.map_err(|_| TargetError::Key)?;
                value.set_sensitive(true);
                target.key_header = Some(value);
            }
        }
        Ok(target)
    }

    /// The same, whose text is cleared of what opens this proxy, too.
    #[must_use]
    pub fn with_proxy(&self, proxy: &Proxy) -> Self {
        Self { scrub: self.scrub.with_proxy(proxy), ..self.clone() }
    }

    /// The address with the key: for the wire only.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The key as a header, when it travels as one.
    pub fn key_header(&self) -> Option<&HeaderValue> {
        self.key_header.as_ref()
    }

    /// The address for people: no user, no query, no key.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Where a `Location` leads, in the same way: its query may be ours, key included, in whatever
    /// spelling. `None` when it leads nowhere.
    pub fn shown_from_here(&self, location: &str) -> Option<String> {
        self.base.join(location).ok().map(|url| shown(&url))
    }

    /// Takes this target's key, and what opens the proxy before it, out of text.
    pub fn scrub(&self) -> &Scrub {
        &self.scrub
    }

    /// Whether the receiver is on this machine, where no proxy can reach it for us.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Target").field(&self.shown).finish()
    }
}

fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forward::tests::receiver;

    fn parse(url: &str, auth: ReceiverAuth, key: &str) -> Result<Target, TargetError> {
        Target::parse(&Receiver { auth, ..receiver(url, key) })
    }

    #[test]
    fn the_key_is_encoded_into_any_query() {
        let cases = [
            ("http://h/i", "k", "http://h/i?api_key=k"),
            ("http://h:7077/i?", "k", "http://h:7077/i?api_key=k"),
            ("http://h/i?a=b%20c", "k", "http://h/i?a=b%20c&api_key=k"),
            (
                "https://h/i#top",
                "a&b=c/d+e%f#g",
                "https://h/i?api_key=a%26b%3Dc%2Fd%2Be%25f%23g#top",
            ),
            ("http://h", "\u{fc}", "http://h/?api_key=%C3%BC"),
        ];
        for (url, key, expected) in cases {
            let target = parse(url, ReceiverAuth::Query, key).unwrap();
            assert_eq!(target.url().as_str(), expected);
            let found = target.url().query_pairs().find(|(name, _)| name == KEY_PARAMETER);
            assert_eq!(found.unwrap().1, key, "reads back");
        }
    }

    #[test]
    fn nothing_shown_holds_the_key_the_user_or_the_query() {
        let url = "https://me:hunter3@h:8443/x/intake?token=hunter4";
        for auth in [ReceiverAuth::Query, ReceiverAuth::Header] {
            let target = parse(url, auth, "hunter2").unwrap();
            for text in [target.shown().to_owned(), format!("{target:?}")] {
                assert!(text.contains("https://h:8443/x/intake"), "{text}");
                assert!(!text.contains("hunter"), "{text}");
            }
            assert!(!format!("{:?}", target.key_header()).contains("hunter"));
        }
    }

    #[test]
    fn of_a_location_scheme_host_and_path_are_shown() {
        let target = parse("https://h:8443/x/intake?a=b", ReceiverAuth::Query, "k").unwrap();
        let cases = [
            ("http://me:pw@other/y?api_key=k#k", Some("http://other/y")),
            ("//me:pw@other/y?k", Some("https://other/y")),
            ("/y?api_key=%256B", Some("https://h:8443/y")),
            ("?api_key=k", Some("https://h:8443/x/intake")),
            ("http://[", None),
        ];
        for (location, expected) in cases {
            assert_eq!(target.shown_from_here(location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn another_key_takes_the_place_of_the_first() {
        let key = Secret::new("new/key".to_owned());
        let target = parse("http://h/i?a=b", ReceiverAuth::Query, "old").unwrap();
        let target = target.with_key(&key).unwrap();
        assert_eq!(target.url().as_str(), "http://h/i?a=b&api_key=new%2Fkey");
        let clean = target.scrub().clean("old new/key", super::super::scrub::Extent::Whole, 99);
        assert_eq!(clean, "*** ***");
        let target = parse("http://h/i", ReceiverAuth::Header, "old").unwrap();
        let target = target.with_key(&key).unwrap();
        assert_eq!(target.key_header().unwrap(), "new/key");
        assert_eq!(target.url().as_str(), "http://h/i");
        let error = target.with_key(&Secret::new("a\nb".to_owned())).unwrap_err();
        assert_eq!(error, TargetError::Key);
    }

    #[test]
    fn settings_that_name_no_place_are_refused_with_the_key_to_change() {
        let cases = [
            ("stackstate:7077/x", ReceiverAuth::Query, "k", "begins with stackstate:"),
            ("/intake", ReceiverAuth::Query, "k", "is not a URL"),
            ("ftp://h/", ReceiverAuth::Query, "k", "begins with ftp:"),
            ("http://h/?api_key=hunter2", ReceiverAuth::Query, "k", "move the key"),
            ("http://h/", ReceiverAuth::Header, "hunter2\n", "control characters"),
        ];
        for (url, auth, key, expected) in cases {
            let text = parse(url, auth, key).unwrap_err().to_string();
            assert!(
                text.contains(expected) && (text.contains("`url`") || text.contains("`api_key`")),
                "{text}"
            );
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn loopback_receivers_are_told_from_others() {
        let cases = [
            ("http://127.0.0.1:7077/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:7077/", true),
            ("http://localhost/", true),
            ("http://localhost.example/", false),
            ("http://10.0.0.1/", false),
        ];
        for (url, expected) in cases {
            let target = parse(url, ReceiverAuth::Query, "k").unwrap();
            assert_eq!(target.is_loopback(), expected, "{url}");
        }
    }
}

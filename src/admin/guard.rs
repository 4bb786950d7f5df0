//! Who may not be answered although the socket is open to them: pages in a browser of this machine.
//!
//! The port asks for no token because only this machine reaches it, and a browser there runs the scripts of
//! strangers. Two ways lead such a script here. Its own name may turn to resolve to this address (DNS
//! rebinding): then its requests are no longer cross-site, and the `Host` they carry is the one thing that
//! tells them apart. Or it sends a request without seeing the answer: that matters where one changes
//! something, or takes one of the few places of those who listen, and browsers say where such a request comes
//! from. Whoever follows a link from elsewhere gets the page at `/`, and nothing else.

use std::net::IpAddr;

use hyper::header::{
    HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, REFERER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde_json::json;

use super::route::{Answer, TEXT, respond};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What a `Host` in a refusal is cut to.
const SHOWN_CHARS_MAX: usize = 64;

/// See the module.
#[derive(Debug)]
pub(super) struct Guard {
    /// Of hosts that are no addresses and not `localhost`, in lower case.
    allowed: Vec<String>,
    /// Elsewhere than on this machine everybody has the name that leads there, and no list of names.
    asks_for_host: bool,
}

impl Guard {
    /// For a port that listens at this address; `allowed` is `admin.allowed_hosts`.
    pub(super) fn new(listens: IpAddr, allowed: Vec<String>) -> Self {
        Self { asks_for_host: listens.is_loopback() || !allowed.is_empty(), allowed }
    }

    /// Why a request is not answered; `None` when it is.
    pub(super) fn refusal(&self, head: &Parts) -> Option<Answer> {
        if self.asks_for_host
            && let Some(stranger) = hosts(head).find(|host| !self.is_known(host))
        {
            let shown: String = stranger.chars().take(SHOWN_CHARS_MAX).collect();
            let text = format!(
                "this port does not answer to the host {shown:?}: ask it by its IP address or as localhost, or \
                 list the host in `admin.allowed_hosts`"
            );
            return Some(respond(StatusCode::MISDIRECTED_REQUEST, TEXT, text));
        }
        if is_to_change(&head.method) && is_from_a_page(&head.headers) {
            let why = "this was sent by a web page, and web pages must not change anything here: use the \
                 command of `tidegate`, or send it without Origin";
            let told = json!({ "error": why }).to_string();
            return Some(respond(StatusCode::FORBIDDEN, "application/json", told));
        }
        if is_from_another_site(&head.headers) && !is_visit(head) {
            let text = "this was asked for by a page of another site, which gets nothing here: ask by the \
                 address bar or with a command";
            return Some(respond(StatusCode::FORBIDDEN, TEXT, text));
        }
        None
    }

    fn is_known(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        bare.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || self.allowed.iter().any(|known| known == name)
    }
}

/// What every answer says to a browser: it is what its type says, and nothing for pages of others.
pub(super) fn mark(answer: &mut Answer) {
    let headers = answer.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
}

/// Every name that the request has for this port. None is fine: it is no browser's.
fn hosts(head: &Parts) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let target = head.uri.authority().map(|authority| authority.as_str().into());
    let named = head.headers.get_all(HOST).into_iter();
    target.into_iter().chain(named.map(|host| String::from_utf8_lossy(host.as_bytes())))
}

/// `name`, `name:port`, `[address]` or `[address]:port`, without the port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn is_to_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Browsers set these three and scripts cannot, though they may leave out the second; `none` is what somebody types
/// into the address bar.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let site = fetched(headers, "sec-fetch-site");
    headers.contains_key(ORIGIN)
        || headers.contains_key(REFERER)
        || site.is_some_and(|site| site != b"none")
}

fn is_from_another_site(headers: &HeaderMap) -> bool {
    matches!(fetched(headers, "sec-fetch-site"), Some(b"cross-site" | b"same-site"))
}

/// Somebody follows a link to the page, which no other page can hold in a frame.
fn is_visit(head: &Parts) -> bool {
    head.uri.path() == "/" && fetched(&head.headers, "sec-fetch-mode") == Some(b"navigate")
}

fn fetched<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    headers.get(name).map(HeaderValue::as_bytes)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hyper::Request;

    use super::*;

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(guard: &Guard, head: &Parts) -> Option<u16> {
        Some(guard.refusal(head)?.status().as_u16())
    }

    #[test]
    fn on_this_machine_only_addresses_localhost_and_the_listed_are_hosts() {
        let guard = Guard::new(Ipv4Addr::LOCALHOST.into(), vec!["tide.internal".to_owned()]);
        for host in [
            "127.0.0.1",
            "127.0.0.1:8081",
            "[::1]",
            "[::1]:8081",
            "::1",
            "10.0.0.7:1",
            "localhost",
            "LocalHost:8081",
            "localhost.",
            "tide.internal",
            "TIDE.internal.:8081",
        ] {
            assert_eq!(status(&guard, &head("GET", "/status", &[("host", host)])), None, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8081",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "a.tide.internal",
            "tide.internal:8081:1",
            "127.0.0.1:x",
            "user@127.0.0.1",
            "[evil]",
            "2130706433x",
        ] {
            let refused = head("GET", "/status", &[("host", host)]);
            assert_eq!(status(&guard, &refused), Some(421), "{host}");
        }
        // No browser leaves it out; a probe may.
        assert_eq!(status(&guard, &head("GET", "/livez", &[])), None);
        let two = [("host", "127.0.0.1"), ("host", "evil.example")];
        assert_eq!(status(&guard, &head("GET", "/livez", &two)), Some(421));
        let absolute = head("GET", "http://evil.example/livez", &[("host", "127.0.0.1")]);
        assert_eq!(status(&guard, &absolute), Some(421));
    }

    #[test]
    fn elsewhere_names_count_only_once_some_are_listed() {
        let stranger = head("GET", "/status", &[("host", "tidegate.monitoring.svc:8081")]);
        let everywhere = Ipv4Addr::UNSPECIFIED.into();
        assert_eq!(status(&Guard::new(everywhere, Vec::new()), &stranger), None);
        let listed = Guard::new(everywhere, vec!["other".to_owned()]);
        assert_eq!(status(&listed, &stranger), Some(421));
    }

    #[test]
    fn a_web_page_changes_nothing_and_one_of_another_site_sees_nothing() {
        let guard = Guard::new(Ipv4Addr::LOCALHOST.into(), Vec::new());
        for (name, value, wanted) in [
            ("origin", "http://127.0.0.1:8081", Some(403)),
            ("origin", "null", Some(403)),
            ("referer", "http://evil.example/", Some(403)),
            ("sec-fetch-site", "cross-site", Some(403)),
            ("sec-fetch-site", "same-site", Some(403)),
            ("sec-fetch-site", "same-origin", Some(403)),
            ("sec-fetch-site", "none", None),
            ("accept", "*/*", None),
        ] {
            let headers = [("host", "localhost"), (name, value)];
            for path in ["/dead-letters/replay", "/-/reload"] {
                assert_eq!(
                    status(&guard, &head("POST", path, &headers)),
                    wanted,
                    "{name}: {value}"
                );
            }
            let wanted = value.ends_with("-site").then_some(403);
            for path in ["/events", "/tap", "/status", "/"] {
                assert_eq!(status(&guard, &head("GET", path, &headers)), wanted, "{value} {path}");
            }
        }
        for (path, mode, wanted) in [
            ("/", "navigate", None),
            ("/", "no-cors", Some(403)),
            ("/events", "navigate", Some(403)),
            ("/tap", "navigate", Some(403)),
        ] {
            let headers =
                [("host", "localhost"), ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
            assert_eq!(status(&guard, &head("GET", path, &headers)), wanted, "{path} {mode}");
        }
    }
}

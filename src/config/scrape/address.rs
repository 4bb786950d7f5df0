//! Addresses of targets: `host:port`, or a whole address.

use reqwest::Url;

use super::super::secret::MASK;
use super::Scheme;

/// Longest address that is taken, bytes.
const ADDRESS_BYTES_MAX: usize = 2_048;

/// The address of a target whose parts that are not written come from its job.
///
/// # Errors
///
/// What it must be. The text is not repeated: a whole address may hold a password.
pub(crate) fn address(target: &str, scheme: Scheme, path: &str) -> Result<Url, String> {
    let expected = || {
        "a target like \"127.0.0.1:9100\", or a whole address like \"https://host:9100/metrics\""
            .to_owned()
    };
    if target.len() > ADDRESS_BYTES_MAX || target.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(expected());
    }
    let url = if target.contains("://") {
        Url::parse(target)
    } else if target.is_empty() || target.contains(['/', '?', '#', '@', '\\']) {
        return Err(expected());
    } else {
        Url::parse(&format!("{}://{target}{path}", scheme.as_str()))
    };
    let url = url.map_err(|_| expected())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(expected());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address without user name and password: put them into `headers`".to_owned());
    }
    if url.fragment().is_some() {
        return Err("an address without a fragment (`#`)".to_owned());
    }
    if is_masked(url.as_str()) {
        return Err(put_back("an address"));
    }
    Ok(url)
}

/// `host:port` as it was written, the port always there: what a target is called.
pub(crate) fn instance(target: &str, url: &Url) -> String {
    let rest =
        target.split_once("://").map_or(target, |(_, rest)| rest.trim_start_matches(['/', '\\']));
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = authority.rfind(']').map_or(0, |end| end + 1);
    match authority.split_at(host).1.split_once(':') {
        Some((_, port)) if !port.is_empty() => authority.to_owned(),
        _ => {
            let port = url.port_or_known_default().unwrap_or_default();
            format!("{}:{port}", authority.trim_end_matches(':'))
        }
    }
}

/// `path`
pub(super) fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/')
        && !text.contains('#')
        && text.len() <= ADDRESS_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_path {
        return Err("a path that begins with /, without spaces".to_owned());
    }
    if is_masked(text) { Err(put_back("a path")) } else { Ok(text.to_owned()) }
}

/// A path or an address for people: values of a query do not show, as there are exporters that take a token
/// or a key there.
pub(super) fn shown(text: &str) -> String {
    let Some((before, query)) = text.split_once('?') else { return text.to_owned() };
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((key, value)) if !value.is_empty() => format!("{key}={MASK}"),
        None if !part.is_empty() => MASK.to_owned(),
        _ => part.to_owned(),
    });
    format!("{before}?{}", parts.collect::<Vec<_>>().join("&"))
}

/// Whether it is what [`shown`] makes of one.
fn is_masked(text: &str) -> bool {
    let query = text.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|part| part.split_once('=').map_or(part, |(_, value)| value) == MASK)
}

fn put_back(what: &str) -> String {
    format!(
        "{what} without \"{MASK}\" in its query, which check-config prints in place of the values: put \
         them back"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_does_not_say_comes_from_its_job() {
        for (target, expected) in [
            ("host:9100", Some("https://host:9100/m?a=b")),
            ("host", Some("https://host/m?a=b")),
            ("[::1]:9100", Some("https://[::1]:9100/m?a=b")),
            ("http://host:1/x", Some("http://host:1/x")),
            ("http://host:1", Some("http://host:1/")),
            ("", None),
            ("host:9100/x", None),
            ("host:port", None),
            ("two words", None),
            ("user:password@host", None),
            ("http://user:password@host", None),
            ("ftp://host", None),
            ("http://host/#part", None),
        ] {
            let got = address(target, Scheme::Https, "/m?a=b");
            assert_eq!(got.as_ref().ok().map(Url::as_str), expected, "{target}");
            assert!(!got.is_err_and(|text| text.contains("password@")), "{target}");
        }
    }

    #[test]
    fn values_of_a_query_do_not_show_and_what_shows_is_taken_for_no_value() {
        for (text, wanted) in [
            ("/metrics", "/metrics"),
            ("/m?api_token=s3cret&module=x", "/m?api_token=***&module=***"),
            ("http://h/m?s3cret", "http://h/m?***"),
            ("http://h/m?k=s3cret?s3cret=s3cret&a=&", "http://h/m?k=***&a=&"),
            ("h:9100", "h:9100"),
        ] {
            assert_eq!(shown(text), wanted);
            let refused = if text.starts_with('/') {
                path(&shown(text)).err()
            } else {
                address(&shown(text), Scheme::Http, "/m").err()
            };
            assert_eq!(refused.is_some(), wanted.contains(MASK), "{wanted}: {refused:?}");
        }
    }

    #[test]
    fn an_instance_is_what_was_written() {
        for (target, expected) in [
            ("Host:9100", "Host:9100"),
            ("127.1:80", "127.1:80"),
            ("h", "h:80"),
            ("[::1]", "[::1]:80"),
            ("[::1]:9", "[::1]:9"),
            ("https://Host/x:1?y=//z:2", "Host:443"),
            ("https://h:443", "h:443"),
            ("http://h:?x", "h:80"),
            ("http://@h:1\\x", "h:1"),
            ("http:///h/x", "h:80"),
        ] {
            let url = address(target, Scheme::Http, "/m").unwrap();
            assert_eq!(instance(target, &url), expected, "{target}");
        }
    }
}

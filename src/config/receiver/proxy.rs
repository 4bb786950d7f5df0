//! `proxy` of a receiver: through whom deliveries go.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::config::secret::{MASK, Secret};
use crate::config::section::Section;
use crate::config::units::quoted;

/// Through whom deliveries go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// Whom `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` name, as curl does.
    #[default]
    Environment,
    /// Nobody.
    Off,
    /// This one.
    Through {
        /// `http://proxy:3128/`, without user and password.
        url: String,
        /// `user`, `password`
        credentials: Option<(String, Secret)>,
    },
}

/// What turns it off.
const OFF: &str = "off";

impl Proxy {
    /// A fault never repeats the text: it may hold a password.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let Some((scalar, place)) = section.scalar("proxy") else { return Self::Environment };
        let text = scalar.text().ok_or_else(|| "a string in quotes".to_owned());
        match text.and_then(parse) {
            Ok(proxy) => {
                section.show("proxy", quoted(&proxy.shown()), place);
                proxy
            }
            Err(expected) => {
                let text = format!("`{}` must be {expected}", section.name("proxy"));
                section.fault_at(place, text);
                Self::Environment
            }
        }
    }

    /// For people.
    fn shown(&self) -> String {
        match self {
            Self::Environment => String::new(),
            Self::Off => OFF.to_owned(),
            Self::Through { url, credentials: None } => url.clone(),
            Self::Through { url, credentials: Some(_) } => {
                url.replacen("://", &format!("://{MASK}@"), 1)
            }
        }
    }
}

fn parse(text: &str) -> Result<Proxy, String> {
    if text.trim() == OFF {
        return Ok(Proxy::Off);
    }
    let expected = || {
        "the address of an HTTP proxy, like \"http://proxy.example.com:3128\", or \"off\""
            .to_owned()
    };
    let mut url = Url::parse(text).map_err(|_| expected())?;
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !is_bare {
        return Err(expected());
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
    let parts = (decode(url.username()), decode(url.password().unwrap_or_default()));
    let (Ok(user), Ok(password)) = parts else {
        return Err("an address whose user name and password are UTF-8".to_owned());
    };
    if user == MASK || password == MASK {
        return Err(format!(
            "an address without \"{MASK}\", which check-config prints in place of user name and password"
        ));
    }
    // It travels as `user:password`, which is taken apart at the first colon.
    if user.contains(':') {
        return Err("an address whose user name has no colon".to_owned());
    }
    let has_any = !user.is_empty() || !password.is_empty();
    let credentials = has_any.then(|| (user, Secret::new(password)));
    let bare = url.set_username("").and_then(|()| url.set_password(None));
    bare.map_err(|()| expected())?;
    Ok(Proxy::Through { url: url.into(), credentials })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_address_whose_credentials_do_not_show() {
        for (text, url, user) in [
            ("http://proxy:3128", "http://proxy:3128/", None),
            ("https://proxy", "https://proxy/", None),
            ("http://me:s%40cret@proxy:3128/", "http://proxy:3128/", Some(("me", "s@cret"))),
            ("http://me@[::1]:1", "http://[::1]:1/", Some(("me", ""))),
        ] {
            let proxy = parse(text).unwrap();
            let shown = format!("{proxy:?} {}", proxy.shown());
            assert!(!shown.contains("s@cret") && !shown.contains("s%40cret"), "{shown}");
            let Proxy::Through { url: found, credentials } = proxy else { panic!("{text}") };
            let credentials = credentials.as_ref();
            let credentials = credentials.map(|(user, word)| (user.as_str(), word.reveal()));
            assert_eq!((found.as_str(), credentials), (url, user), "{text}");
        }
        assert_eq!(parse("off"), Ok(Proxy::Off));
        assert_eq!(parse("http://me:pw@proxy:1").unwrap().shown(), "http://***@proxy:1/");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_text() {
        for text in [
            "",
            "proxy:3128",
            "socks5://hunter2@proxy",
            "http://",
            "http://proxy/hunter2",
            "http://proxy/?hunter2",
            "http://***@proxy",
            "http://a%3Ahunter2@proxy",
            "http://%ff:hunter2@proxy",
        ] {
            let said = parse(text).unwrap_err();
            assert!(!said.contains("hunter2"), "{text}: {said}");
        }
    }
}

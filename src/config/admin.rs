//! `[admin]`: where the gateway tells about itself (contract C9).

use std::net::SocketAddr;

use super::address;
use super::section::Section;
use super::tls::ServerTls;

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where the status page `/` with `/status` and `/events`, `/metrics`, `/livez`, `/readyz`, `/receivers`, `/tap`
    /// and `/logs` are served, dead letters replayed and the configuration read again: an IP address and port, port
    /// 0 takes a free one; `"off"` turns it off. Default `127.0.0.1:8081`. It asks for no token, and shows metrics
    /// as they are sent, `/status` those that were rejected: `0.0.0.0:8081` only where a network policy says who
    /// may reach it.
    pub listen: Option<SocketAddr>,
    /// `cert_file`, `key_file`, `client_ca_file`, `client_auth`, as in `[tls]`, for this port. Default: none,
    /// it speaks HTTP in clear. Commands that ask a running gateway trust the certificate of this
    /// `cert_file` and no other, whatever its names.
    pub tls: Option<ServerTls>,
    /// Names by which a port on this machine's loopback may be asked besides IP addresses and `localhost`, without
    /// port, in lower case; others are answered 421, because a web page can give its own name this address. A
    /// port that other machines reach answers to every name as long as none is listed. Default: none.
    pub allowed_hosts: Vec<String>,
}

/// What a name in the DNS may have.
const HOST_BYTES_MAX: usize = 253;

/// What turns the port off.
const OFF: &str = "off";

impl Admin {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let default = Some(SocketAddr::from(([127, 0, 0, 1], 8081)));
        let show = |listen: &Option<SocketAddr>| {
            listen.map_or_else(|| OFF.to_owned(), |address| address.to_string())
        };
        let admin = Self {
            listen: section.parsed("listen", default, show, listen),
            tls: ServerTls::read(&mut section),
            allowed_hosts: section.list("allowed_hosts", Vec::new(), String::clone, host),
        };
        section.finish();
        admin
    }
}

fn listen(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.trim() == OFF {
        return Ok(None);
    }
    let expected = "an IP address with a port, like \"127.0.0.1:8081\", or \"off\"";
    address(text).map(Some).map_err(|_| expected.to_owned())
}

fn host(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if name.is_empty() || name.len() > HOST_BYTES_MAX || !name.bytes().all(fits) {
        return Err("a host name without scheme and port, like \"tidegate.internal\"".to_owned());
    }
    Ok(name.to_owned())
}

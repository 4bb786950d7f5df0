//! Which address a request counts against (contract C1.11).

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderName;
use ipnet::IpNet;

/// How far the header that proxies write is believed.
#[derive(Debug)]
pub(super) struct Forwarding {
    trusted: Vec<IpNet>,
    header: HeaderName,
}

impl Forwarding {
    /// `header` in lower case; believed only from peers inside `trusted`.
    pub(super) fn new(trusted: &[IpNet], header: &str) -> Self {
        let header = HeaderName::from_bytes(header.as_bytes());
        Self {
            trusted: trusted.to_vec(),
            header: header.unwrap_or(HeaderName::from_static("x-forwarded-for")),
        }
    }

    /// The right-most address that is not a trusted proxy's: whatever stands left of it, the client
    /// may have written itself. At an entry that is no address the walk ends, and the last trusted
    /// address counts: that proxy let the entry in. The header may occur several times, which means
    /// the same as one header with all values in that order.
    pub(super) fn client_ip(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        let values = headers.get_all(&self.header).iter().rev();
        let entries = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            let Some(address) = parse(entry) else { break };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// An address as proxies write it: bare, with a port, in brackets, in brackets with a port, quoted.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, values: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let forwarding = Forwarding::new(&trusted, "x-forwarded-for");
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let client = forwarding.client_ip(peer.parse().unwrap(), &headers);
        assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {values:?}");
    }

    #[test]
    fn an_untrusted_peer_is_the_client_whatever_it_says() {
        check("198.51.100.7", &["203.0.113.1"], "198.51.100.7");
        check("198.51.100.7", &[], "198.51.100.7");
        check("::ffff:198.51.100.7", &["10.0.0.1"], "198.51.100.7");
    }

    #[test]
    fn behind_trusted_proxies_the_right_most_untrusted_address_counts() {
        check("10.0.0.1", &["203.0.113.1"], "203.0.113.1");
        check("10.0.0.1", &["1.1.1.1, 203.0.113.1"], "203.0.113.1");
        check("10.0.0.1", &["1.1.1.1, 203.0.113.1, 10.9.9.9"], "203.0.113.1");
        check("10.0.0.1", &["1.1.1.1", "203.0.113.1", "10.9.9.9,10.8.8.8"], "203.0.113.1");
        check("::ffff:10.0.0.1", &["203.0.113.1"], "203.0.113.1");
        check("fd00::1", &["2001:db8::5"], "2001:db8::5");
    }

    #[test]
    fn the_configured_header_is_the_only_one_read() {
        let forwarding = Forwarding::new(&["10.0.0.0/8".parse().unwrap()], "x-real-ip");
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "203.0.113.1".parse().unwrap());
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(forwarding.client_ip(peer, &headers), peer);
        headers.insert("x-real-ip", "203.0.113.2".parse().unwrap());
        assert_eq!(forwarding.client_ip(peer, &headers).to_string(), "203.0.113.2");
    }

    #[test]
    fn only_trusted_addresses_leave_the_farthest_of_them() {
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check("10.0.0.1", &[], "10.0.0.1");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        check("10.0.0.1", &["203.0.113.1:5555"], "203.0.113.1");
        check("10.0.0.1", &["[2001:db8::5]:443"], "2001:db8::5");
        check("10.0.0.1", &["[2001:db8::5]"], "2001:db8::5");
        check("10.0.0.1", &["\"[2001:db8::5]:443\""], "2001:db8::5");
        check("10.0.0.1", &["::ffff:203.0.113.1"], "203.0.113.1");
    }

    #[test]
    fn at_garbage_the_last_trusted_address_counts() {
        check("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.1, unknown, 10.0.0.2"], "10.0.0.2");
        check("10.0.0.1", &["203.0.113.1,"], "10.0.0.1");
        check("10.0.0.1", &[""], "10.0.0.1");
        check("10.0.0.1", &["203.0.113.1:99999"], "10.0.0.1");
    }
}

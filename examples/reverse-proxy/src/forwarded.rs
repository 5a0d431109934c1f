//! Who sent a request, told to the origin: `Forwarded` (RFC 7239), and the `X-Forwarded-*` fields that came before it.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HOST, HeaderName, HeaderValue, VARY};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// The client at the other end of a connection, as the origin is told.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    address: HeaderValue,
    /// The element of `Forwarded`, as far as it is the same for all its requests.
    node: String,
}

impl Peer {
    pub(crate) fn new(address: IpAddr) -> Self {
        // An IPv4 client of a listener for both is an IPv4 client.
        let address = address.to_canonical();
        let node = match address {
            IpAddr::V4(address) => format!("for={address};proto=http"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";proto=http"),
        };
        let address = HeaderValue::try_from(address.to_string());
        Self {
            address: address.expect("an address is digits, letters, dots and colons"),
            node,
        }
    }

    pub(crate) fn address(&self) -> &HeaderValue {
        &self.address
    }

    /// Replaces what the client claims in `Forwarded` and the `X-Forwarded-*` family by what is known: its address. A claim
    /// that is left could swallow what is said behind it: a quote that never closes does.
    ///
    /// This is done before the cache makes a key, for two reasons. What a client claims would split the cache, as the
    /// layer keys it. And an origin whose answers depend on the address says `Vary: X-Forwarded-For`, to which the
    /// cache can only hold if it sees the field.
    pub(crate) fn introduce(&self, fields: &mut HeaderMap) {
        let claims: Vec<_> = fields
            .keys()
            .filter(|name| is_claim(name))
            .cloned()
            .collect();
        for name in claims {
            fields.remove(name);
        }
        fields.insert(X_FORWARDED_FOR, self.address.clone());
    }

    /// Tells the origin the rest. None of it needs to be seen by the cache: the host is in the key anyway.
    pub(crate) fn describe(&self, fields: &mut HeaderMap) {
        let host = fields.get(HOST).cloned();
        let element = match &host {
            Some(host) => format!("{};host={}", self.node, quoted(host)),
            None => self.node.clone(),
        };
        if let Ok(element) = HeaderValue::try_from(element) {
            fields.append(FORWARDED, element);
        }
        if let Some(host) = host {
            fields.insert(X_FORWARDED_HOST, host);
        }
        fields.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
}

fn is_claim(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || *name == X_REAL_IP || *name == FORWARDED
}

/// Names `X-Forwarded-For` in the `Vary` of an answer that depends on `Forwarded`.
///
/// The cache never sees the `Forwarded` that the origin saw, and would give the answer to everybody; the one part of it
/// that is not in the key is the address, which is in the other field, too.
pub(crate) fn translate_vary(fields: &mut HeaderMap) {
    let is_named = |line: &HeaderValue| {
        let mut names = line.as_bytes().split(|byte| *byte == b',');
        names.any(|name| name.trim_ascii().eq_ignore_ascii_case(b"forwarded"))
    };
    if fields.get_all(VARY).into_iter().any(is_named) {
        fields.append(VARY, HeaderValue::from_static("X-Forwarded-For"));
    }
}

/// A host may have a port, whose colon no token has. `target` lets no quotes through.
fn quoted(host: &HeaderValue) -> String {
    format!("\"{}\"", host.to_str().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_is_bracketed_and_quoted() {
        let peer = Peer::new("2001:db8::1".parse().expect("an address"));
        let mut fields = HeaderMap::new();
        peer.introduce(&mut fields);
        peer.describe(&mut fields);
        assert_eq!(fields[FORWARDED], "for=\"[2001:db8::1]\";proto=http");
        assert_eq!(fields[X_FORWARDED_FOR], "2001:db8::1");
    }

    #[test]
    fn an_ipv4_client_of_a_socket_for_both_is_one() {
        let peer = Peer::new("::ffff:192.0.2.7".parse().expect("an address"));
        assert_eq!(peer.node, "for=192.0.2.7;proto=http");
    }
}

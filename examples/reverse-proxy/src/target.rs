//! Whom a request is for: its target and its `Host`, brought to one form (RFC 9112 section 3.2, RFC 9113 section 8.3.1).

use http::header::{HOST, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version};

use crate::problem::Refusal;

/// Leaves a path as the target and the authority in `Host`, however the client said them, so that the cache has one key
/// for it and the origin sees what the key was made of.
pub(crate) fn normalise<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(Refusal::Connect);
    }
    let target = request.uri();
    if target.path() == "*" && request.method() != Method::OPTIONS {
        return Err(Refusal::Target);
    }
    match (target.scheme(), target.authority()) {
        (None, None) => certain_host(request),
        (Some(scheme), Some(_)) if *scheme != Scheme::HTTP => Err(Refusal::Scheme),
        (Some(_), Some(authority)) => {
            let host = HeaderValue::from_str(authority.as_str());
            let host = host.ok().filter(is_host).ok_or(Refusal::Host)?;
            adopt(request, host)
        }
        // `GET example.com:80`: only CONNECT has an authority for its target.
        _ => Err(Refusal::Target),
    }
}

/// A path for a target, so that `Host` alone says whom it is for.
fn certain_host<B>(request: &Request<B>) -> Result<(), Refusal> {
    let mut hosts = request.headers().get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        // HTTP/1.0 knew no Host.
        (None, None) if request.version() <= Version::HTTP_10 => Ok(()),
        _ => Err(Refusal::Host),
    }
}

/// A URI for a target: its authority wins over `Host`, which HTTP/1.1 says once all the same. Where HTTP/2 sends both,
/// they have to agree.
fn adopt<B>(request: &mut Request<B>, host: HeaderValue) -> Result<(), Refusal> {
    let agrees = |other: &HeaderValue| other.as_bytes().eq_ignore_ascii_case(host.as_bytes());
    let mut others = request.headers().get_all(HOST).into_iter();
    let is_certain = match request.version() {
        Version::HTTP_2 => others.all(agrees),
        Version::HTTP_11 => others.next().is_some_and(is_host) && others.next().is_none(),
        _ => true,
    };
    if !is_certain {
        return Err(Refusal::Host);
    }
    request.headers_mut().insert(HOST, host);
    let path = request.uri().path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    Ok(())
}

/// A name or an address, and perhaps a port (RFC 3986 section 3.2.2). A user's name is none.
fn is_host(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let end = match bytes {
        [b'[', rest @ ..] => rest
            .iter()
            .position(|byte| *byte == b']')
            .map(|end| end + 2),
        _ => Some(
            bytes
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(bytes.len()),
        ),
    };
    let Some((name, port)) = end.and_then(|end| bytes.split_at_checked(end)) else {
        return false;
    };
    let is_name = match name {
        [b'[', inner @ .., b']'] => {
            let of_an_address = |byte: &u8| byte.is_ascii_hexdigit() || b":.".contains(byte);
            !inner.is_empty() && inner.iter().all(of_an_address)
        }
        name => !name.is_empty() && name.iter().all(is_of_a_name),
    };
    is_name && is_port(port)
}

/// Nothing, or a colon and a number, which may be missing.
fn is_port(port: &[u8]) -> bool {
    match port {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            let number = std::str::from_utf8(digits).ok();
            digits.iter().all(u8::is_ascii_digit)
                && number.is_some_and(|number| number.parse::<u16>().is_ok())
        }
        _ => false,
    }
}

/// Written out, because every request's host is looked at, and a search in a string is a call for each byte.
fn is_of_a_name(byte: &u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\''
            | b'(' | b')' | b'*' | b'+' | b';' | b'='
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str, version: Version, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).expect("a request")
    }

    fn normal(target: &str, version: Version, hosts: &[&str]) -> Option<(String, String)> {
        let mut request = request("GET", target, version, hosts);
        normalise(&mut request).ok()?;
        let host = request.headers()[HOST].to_str().expect("ASCII").to_owned();
        Some((request.uri().to_string(), host))
    }

    fn is(path: &str, host: &str) -> Option<(String, String)> {
        Some((path.to_owned(), host.to_owned()))
    }

    #[test]
    fn the_authority_of_the_target_wins() {
        let old = Version::HTTP_11;
        assert_eq!(normal("http://a:1/b?c", old, &["d"]), is("/b?c", "a:1"));
        assert_eq!(normal("http://a", old, &["b"]), is("/", "a"));
        assert_eq!(
            normal("http://[::1]:8/", old, &["[::1]"]),
            is("/", "[::1]:8")
        );
        assert_eq!(normal("http://A/b", Version::HTTP_2, &[]), is("/b", "A"));
        assert_eq!(normal("http://a/b", Version::HTTP_2, &["A"]), is("/b", "a"));
    }

    #[test]
    fn odd_characters_stay() {
        let path = "//a/../%2f;b=\"c\"|{d}?e=%00&&'f";
        assert_eq!(normal(path, Version::HTTP_11, &["a"]), is(path, "a"));
    }

    #[test]
    fn whoever_is_not_certain_is_refused() {
        let old = Version::HTTP_11;
        assert_eq!(normal("/", old, &[]), None);
        assert_eq!(normal("/", old, &[""]), None);
        assert_eq!(normal("/", old, &["a", "a"]), None);
        assert_eq!(normal("/", old, &["a/b"]), None);
        assert_eq!(normal("/", old, &["a\", b"]), None);
        assert_eq!(normal("http://me@a/", old, &[]), None);
        assert_eq!(normal("https://a/", old, &["a"]), None);
        assert_eq!(normal("ftp://a/", old, &["a"]), None);
        assert_eq!(normal("a:80", old, &["a"]), None);
        assert_eq!(normal("*", old, &["a"]), None);
        assert_eq!(normal("http://a/", old, &[]), None);
        assert_eq!(normal("http://a/", old, &["b", "c"]), None);
        for host in [
            ":80", "a:99999", "a:b:c", "]:[", "[::1", "[]", "[g]", "a:8x",
        ] {
            assert_eq!(normal("/", old, &[host]), None, "{host}");
        }
        assert_eq!(normal("http://a/", Version::HTTP_2, &["b"]), None);
    }

    #[test]
    fn what_http_1_0_leaves_out_is_no_fault() {
        let mut bare = request("GET", "/", Version::HTTP_10, &[]);
        assert_eq!(normalise(&mut bare), Ok(()));
    }
}

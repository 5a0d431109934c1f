//! Fields that end at this hop (RFC 9110 section 7.6.1), and those that ask for or carry another protocol.

use http::header::{
    AGE, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, EXPIRES, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VARY,
    VIA,
};
use http::{Response, StatusCode};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_AUTHENTICATION_INFO: HeaderName = HeaderName::from_static("proxy-authentication-info");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What `Connection` cannot take away, whoever names it: where a message goes, how long it is, and who may keep it.
/// Whoever sends `Connection: host` means mischief.
const KEPT: [HeaderName; 7] = [AGE, CACHE_CONTROL, CONTENT_LENGTH, EXPIRES, HOST, VARY, VIA];

/// What concerns this hop alone, whether `Connection` names it or not. `Trailer` announces fields that go with the body,
/// and stays.
///
/// Credentials for a proxy are among them: they are meant for the next one, which this is, and it asks for none.
const REMOVED: [HeaderName; 9] = [
    TE,
    UPGRADE,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_AUTHENTICATION_INFO,
    TRANSFER_ENCODING,
    HTTP2_SETTINGS,
];

/// Takes out of a client's request what ends here, before the cache makes a key of it: a field that `Connection` names
/// would otherwise be in the key and not in the request that the key's answer is to.
///
/// What is left of `Upgrade` and `TE` is what [`announce`] puts on the next hop.
pub(crate) fn strip_request(fields: &mut HeaderMap) {
    // One pass over the names costs less than looking each of ours up, and most requests have none.
    if !fields.keys().any(ends_here) {
        return;
    }
    let upgrade = wanted_protocols(fields);
    let accepts_trailers = accepts_trailers(fields);
    strip(fields);
    if let Some(upgrade) = upgrade {
        fields.insert(UPGRADE, upgrade);
    }
    if accepts_trailers {
        fields.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Takes out of the origin's answer what ends here. A length beside a transfer coding is none (RFC 9112 section 6.3): it
/// would cut the body on its way to the client. Nor is one of an answer that never has a body (RFC 9110 section 8.6).
pub(crate) fn strip_response<B>(response: &mut Response<B>) {
    let is_bare =
        response.status().is_informational() || response.status() == StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    if is_bare || fields.contains_key(TRANSFER_ENCODING) {
        fields.remove(CONTENT_LENGTH);
    }
    strip(fields);
}

/// The transfer codings there are beside chunks (RFC 9112 section 7.2), under all their names.
const CODINGS: [&[u8]; 5] = [b"gzip", b"x-gzip", b"deflate", b"compress", b"x-compress"];

/// Whether a message has a transfer coding that nobody undoes, as once the chunks are undone that are read. Nobody asks for
/// one: what clients say of it in `TE` ends here. A name that nobody knows changes nothing.
pub(crate) fn is_coded(fields: &HeaderMap) -> bool {
    let lines = fields.get_all(TRANSFER_ENCODING).into_iter();
    let codings: Vec<&[u8]> = lines.flat_map(members).collect();
    let is = |coding: &[u8], name: &[u8]| coding.eq_ignore_ascii_case(name);
    let chunks = codings.iter().filter(|coding| is(coding, b"chunked"));
    let is_known = |coding: &&[u8]| CODINGS.iter().any(|name| is(coding, name));
    chunks.count() > 1 || codings.iter().any(is_known)
}

/// Says on the next hop that `Upgrade` and `TE`, where they are there, are for it.
pub(crate) fn announce(fields: &mut HeaderMap) {
    let options = match (fields.contains_key(UPGRADE), fields.contains_key(TE)) {
        (true, true) => "upgrade, te",
        (true, false) => "upgrade",
        (false, true) => "te",
        (false, false) => return,
    };
    fields.insert(CONNECTION, HeaderValue::from_static(options));
}

fn strip(fields: &mut HeaderMap) {
    // Most have none, for which this allocates nothing.
    let lines: Vec<_> = fields.get_all(CONNECTION).iter().cloned().collect();
    let options = lines.iter().flat_map(members);
    for named in options.filter_map(|name| HeaderName::from_bytes(name).ok()) {
        if !KEPT.contains(&named) {
            fields.remove(named);
        }
    }
    fields.remove(CONNECTION);
    for name in &REMOVED {
        fields.remove(name);
    }
}

fn ends_here(name: &HeaderName) -> bool {
    *name == CONNECTION || REMOVED.contains(name)
}

/// What a client wants to speak instead, without the protocols that a proxy has a say in.
///
/// A tunnel of HTTP/2 through an upgrade would carry requests past the cache and past everything that is done here.
fn wanted_protocols(fields: &HeaderMap) -> Option<HeaderValue> {
    if !fields.contains_key(UPGRADE) || !names(fields, CONNECTION, b"upgrade") {
        return None;
    }
    let lines = fields.get_all(UPGRADE).into_iter();
    let foreign = lines.flat_map(members).filter(|name| !is_ours(name));
    let list = foreign.collect::<Vec<_>>().join(&b", "[..]);
    let value = HeaderValue::from_bytes(&list).ok();
    value.filter(|value| !value.is_empty())
}

fn is_ours(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next();
    let name = name.unwrap_or_default().trim_ascii();
    [&b"h2"[..], b"h2c", b"h3", b"http", b"tls"]
        .iter()
        .any(|ours| name.eq_ignore_ascii_case(ours))
}

/// Without the weights and parameters that `TE` may have: nothing here takes a body apart.
fn accepts_trailers(fields: &HeaderMap) -> bool {
    fields.contains_key(TE) && names(fields, TE, b"trailers")
}

fn names(fields: &HeaderMap, list: HeaderName, wanted: &[u8]) -> bool {
    let lines = fields.get_all(list).into_iter();
    let mut all = lines.flat_map(members);
    all.any(|member| member.eq_ignore_ascii_case(wanted))
}

fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let pieces = line.as_bytes().split(|byte| *byte == b',');
    pieces
        .map(<[u8]>::trim_ascii)
        .filter(|piece| !piece.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(lines: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(*name, HeaderValue::from_static(value));
        }
        strip_request(&mut fields);
        let text = |value: &HeaderValue| value.to_str().expect("ASCII").to_owned();
        let lines = fields.iter();
        lines
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn every_line_of_connection_is_read() {
        let lines = [
            ("connection", "close, X-One"),
            ("connection", ",,x-two ,\t"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-two", "3"),
        ];
        assert_eq!(stripped(&lines), []);
    }

    #[test]
    fn connection_takes_nothing_away_that_a_message_needs() {
        let lines = [
            ("connection", "host, content-length, cache-control, via"),
            ("host", "a"),
            ("content-length", "3"),
            ("cache-control", "no-store"),
            ("via", "1.1 b"),
        ];
        assert_eq!(stripped(&lines).len(), 4);
    }

    #[test]
    fn an_upgrade_counts_where_connection_names_it_and_to_foreign_protocols() {
        let kept = |value: &str| vec![("upgrade".to_owned(), value.to_owned())];
        let asked =
            |connection, upgrade| stripped(&[("connection", connection), ("upgrade", upgrade)]);
        assert_eq!(asked("Upgrade", "websocket"), kept("websocket"));
        assert_eq!(asked("upgrade", "h2c, WebSocket"), kept("WebSocket"));
        for ours in ["h2c", "H2C", "HTTP/2.0", "TLS/1.2, h2", ""] {
            assert_eq!(asked("upgrade", ours), [], "{ours}");
        }
        assert_eq!(asked("close", "websocket"), []);
    }

    #[test]
    fn of_te_only_trailers_stays() {
        let kept = vec![("te".to_owned(), "trailers".to_owned())];
        assert_eq!(stripped(&[("te", "gzip;q=0.5, Trailers")]), kept);
        assert_eq!(stripped(&[("te", "gzip")]), []);
    }
}

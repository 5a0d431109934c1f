//! What a request must be to come near the cache, and what of it the handler sees.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HeaderName, HeaderValue,
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Request, Version};
use http_body::Body;

use crate::settings::{AuthorizationRule, CookieRule, Settings};

/// Why a request goes past the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bypass {
    /// Neither `GET` nor `HEAD`.
    Method,
    /// It wants another protocol.
    Upgrade,
    /// It has a body, which no key covers.
    Body,
    Cookie,
    Authorization,
    /// No key can be made of it.
    Key,
    /// The cache is switched off.
    Off,
}

impl Bypass {
    /// All reasons, in the order of their discriminants.
    pub(crate) const ALL: [Self; 7] = [
        Self::Method,
        Self::Upgrade,
        Self::Body,
        Self::Cookie,
        Self::Authorization,
        Self::Key,
        Self::Off,
    ];

    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Upgrade => "upgrade",
            Self::Body => "body",
            Self::Cookie => "cookie",
            Self::Authorization => "authorization",
            Self::Key => "key",
            Self::Off => "off",
        }
    }
}

/// Whether `request` may be answered from the cache: the reason if not.
pub(crate) fn admit<B: Body>(request: &Request<B>, settings: &Settings) -> Result<(), Bypass> {
    let fields = request.headers();
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Bypass::Method);
    }
    if fields.contains_key(UPGRADE) {
        return Err(Bypass::Upgrade);
    }
    if has_body(request) {
        return Err(Bypass::Body);
    }
    if fields.contains_key(AUTHORIZATION) && settings.authorization == AuthorizationRule::Bypass {
        return Err(Bypass::Authorization);
    }
    match &settings.cookies {
        CookieRule::Bypass if fields.contains_key(COOKIE) => Err(Bypass::Cookie),
        CookieRule::BypassOn(names) if has_cookie(fields, names) => Err(Bypass::Cookie),
        _ => Ok(()),
    }
}

/// HTTP/1 frames a body by fields (RFC 9112 section 6); later versions by the stream, which the body knows. Servers that
/// are not HTTP's own may hand over a body without either.
fn has_body<B: Body>(request: &Request<B>) -> bool {
    let fields = request.headers();
    let framed = fields.contains_key(TRANSFER_ENCODING)
        || fields
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length != "0");
    let body = request.body();
    framed
        || body.size_hint().lower() > 0
        || (request.version() > Version::HTTP_11 && !body.is_end_stream())
}

/// Fields that end at this hop, that turn an answer into a part or into "not modified", or that rewrite a request
/// behind the cache's back.
const REMOVED: [HeaderName; 18] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authorization"),
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    FORWARDED,
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method-override"),
];

pub(crate) fn removed_fields() -> impl Iterator<Item = HeaderName> {
    REMOVED.into_iter()
}

/// Leaves in `fields` only what the handler may see when its answer is to be shared.
///
/// What `Connection` names besides is left alone: a client could otherwise take away a field that the key was made of,
/// and leave an answer to its absence under the key of its presence.
pub(crate) fn strip(fields: &mut HeaderMap, settings: &Settings) {
    for name in REMOVED {
        fields.remove(name);
    }
    if settings.authorization == AuthorizationRule::Ignore {
        fields.remove(AUTHORIZATION);
    }
    strip_cookies(fields, &settings.cookies);
}

fn strip_cookies(fields: &mut HeaderMap, rule: &CookieRule) {
    let kept = match rule {
        CookieRule::Bypass => return,
        CookieRule::Ignore | CookieRule::BypassOn(_) => Vec::new(),
        CookieRule::Key(names) => cookies(fields)
            .filter(|(name, _)| is_named(names, name))
            .fold(Vec::new(), |mut text, (name, value)| {
                if !text.is_empty() {
                    text.extend_from_slice(b"; ");
                }
                text.extend_from_slice(name);
                text.push(b'=');
                text.extend_from_slice(value);
                text
            }),
    };
    fields.remove(COOKIE);
    // Parts of a value that was one are one.
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept)) {
        fields.insert(COOKIE, value);
    }
}

fn has_cookie(fields: &HeaderMap, names: &[String]) -> bool {
    cookies(fields).any(|(name, _)| is_named(names, name))
}

fn is_named(names: &[String], name: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name)
}

/// The cookies of a request, in order (RFC 6265 section 4.2.1; HTTP/2 may split them over several fields).
pub(crate) fn cookies(fields: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lists = fields.get_all(COOKIE).into_iter();
    let pairs = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b';'));
    pairs.map(|pair| {
        let mut halves = pair.trim_ascii().splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default();
        (
            name.trim_ascii(),
            halves.next().unwrap_or_default().trim_ascii(),
        )
    })
}

//! What a request must be to come near the cache, and what of it the handler sees.

use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, FORWARDED, HeaderName, HeaderValue, IF_MATCH,
    IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Request};
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

/// What the fields of a request say to the cache, noted in one pass over them: to look each up by name would cost more
/// than all the rest of a hit.
#[derive(Default)]
pub(crate) struct Noted<'r> {
    /// `Host`, where it is there once.
    pub(crate) host: Option<&'r HeaderValue>,
    pub(crate) has_many_hosts: bool,
    /// Which of the [`FORWARDED_FIELDS`] are there: a bit each.
    pub(crate) forwarded: u16,
    /// It wants an answer under conditions, or a part of it.
    pub(crate) is_conditional: bool,
    /// It says what it will take.
    pub(crate) has_control: bool,
    wants_upgrade: bool,
    /// HTTP/1 announces a body.
    is_framed: bool,
    pub(crate) has_authorization: bool,
    has_cookie: bool,
}

/// What proxies in front put there, and handlers build links from. Keyed where present, so that nobody can make a link
/// of theirs part of somebody else's answer.
pub(crate) static FORWARDED_FIELDS: [HeaderName; 11] = [
    HeaderName::from_static(FORWARDED_HOST),
    HeaderName::from_static(FORWARDED_PROTO),
    HeaderName::from_static(FORWARDED_PREFIX),
    HeaderName::from_static(FORWARDED_PORT),
    HeaderName::from_static(FORWARDED_SCHEME),
    HeaderName::from_static(FORWARDED_SSL),
    HeaderName::from_static(FORWARDED_SERVER),
    HeaderName::from_static(FORWARDED_PATH),
    HeaderName::from_static(FORWARDED_URI),
    HeaderName::from_static(X_HOST),
    HeaderName::from_static(ORIGINAL_HOST),
];

const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const FORWARDED_PREFIX: &str = "x-forwarded-prefix";
const FORWARDED_PORT: &str = "x-forwarded-port";
const FORWARDED_SCHEME: &str = "x-forwarded-scheme";
const FORWARDED_SSL: &str = "x-forwarded-ssl";
const FORWARDED_SERVER: &str = "x-forwarded-server";
const FORWARDED_PATH: &str = "x-forwarded-path";
const FORWARDED_URI: &str = "x-forwarded-uri";
const X_HOST: &str = "x-host";
const ORIGINAL_HOST: &str = "x-original-host";

impl<'r> Noted<'r> {
    pub(crate) fn of(fields: &'r HeaderMap) -> Self {
        let mut noted = Self::default();
        for (name, value) in fields {
            let name = name.as_str();
            if may_be_noted(name) {
                noted.note(name, value);
            }
        }
        noted
    }

    #[inline(never)]
    fn note(&mut self, name: &str, value: &'r HeaderValue) {
        match name {
            "host" => self.has_many_hosts |= self.host.replace(value).is_some(),
            "cookie" => self.has_cookie = true,
            "authorization" => self.has_authorization = true,
            "cache-control" | "pragma" => self.has_control = true,
            "range" => self.is_conditional = true,
            "upgrade" => self.wants_upgrade = true,
            "transfer-encoding" => self.is_framed = true,
            "content-length" => self.is_framed |= value != "0",
            name if name.starts_with("if-") => self.is_conditional = true,
            name => self.forwarded |= forwarded_bit(name),
        }
    }
}

/// Whether a field of such a first letter and length is among those that are noted: most are not, and cost no more.
#[inline]
fn may_be_noted(name: &str) -> bool {
    /// For each length, a bit for each first letter.
    static NOTED: [u32; 32] = {
        let mut noted = [0; 32];
        let mut place = 0;
        while place < NAMES.len() {
            let name = NAMES[place].as_bytes();
            noted[name.len()] |= letter(name[0]);
            place += 1;
        }
        noted
    };
    const NAMES: [&str; 25] = [
        "host",
        "cookie",
        "authorization",
        "cache-control",
        "pragma",
        "range",
        "upgrade",
        "transfer-encoding",
        "content-length",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "if-range",
        FORWARDED_HOST,
        FORWARDED_PROTO,
        FORWARDED_PREFIX,
        FORWARDED_PORT,
        FORWARDED_SCHEME,
        FORWARDED_SSL,
        FORWARDED_SERVER,
        FORWARDED_PATH,
        FORWARDED_URI,
        X_HOST,
        ORIGINAL_HOST,
    ];
    const fn letter(first: u8) -> u32 {
        1 << (first % 32)
    }
    let name = name.as_bytes();
    match (name.first(), NOTED.get(name.len())) {
        (Some(first), Some(noted)) => noted & letter(*first) != 0,
        _ => false,
    }
}

/// The place of `name` among the [`FORWARDED_FIELDS`], as a bit; none where it is another's.
fn forwarded_bit(name: &str) -> u16 {
    match name {
        FORWARDED_HOST => 1,
        FORWARDED_PROTO => 1 << 1,
        FORWARDED_PREFIX => 1 << 2,
        FORWARDED_PORT => 1 << 3,
        FORWARDED_SCHEME => 1 << 4,
        FORWARDED_SSL => 1 << 5,
        FORWARDED_SERVER => 1 << 6,
        FORWARDED_PATH => 1 << 7,
        FORWARDED_URI => 1 << 8,
        X_HOST => 1 << 9,
        ORIGINAL_HOST => 1 << 10,
        _ => 0,
    }
}

/// Whether the handler can tell from `fields` whose the request is, without its being part of the key.
pub(crate) fn is_personal(fields: &HeaderMap, settings: &Settings) -> bool {
    (settings.cookies == CookieRule::Forward && fields.contains_key(COOKIE))
        || (settings.authorization == AuthorizationRule::Forward
            && fields.contains_key(AUTHORIZATION))
}

/// Whether `request` may be answered from the cache: what its fields say if so, the reason if not.
#[inline]
pub(crate) fn admit<'r, B: Body>(
    request: &'r Request<B>,
    settings: &Settings,
) -> Result<Noted<'r>, Bypass> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Err(Bypass::Method);
    }
    let noted = Noted::of(request.headers());
    if noted.wants_upgrade {
        return Err(Bypass::Upgrade);
    }
    if noted.is_framed || has_body(request) {
        return Err(Bypass::Body);
    }
    if noted.has_authorization && settings.authorization == AuthorizationRule::Bypass {
        return Err(Bypass::Authorization);
    }
    match &settings.cookies {
        CookieRule::Bypass if noted.has_cookie => Err(Bypass::Cookie),
        CookieRule::BypassOn(names) if has_cookie(request.headers(), names) => Err(Bypass::Cookie),
        _ => Ok(noted),
    }
}

/// HTTP/1 frames a body by fields (RFC 9112 section 6), which a middleware may have taken away; the body knows. One that
/// does not say that it is empty may not be, and no key covers it.
fn has_body<B: Body>(request: &Request<B>) -> bool {
    let body = request.body();
    body.size_hint().lower() > 0 || !body.is_end_stream()
}

/// Fields that end at this hop, that turn an answer into a part or into "not modified", or that rewrite a request
/// behind the cache's back.
const REMOVED: [HeaderName; 20] = [
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
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

pub(crate) fn removed_fields() -> impl Iterator<Item = HeaderName> {
    REMOVED.into_iter()
}

/// Leaves in `fields` only what the handler may see when its answer is to be shared.
///
/// A call on a client's own behalf is [hidden](hide) less: it may ask for a part, or whether anything has changed.
///
/// What `Connection` names besides is left alone: a client could otherwise take away a field that the key was made of,
/// and leave an answer to its absence under the key of its presence.
pub(crate) fn strip(fields: &mut HeaderMap, settings: &Settings) {
    for name in REMOVED {
        fields.remove(name);
    }
    hide(fields, settings);
}

/// Takes away what the route's settings say that the handler never sees.
pub(crate) fn hide(fields: &mut HeaderMap, settings: &Settings) {
    if settings.authorization == AuthorizationRule::Ignore {
        fields.remove(AUTHORIZATION);
    }
    strip_cookies(fields, &settings.cookies);
}

fn strip_cookies(fields: &mut HeaderMap, rule: &CookieRule) {
    let kept = match rule {
        CookieRule::Bypass | CookieRule::Forward => return,
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

pub(crate) fn has_cookie(fields: &HeaderMap, names: &[String]) -> bool {
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

#[cfg(test)]
mod tests {
    use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HOST, PRAGMA};

    use super::*;

    /// What is dismissed by its first letter and length must be none of these.
    #[test]
    fn every_field_that_says_something_to_the_cache_is_noted() {
        let value = HeaderValue::from_static("x");
        let noted = |name: &HeaderName, check: fn(&Noted<'_>) -> bool| {
            let fields = HeaderMap::from_iter([(name.clone(), value.clone())]);
            assert!(check(&Noted::of(&fields)), "{name}");
        };
        for (place, name) in FORWARDED_FIELDS.iter().enumerate() {
            assert_eq!(forwarded_bit(name.as_str()), 1 << place, "{name}");
            noted(name, |noted| noted.forwarded != 0);
        }
        for name in [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE] {
            noted(&name, |noted| noted.is_conditional);
        }
        for name in [IF_UNMODIFIED_SINCE, IF_RANGE, RANGE] {
            noted(&name, |noted| noted.is_conditional);
        }
        for name in [CACHE_CONTROL, PRAGMA] {
            noted(&name, |noted| noted.has_control);
        }
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
            noted(&name, |noted| noted.is_framed);
        }
        noted(&HOST, |noted| noted.host.is_some());
        noted(&COOKIE, |noted| noted.has_cookie);
        noted(&AUTHORIZATION, |noted| noted.has_authorization);
        noted(&UPGRADE, |noted| noted.wants_upgrade);
        noted(&FORWARDED, |noted| noted.forwarded == 0);
    }
}

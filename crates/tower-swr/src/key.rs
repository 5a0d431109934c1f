//! The key of a request: its URI as the client sent it, and whatever else an answer may depend on by the settings.

use std::ptr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LOCATION, HOST, HeaderName, HeaderValue, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, Request, Uri};
use tower_swr_core::{Key, KeyText, Subject};

use crate::no_vary_search::{self, Variation};
use crate::query::{Counting, QueryRule};
use crate::request::{Bypass, FORWARDED_FIELDS, Noted, cookies};
use crate::route::Scope;
use crate::scan;
use crate::settings::{AuthorizationRule, CookieRule, Settings};
use crate::tags;

/// Longer keys cost more than they are worth: such a request bypasses the cache, and such an answer is not shared.
pub(crate) const LONGEST: usize = 16 << 10;

/// Request fields that are part of every key.
pub(crate) fn keyed_fields() -> impl Iterator<Item = HeaderName> {
    FORWARDED_FIELDS.iter().cloned().chain([HOST])
}

/// Writes the key of `request`, of which the fields say what is `noted`, behind its scope: refused where the host is not
/// certain, or where it gets too long. `under` says what of the query makes no difference, where that is known.
#[inline]
pub(crate) fn write<B>(
    text: &mut KeyText,
    request: &Request<B>,
    noted: &Noted<'_>,
    settings: &Settings,
    under: Option<&Variation>,
) -> Result<(), Bypass> {
    let (uri, fields) = (sent_uri(request), request.headers());
    let counting = Counting {
        rule: &settings.query,
        under,
    };
    push_path(text, uri, counting);
    let has_capitals = push_authority(text, authority(uri, noted)?);
    push_oddities(text, request, uri, noted, has_capitals, counting);
    if settings.authorization == AuthorizationRule::Forward {
        // What only some may see is not asked for by others, nor renewed or dropped by them.
        text.push(&[u8::from(noted.has_authorization)]);
    }
    for name in &settings.vary {
        push_field(text, fields, name);
    }
    if let CookieRule::Key(names) = &settings.cookies {
        push_cookies(text, fields, names);
    }
    if settings.authorization == AuthorizationRule::Key {
        push_field(text, fields, &AUTHORIZATION);
    }
    if text.len() > LONGEST {
        Err(Bypass::Key)
    } else {
        Ok(())
    }
}

/// What a purge of `uri` in `scope` names, of whose queries so much counts.
pub(crate) fn subject(scope: &str, uri: &Uri, counting: Counting<'_>) -> Subject {
    let mut text = KeyText::new(scope);
    push_path(&mut text, uri, counting);
    if let Some(authority) = uri.authority() {
        push_authority(&mut text, Some(authority.as_str().as_bytes()));
    }
    text.key().resource()
}

/// What a request is about, for any method: what it changes if it succeeds.
pub(crate) struct Target {
    scope: Arc<Scope>,
    uri: Uri,
    host: Option<Box<[u8]>>,
}

impl Target {
    pub(crate) fn of<B>(request: &Request<B>, scope: &Arc<Scope>) -> Self {
        Self {
            scope: Arc::clone(scope),
            uri: sent_uri(request).clone(),
            host: host(request),
        }
    }

    /// The groups that an answer with `fields` says have changed (RFC 9875 section 3).
    pub(crate) fn changed_groups(&self, fields: &HeaderMap) -> Vec<Subject> {
        tags::invalidated_groups(fields, self.host.as_deref())
    }

    /// What an answer with `fields` says has changed, if it succeeds: the target, and what is named in it of the same
    /// origin (RFC 9111 section 4.4).
    pub(crate) fn changed_by(&self, fields: &HeaderMap) -> Vec<Subject> {
        let named = [LOCATION, CONTENT_LOCATION]
            .into_iter()
            .filter_map(|name| fields.get(name)?.to_str().ok()?.parse().ok())
            .filter(|uri| self.is_beside(uri));
        let uris = [self.uri.clone()].into_iter().chain(named);
        uris.flat_map(|uri| self.subjects(&uri)).collect()
    }

    /// An absolute path here, or the whole address of something here.
    fn is_beside(&self, uri: &Uri) -> bool {
        let ours = self.host.as_deref();
        let is_here = uri.authority().is_none_or(|theirs| {
            ours.is_some_and(|ours| ours.eq_ignore_ascii_case(theirs.as_str().as_bytes()))
        });
        is_here && uri.path().starts_with('/')
    }

    fn subjects(&self, uri: &Uri) -> Vec<Subject> {
        no_vary_search::equivalents(&self.scope, uri, |counting| {
            let mut text = self.scope.key.clone();
            push_path(&mut text, uri, counting);
            push_authority(&mut text, self.host.as_deref());
            text.key().resource()
        })
    }
}

/// Whom a request is for, in lower case.
pub(crate) fn host<B>(request: &Request<B>) -> Option<Box<[u8]>> {
    let host = request.headers().get(HOST).map(HeaderValue::as_bytes);
    let uri = sent_uri(request).authority();
    let host = host.or(uri.map(|authority| authority.as_str().as_bytes()));
    host.map(|host| host.to_ascii_lowercase().into())
}

/// Leaves of the query of `request` what counts by the `rule`.
pub(crate) fn strip_query<B>(request: &mut Request<B>, rule: &QueryRule) {
    if let Some(uri) = rule.rewritten(request.uri()) {
        *request.uri_mut() = uri;
    }
    #[cfg(feature = "axum")]
    if let Some(original) = (request.extensions_mut()).get_mut::<axum::extract::OriginalUri>()
        && let Some(uri) = rule.rewritten(&original.0)
    {
        original.0 = uri;
    }
}

/// What a purge of all of `scope` names.
pub(crate) fn scope_subject(scope: &str) -> Subject {
    KeyText::new(scope).key().scope_subject()
}

/// What `X-Cache-Key` says of `key`: 128 bits of a hash that is the same in every process, and tells nothing of what
/// is in it.
pub(crate) fn public_form(key: &Key) -> String {
    let digest = blake3::hash(key.text());
    let mut form = format!("{}:", key.scope());
    form.push_str(&digest.to_hex()[..32]);
    form
}

#[inline]
fn push_path(text: &mut KeyText, uri: &Uri, counting: Counting<'_>) {
    text.push(uri.path().as_bytes());
    counting.push(text, uri);
    text.end_resource();
}

/// In lower case, as a host's name has none (RFC 3986 section 3.2.2): who purges need not know how clients write it.
/// Whether it was not.
#[inline]
fn push_authority(text: &mut KeyText, authority: Option<&[u8]>) -> bool {
    let capitals = |name| scan::any(name, |byte| byte.is_ascii_uppercase());
    let has_capitals = authority.is_some_and(capitals);
    match authority {
        Some(mixed) if has_capitals => text.push(&mixed.to_ascii_lowercase()),
        plain => text.push_optional(plain),
    }
    text.end_resource();
    has_capitals
}

/// What most requests have nothing of: a bit for each, and then what it says.
#[inline]
fn push_oddities<B>(
    text: &mut KeyText,
    request: &Request<B>,
    uri: &Uri,
    noted: &Noted<'_>,
    has_capitals: bool,
    counting: Counting<'_>,
) {
    const SCHEME: u16 = 1 << 13;
    const CAPITALS: u16 = 1 << 14;
    const REWRITTEN: u16 = 1 << 15;
    let seen = request.uri();
    let is_rewritten = !ptr::eq(uri, seen) && uri.path_and_query() != seen.path_and_query();
    let mut odd = noted.forwarded;
    odd |= if uri.scheme().is_some() { SCHEME } else { 0 };
    odd |= if has_capitals { CAPITALS } else { 0 };
    odd |= if is_rewritten { REWRITTEN } else { 0 };
    text.push(&odd.to_le_bytes());
    if odd == 0 {
        return;
    }
    if let Some(scheme) = uri.scheme_str() {
        text.push(scheme.as_bytes());
    }
    for (place, name) in FORWARDED_FIELDS.iter().enumerate() {
        if odd & (1 << place) != 0 {
            push_field(text, request.headers(), name);
        }
    }
    if has_capitals {
        // The handler may write links the way the client did.
        text.push_optional(noted.host.map(HeaderValue::as_bytes));
        text.push_optional(
            uri.authority()
                .map(|authority| authority.as_str().as_bytes()),
        );
    }
    if is_rewritten {
        // The handler sees another address than the client sent, which may say more (a tenant, say).
        text.push(seen.path().as_bytes());
        counting.push(text, seen);
    }
}

/// All lines of a field, in order; none and an empty one differ.
fn push_field(text: &mut KeyText, fields: &HeaderMap, name: &HeaderName) {
    for value in fields.get_all(name) {
        text.push(value.as_bytes());
    }
    text.push_optional(None);
}

fn push_cookies(text: &mut KeyText, fields: &HeaderMap, names: &[String]) {
    for wanted in names {
        for (_, value) in cookies(fields).filter(|(name, _)| *name == wanted.as_bytes()) {
            text.push(value);
        }
        text.push_optional(None);
    }
}

/// Whom the request is for: the URI's authority (HTTP/2, absolute form) or `Host`. Where the two disagree, or `Host`
/// is there twice, cache and handler might not mean the same host.
fn authority<'r>(uri: &'r Uri, noted: &Noted<'r>) -> Result<Option<&'r [u8]>, Bypass> {
    let host = noted.host.map(HeaderValue::as_bytes);
    let sent = uri.authority().map(Authority::as_str).map(str::as_bytes);
    match (sent, host) {
        _ if noted.has_many_hosts => Err(Bypass::Key),
        (Some(sent), Some(host)) if sent != host => Err(Bypass::Key),
        (sent, host) => Ok(host.or(sent)),
    }
}

/// The URI that the client sent: axum hands nested routers one without their prefix, which is the same for every
/// tenant under `/tenants/{id}`.
#[cfg(feature = "axum")]
pub(crate) fn sent_uri<B>(request: &Request<B>) -> &Uri {
    let original = request.extensions().get::<axum::extract::OriginalUri>();
    original.map_or(request.uri(), |original| &original.0)
}

#[cfg(not(feature = "axum"))]
pub(crate) fn sent_uri<B>(request: &Request<B>) -> &Uri {
    request.uri()
}

/// Makes the URI that the client sent with `request` that of `other`, too, which has the same otherwise.
#[cfg(feature = "axum")]
pub(crate) fn copy_sent_uri<A, B>(request: &Request<A>, other: &mut Request<B>) {
    if let Some(original) = request.extensions().get::<axum::extract::OriginalUri>() {
        other.extensions_mut().insert(original.clone());
    }
}

#[cfg(not(feature = "axum"))]
pub(crate) fn copy_sent_uri<A, B>(_: &Request<A>, _: &mut Request<B>) {}

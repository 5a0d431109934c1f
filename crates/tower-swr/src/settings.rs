//! A route's settings, as its layer collects them.

use std::time::Duration;

use http::HeaderName;
use http::header::{AUTHORIZATION, COOKIE};
use tower_swr_core::FlightPolicy;

use crate::no_vary_search;
use crate::policy::Lifetimes;
use crate::query::QueryRule;
use crate::refresh_fields;

/// Everything that a [`CacheLayer`](crate::CacheLayer) can be told. Two layers of one scope must agree in all of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) client_max_age: Option<Duration>,
    pub(crate) flights: FlightPolicy,
    pub(crate) body_idle: Duration,
    /// Bytes of body that are kept; nothing where the store's own limit decides.
    pub(crate) max_body: Option<usize>,
    pub(crate) cookies: CookieRule,
    pub(crate) authorization: AuthorizationRule,
    /// What of the query is part of the key.
    pub(crate) query: QueryRule,
    /// What answers say of the query in `No-Vary-Search` counts, where that was built in:
    /// see [`Settings::heeds_no_vary_search`].
    pub(crate) no_vary_search: bool,
    /// Request fields that are part of the key.
    pub(crate) vary: Vec<HeaderName>,
    /// Request fields that workers may be told.
    pub(crate) refresh_fields: Vec<HeaderName>,
    pub(crate) fields: FieldFamilies,
    /// What clients say in `Cache-Control` counts.
    pub(crate) client_directives: bool,
    /// A `HEAD` may be made a `GET`: there is one handler for both.
    pub(crate) head_as_get: bool,
    /// Answers without an `ETag` get one.
    pub(crate) etag: bool,
}

/// What a `Cookie` in a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CookieRule {
    /// The answer may be the user's own: bypass.
    Bypass,
    /// The handler never sees it.
    Ignore,
    /// These cookies make it the user's own; of all others the handler never sees any.
    BypassOn(Vec<String>),
    /// These cookies are part of the key; of all others the handler never sees any.
    Key(Vec<String>),
    /// A field like any other: the handler sees it, and says of its answer for whom it is.
    Forward,
}

/// What `Authorization` in a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthorizationRule {
    /// The answer may be the user's own: bypass.
    Bypass,
    /// The handler never sees it.
    Ignore,
    /// It is part of the key.
    Key,
    /// The handler sees it; its answer is shared only if it says so (RFC 9111 section 3.5).
    Forward,
}

/// Which fields are added to answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldFamilies {
    pub(crate) x_cache: bool,
    pub(crate) cache_status: bool,
    pub(crate) cache_control: bool,
}

impl Default for FieldFamilies {
    fn default() -> Self {
        Self {
            x_cache: true,
            cache_status: true,
            cache_control: true,
        }
    }
}

impl Settings {
    pub(crate) fn new(fields: FieldFamilies) -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            client_max_age: None,
            flights: FlightPolicy::default(),
            body_idle: Duration::from_secs(30),
            max_body: None,
            cookies: CookieRule::Bypass,
            authorization: AuthorizationRule::Bypass,
            query: QueryRule::default(),
            no_vary_search: false,
            vary: Vec::new(),
            refresh_fields: refresh_fields::by_default(),
            fields,
            client_directives: false,
            head_as_get: false,
            etag: false,
        }
    }

    /// Whether answers may say that parts of a query make no difference.
    pub(crate) fn heeds_no_vary_search(&self) -> bool {
        no_vary_search::IS_ON && self.no_vary_search
    }

    /// Request fields that cannot make a difference to a stored answer: the handler never sees them, or they are part
    /// of the key already.
    pub(crate) fn settled_fields(&self) -> Vec<HeaderName> {
        let mut settled = self.vary.clone();
        // Requests that still carry them under the other rules do not come near the cache.
        if self.cookies != CookieRule::Forward {
            settled.push(COOKIE);
        }
        if self.authorization != AuthorizationRule::Forward {
            settled.push(AUTHORIZATION);
        }
        settled
    }

    /// Fields that caches behind this one must tell answers apart by, since this one does.
    pub(crate) fn advertised_vary(&self) -> Vec<HeaderName> {
        let mut names = self.vary.clone();
        if !matches!(self.cookies, CookieRule::Ignore | CookieRule::Forward) {
            names.push(COOKIE);
        }
        let authorization = self.authorization;
        if !matches!(
            authorization,
            AuthorizationRule::Ignore | AuthorizationRule::Forward
        ) {
            names.push(AUTHORIZATION);
        }
        names
    }
}

use std::fmt::Debug;
use std::time::Duration;

use http::HeaderName;
use tower_layer::Layer;

use crate::cache::HttpCache;
use crate::config::{ConfigError, RouteConfig};
use crate::query::QueryRule;
use crate::route::Route;
use crate::rules::{self, Refusal};
use crate::service::CacheService;
use crate::settings::{AuthorizationRule, CookieRule, Settings};

/// Caches the answers of a route: the layer, and the builder of its settings.
///
/// Made by [`HttpCache::layer`]. All state lives in the [`HttpCache`], so a layer may be applied as often as a router
/// likes; two layers of one name share everything and must therefore agree in their settings.
///
/// ```
/// use std::time::Duration;
/// use axum::{Router, http::header, routing::get};
/// use tower_swr::HttpCache;
///
/// let cache = HttpCache::in_memory(64 << 20);
/// let news = cache
///     .layer("news")
///     .max_age(Duration::from_secs(300))
///     .stale_if_error(Duration::from_secs(3600))
///     .vary([header::ACCEPT_LANGUAGE]);
/// let app: Router = Router::new().route("/news", get(|| async { "news" }).layer(news));
/// ```
///
/// # Lifetimes
///
/// Those set here are for answers of status 200 that state none of their own; what a handler says in `Cache-Control`
/// or `Expires` wins, unless [`CacheLayer::override_origin`] says otherwise on purpose.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct CacheLayer {
    cache: HttpCache,
    scope: &'static str,
    pub(crate) settings: Settings,
}

impl CacheLayer {
    pub(crate) fn new(cache: HttpCache, scope: &'static str, settings: Settings) -> Self {
        Self {
            cache,
            scope,
            settings,
        }
    }

    /// How long an answer is fresh. Default 60 s. Zero keeps nothing of what states no lifetime of its own; those who
    /// ask at the same time still share one call.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").max_age(Duration::from_secs(5));
    /// ```
    pub fn max_age(mut self, span: Duration) -> Self {
        self.settings.lifetimes.max_age = span;
        self
    }

    /// How long after that it is served at once, while one refresh runs behind (RFC 5861 section 3). Default 120 s,
    /// for answers that state no lifetime of their own; once set here, for those too that state one above zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").stale_while_revalidate(Duration::from_secs(600));
    /// ```
    pub fn stale_while_revalidate(mut self, span: Duration) -> Self {
        self.settings.lifetimes.stale_while_revalidate = Some(span);
        self
    }

    /// How long after freshness it stands in for a failing origin (RFC 5861 section 4). Default: not at all.
    ///
    /// An origin fails when it answers with a 5xx, errs, panics, or takes longer than [`CacheLayer::soft_timeout`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").stale_if_error(Duration::from_secs(86_400));
    /// ```
    pub fn stale_if_error(mut self, span: Duration) -> Self {
        self.settings.lifetimes.stale_if_error = Some(span);
        self
    }

    /// Lets the lifetimes set here win over those that the handler states. What forbids sharing (`no-store`,
    /// `private`, `no-cache`, `Set-Cookie`, `Vary: *`) still does.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").override_origin();
    /// ```
    pub fn override_origin(mut self) -> Self {
        self.settings.lifetimes.override_origin = true;
        self
    }

    /// What clients are told instead of [`CacheLayer::max_age`], in the `Cache-Control` of answers that state no
    /// lifetime of their own. A purge does not reach the clients' own caches: a short time here keeps them close.
    ///
    /// Clients count it from when the answer was made, as `Age` tells them: one that is older than this they ask for
    /// again each time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").client_max_age(Duration::from_secs(5));
    /// ```
    pub fn client_max_age(mut self, span: Duration) -> Self {
        self.settings.client_max_age = Some(span);
        self
    }

    /// Spreads refreshes: one is due `U(0, most)` after freshness ended, drawn per process and entry, but never past
    /// the stale window. Default zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").refresh_jitter(Duration::from_secs(30));
    /// ```
    pub fn refresh_jitter(mut self, most: Duration) -> Self {
        self.settings.flights.refresh.refresh_jitter = most;
        self
    }

    /// Shortens freshness by `U(0, fraction)` of itself, so that what was stored together does not expire together.
    /// Default 0.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").ttl_jitter(0.1);
    /// ```
    ///
    /// # Panics
    ///
    /// For a fraction outside of `0.0..=1.0`.
    #[track_caller]
    pub fn ttl_jitter(mut self, fraction: f64) -> Self {
        self.settings.flights.refresh.ttl_jitter =
            self.allowed("ttl_jitter", fraction, rules::fraction);
        self
    }

    /// How many refreshes of this scope run at one time. Default 16.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").refresh_limit(4);
    /// ```
    ///
    /// # Panics
    ///
    /// For zero: nothing would ever be refreshed.
    #[track_caller]
    pub fn refresh_limit(mut self, most: usize) -> Self {
        self.settings.flights.refreshes = self.allowed("refresh_limit", most, rules::at_least_one);
        self
    }

    /// How long the handler may take until its answer begins; then the call is cancelled, and those who wait get what
    /// is stale, or 504. Default 60 s. A future that is dropped does not stop what runs outside of it: a
    /// `spawn_blocking`, a statement in a database. It holds for all calls but those of requests that bypass the cache.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").origin_timeout(Duration::from_secs(10));
    /// ```
    ///
    /// # Panics
    ///
    /// For zero.
    #[track_caller]
    pub fn origin_timeout(mut self, span: Duration) -> Self {
        self.settings.flights.origin_timeout =
            self.allowed("origin_timeout", span, rules::above_zero);
        self
    }

    /// How long a client waits for an answer that somebody else's call is to bring; then it gets 503 with
    /// `Retry-After`. Default 55 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").wait_timeout(Duration::from_secs(8));
    /// ```
    ///
    /// # Panics
    ///
    /// For zero.
    #[track_caller]
    pub fn wait_timeout(mut self, span: Duration) -> Self {
        self.settings.flights.wait_timeout = self.allowed("wait_timeout", span, rules::above_zero);
        self
    }

    /// How long a client waits where an older answer may stand in (see [`CacheLayer::stale_if_error`]). Default 1 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").soft_timeout(Duration::from_millis(300));
    /// ```
    pub fn soft_timeout(mut self, span: Duration) -> Self {
        self.settings.flights.soft_timeout = span;
        self
    }

    /// How long a body may pause between two chunks, and how long a slow client may hold up one that is larger than
    /// what is kept. Default 30 s.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").body_idle_timeout(Duration::from_secs(5));
    /// ```
    ///
    /// # Panics
    ///
    /// For zero.
    #[track_caller]
    pub fn body_idle_timeout(mut self, span: Duration) -> Self {
        self.settings.body_idle = self.allowed("body_idle_timeout", span, rules::above_zero);
        self
    }

    /// The largest body that is kept, in bytes. Larger ones are passed on and their key is remembered. Default: what
    /// the store allows, 1 MiB or an eighth of its capacity.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(64 << 20);
    /// let layer = cache.layer("report").max_body(256 << 10);
    /// ```
    ///
    /// # Panics
    ///
    /// For zero, and for more than the store's largest entry.
    #[track_caller]
    pub fn max_body(mut self, bytes: usize) -> Self {
        let most = self.cache.largest_body();
        let bytes = self.allowed("max_body", bytes, |bytes| rules::body_limit(bytes, most));
        self.settings.max_body = Some(bytes);
        self
    }

    /// Makes these request fields part of the key, whether answers name them in `Vary` or not, and names them there.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// use http::header::ACCEPT_LANGUAGE;
    /// let layer = cache.layer("news").vary([ACCEPT_LANGUAGE]);
    /// ```
    ///
    /// # Panics
    ///
    /// For `*`, which names no field.
    #[track_caller]
    pub fn vary(mut self, fields: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = fields.into_iter().collect();
        self.settings.vary = self.allowed("vary", names, rules::vary_fields);
        self
    }

    /// Answers are the same whatever cookies a request carries: the handler never sees them. Without this or one of
    /// its siblings a request with a `Cookie` bypasses the cache.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").ignore_cookies();
    /// ```
    pub fn ignore_cookies(mut self) -> Self {
        self.settings.cookies = CookieRule::Ignore;
        self
    }

    /// A request with any of these cookies bypasses the cache; all other cookies are of no account, and the handler
    /// never sees them.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("shop").bypass_on_cookies(["session"]);
    /// ```
    ///
    /// # Panics
    ///
    /// For a name that no cookie can have.
    #[track_caller]
    pub fn bypass_on_cookies(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.cookies = CookieRule::BypassOn(self.cookie_names("bypass_on_cookies", names));
        self
    }

    /// These cookies are part of the key, and the only ones that the handler sees.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("shop").key_cookies(["currency"]);
    /// ```
    ///
    /// # Panics
    ///
    /// For a name that no cookie can have.
    #[track_caller]
    pub fn key_cookies(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.settings.cookies = CookieRule::Key(self.cookie_names("key_cookies", names));
        self
    }

    /// Answers are the same whoever asks: the handler never sees `Authorization`. Without this or
    /// [`CacheLayer::key_authorization`] a request with it bypasses the cache (RFC 9111 section 3.5).
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").ignore_authorization();
    /// ```
    pub fn ignore_authorization(mut self) -> Self {
        self.settings.authorization = AuthorizationRule::Ignore;
        self
    }

    /// What is behind the layer is another server, which knows HTTP's caches: what it says counts, as RFC 9111 has it for
    /// a shared cache, and nothing is added.
    ///
    /// * No freshness of the layer's own ([`max_age`](CacheLayer::max_age) may set one afterwards); where the server
    ///   states none, a tenth of the time since `Last-Modified`, a day at most (section 4.2.2).
    /// * `Cookie` is a field like any other: the server sees it, and says `private` or `Vary: Cookie` where it matters.
    /// * `Authorization` reaches the server, too; an answer to it is shared only if it says `public`, `must-revalidate`
    ///   or `s-maxage` (section 3.5), and among such requests only.
    /// * A `HEAD` is asked as a `GET`, whose answer serves both.
    /// * What clients say in `Cache-Control` counts, as with
    ///   [`honor_client_directives`](CacheLayer::honor_client_directives).
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("proxy").as_proxy();
    /// ```
    pub fn as_proxy(self) -> Self {
        self.max_age(Duration::ZERO)
            .heuristic_freshness()
            .targeted_fields([HeaderName::from_static("cdn-cache-control")])
            .forward_cookies()
            .forward_authorization()
            .head_as_get()
            .honor_client_directives()
    }

    /// Fields in which a handler may say something to caches like this one alone, and that are heeded before its
    /// `Cache-Control` and `Expires`, the first one that is there and can be read (RFC 9213). They are passed on like any
    /// other field. Default: none; [`as_proxy`](CacheLayer::as_proxy) heeds `CDN-Cache-Control`.
    ///
    /// ```
    /// use http::HeaderName;
    ///
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let ours = HeaderName::from_static("example-cache-control");
    /// let layer = cache.layer("files").targeted_fields([ours, HeaderName::from_static("cdn-cache-control")]);
    /// ```
    ///
    /// # Panics
    ///
    /// For `Cache-Control` itself, which is no dictionary, and for `Expires`.
    #[track_caller]
    pub fn targeted_fields(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        let names = names.into_iter().collect();
        self.settings.lifetimes.targets =
            self.allowed("targeted_fields", names, rules::targeted_fields);
        self
    }

    /// The order of a query's parameters makes no difference: they are sorted by name, in the key and in what the handler
    /// sees; values of one name stay in their order. Default: the query counts as it is.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("search").sort_query();
    /// ```
    pub fn sort_query(mut self) -> Self {
        self.settings.query = QueryRule::Sorted;
        self
    }

    /// Of a query only the parameters of these names make a difference, sorted by name. The handler sees no others
    /// (`utm_source` and the like), so that nothing of one client's can end up in another's answer.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("search").query_parameters(["q", "page"]);
    /// ```
    ///
    /// # Panics
    ///
    /// For no names at all: that is [`ignore_query`](CacheLayer::ignore_query).
    #[track_caller]
    pub fn query_parameters(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let names = self.allowed("query_parameters", names, rules::query_parameters);
        self.settings.query = QueryRule::Only(names);
        self
    }

    /// The query makes no difference, and the handler does not see it.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("files").ignore_query();
    /// ```
    pub fn ignore_query(mut self) -> Self {
        self.settings.query = QueryRule::Ignore;
        self
    }

    /// Answers may say themselves which parts of a query make no difference to them, in `No-Vary-Search`
    /// (draft-ietf-httpbis-no-vary-search-10): `key-order`, `params=("utm_source" "utm_medium")` or `except=("id")`. Such an
    /// answer then serves all URIs that differ in nothing else. Default: the field is passed on, and the query counts. With
    /// the feature `no-vary-search`.
    ///
    /// A handler's first answer tells of its path: from then on, requests for equivalent URIs wait for one call and share
    /// one answer. Newer answers' word counts; after one that is kept without the field nothing more is shared until
    /// another has it. A scope knows sixteen such fields at a time; a further one takes the place of that which was not
    /// used for longest, whose answers are then not found any more. As the handler sees all of the query of the one
    /// request that becomes the call, it must put nothing into its answer that the field says makes no difference. A
    /// field that cannot be read, `params` without a list among them, says nothing.
    ///
    /// A purge, or a change by an unsafe method, of any of these URIs is one of the answer that they share. Where the cache
    /// has a [far side](crate::HttpCacheBuilder::far), it drops all such answers of the path, since no process knows
    /// all that others have learned; every process that purges must then have the feature. There, what comes before the
    /// first answer is known of its path is kept for its own URI alone.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("articles").no_vary_search();
    /// ```
    #[cfg(feature = "no-vary-search")]
    pub fn no_vary_search(mut self) -> Self {
        self.settings.no_vary_search = true;
        self
    }

    /// Answers of 200 that have no `ETag` get a strong one, made of their body, once that is whole: clients that have
    /// them are then answered with 304. What is streamed to those who waited for it has none yet.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").etag();
    /// ```
    pub fn etag(mut self) -> Self {
        self.settings.etag = true;
        self
    }

    /// Where the handler states no freshness and the layer sets none for it ([`max_age`](CacheLayer::max_age) of zero,
    /// statuses other than 200), a tenth of the time since `Last-Modified` is fresh, a day at most, as RFC 9111 section
    /// 4.2.2 allows for the statuses that it names, and for others that say `public`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("files").max_age(Duration::ZERO).heuristic_freshness();
    /// ```
    pub fn heuristic_freshness(mut self) -> Self {
        self.settings.lifetimes.heuristic = true;
        self
    }

    /// `Cookie` is a field like any other: the handler sees it, and its answer is for everybody unless it says `private`,
    /// `Vary: Cookie` or `Set-Cookie`. Only for handlers that are known to say so: one that forgets shows one user's
    /// answer to all.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("proxy").forward_cookies();
    /// ```
    pub fn forward_cookies(mut self) -> Self {
        self.settings.cookies = CookieRule::Forward;
        self
    }

    /// The handler sees `Authorization`; its answer to a request with it is shared only if it says `public`,
    /// `must-revalidate` or `s-maxage` (RFC 9111 section 3.5). Such an answer is for requests without it, too; all others
    /// are kept apart from theirs.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("proxy").forward_authorization();
    /// ```
    pub fn forward_authorization(mut self) -> Self {
        self.settings.authorization = AuthorizationRule::Forward;
        self
    }

    /// A `HEAD` that nothing kept can answer is asked as a `GET`, whose answer serves both. Only where one handler serves
    /// both: axum wraps a route's methods apart, and would call the one for `HEAD` with a `GET`.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("proxy").head_as_get();
    /// ```
    pub fn head_as_get(mut self) -> Self {
        self.settings.head_as_get = true;
        self
    }

    /// Does what requests ask for in `Cache-Control` (RFC 9111 section 5.2.1): `no-cache`, `max-age` and `min-fresh` ask
    /// the origin where what is kept is not good enough, `max-stale` takes what is not fresh, `only-if-cached` gets 504
    /// where nothing is kept, and nothing is stored of `no-store`. Requests that ask the origin at the same time still
    /// share its answer. What is asked under `If-Match` or `If-Unmodified-Since` is confirmed by the origin, too, before it
    /// is judged (section 4.3.2); otherwise, as a part of the origin, the layer judges by what is kept.
    ///
    /// Off by default, as the RFC allows: ten thousand clients that send `no-cache` are a stampede that they ask for.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").honor_client_directives();
    /// ```
    pub fn honor_client_directives(mut self) -> Self {
        self.settings.client_directives = true;
        self
    }

    /// `Authorization` is part of the key: each user has answers of their own.
    ///
    /// `X-Cache-Key` is then a digest of it, too: whoever reads that field in a log can try out guesses of a weak
    /// password. [`x_cache(false)`](CacheLayer::x_cache) leaves it out.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("dashboard").key_authorization();
    /// ```
    pub fn key_authorization(mut self) -> Self {
        self.settings.authorization = AuthorizationRule::Key;
        self
    }

    /// Whether answers say `X-Cache`, `X-Cache-Key` and `X-Query-Time-ms`. Default: as the whole cache.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").x_cache(false);
    /// ```
    pub fn x_cache(mut self, on: bool) -> Self {
        self.settings.fields.x_cache = on;
        self
    }

    /// Whether answers say `Cache-Status` (RFC 9211). Default: as the whole cache.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").cache_status(false);
    /// ```
    pub fn cache_status(mut self, on: bool) -> Self {
        self.settings.fields.cache_status = on;
        self
    }

    /// Whether answers stored under the layer's own lifetimes say so in `Cache-Control`. Default: as the whole cache.
    ///
    /// ```
    /// # let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("report").cache_control(false);
    /// ```
    pub fn cache_control(mut self, on: bool) -> Self {
        self.settings.fields.cache_control = on;
        self
    }

    /// Sets what `config` sets, and leaves the rest as it is: for settings from a file or the environment.
    ///
    /// ```
    /// use tower_swr::{HttpCache, RouteConfig};
    ///
    /// let mut config = RouteConfig::default(); // or from a file
    /// config.max_age_secs = Some(-5.0);
    ///
    /// let cache = HttpCache::in_memory(64 << 20);
    /// let refused = cache.layer("report").configured(&config).unwrap_err();
    /// assert_eq!(
    ///     refused.to_string(),
    ///     "max_age_secs = -5.0 of scope \"report\": give a number of seconds, 0 or more and at most 1.8e19"
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// For a value that the setter of the same name would panic at. The layer is lost then, as no half of a
    /// configuration is of use.
    #[must_use = "the settings are in the layer that is returned"]
    pub fn configured(mut self, config: &RouteConfig) -> Result<Self, ConfigError> {
        config
            .apply(&mut self.settings, self.cache.largest_body())
            .map_err(|refused| ConfigError::new(self.scope, refused))?;
        Ok(self)
    }

    /// What `rule` makes of a setter's value.
    #[track_caller]
    pub(crate) fn allowed<T: Clone + Debug, U>(
        &self,
        setter: &str,
        value: T,
        rule: impl FnOnce(T) -> Result<U, Refusal>,
    ) -> U {
        match rule(value.clone()) {
            Ok(allowed) => allowed,
            Err(refusal) => panic!("{setter}({value:?}) of scope {:?}: {refusal}", self.scope),
        }
    }

    #[track_caller]
    fn cookie_names(
        &self,
        setter: &str,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Vec<String> {
        let names = names.into_iter().map(Into::into).collect();
        self.allowed(setter, names, rules::cookie_names)
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    /// # Panics
    ///
    /// Where a layer of the same scope, but with other settings, has been applied before: they would share answers
    /// that they disagree about.
    fn layer(&self, inner: S) -> CacheService<S> {
        CacheService::new(inner, Route::new(&self.cache, self.scope, &self.settings))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn layer() -> CacheLayer {
        HttpCache::in_memory(1 << 20).layer("shop")
    }

    /// What the setter panics with.
    fn refusal(set: impl FnOnce(CacheLayer) -> CacheLayer) -> String {
        let panic = catch_unwind(AssertUnwindSafe(|| set(layer()))).expect_err("the setter panics");
        let text = panic.downcast::<String>();
        *text.expect("the panic has a text")
    }

    #[test]
    fn a_wrong_constant_is_named_with_its_rule() {
        assert_eq!(
            refusal(|layer| layer.ttl_jitter(1.5)),
            r#"ttl_jitter(1.5) of scope "shop": give a fraction in 0.0..=1.0"#
        );
        assert_eq!(
            refusal(|layer| layer.refresh_limit(0)),
            r#"refresh_limit(0) of scope "shop": nothing would ever be refreshed; allow at least 1"#
        );
        assert_eq!(
            refusal(|layer| layer.max_body(2 << 20)),
            "max_body(2097152) of scope \"shop\": the store keeps bodies of up to 122880 bytes; give 1 to 122880, or \
             allow larger entries with MemorySettings::with_largest_entry"
        );
        assert_eq!(
            refusal(|layer| layer.key_cookies(["a", "b=c"])),
            "key_cookies([\"a\", \"b=c\"]) of scope \"shop\": \"b=c\" cannot name a cookie; give a token as in RFC 6265 \
             section 4.1.1"
        );
        assert_eq!(
            refusal(|layer| layer.vary([HeaderName::from_static("*")])),
            "vary([\"*\"]) of scope \"shop\": \"*\" names no field, and answers that vary by it are never shared; name \
             the fields"
        );
    }

    #[test]
    fn no_timeout_is_zero() {
        let rule = r#"of scope "shop": nothing would ever be answered; give a time above zero"#;
        let zero = Duration::ZERO;
        assert_eq!(
            refusal(|layer| layer.origin_timeout(zero)),
            format!("origin_timeout(0ns) {rule}")
        );
        assert_eq!(
            refusal(|layer| layer.wait_timeout(zero)),
            format!("wait_timeout(0ns) {rule}")
        );
        assert_eq!(
            refusal(|layer| layer.body_idle_timeout(zero)),
            format!("body_idle_timeout(0ns) {rule}")
        );
    }

    #[test]
    fn a_configuration_changes_what_it_sets_and_nothing_else() {
        let told = layer().max_age(Duration::from_secs(5)).ignore_cookies();
        let untouched = told.clone().configured(&RouteConfig::default());
        assert_eq!(untouched.expect("it sets nothing").settings, told.settings);

        let config = RouteConfig {
            max_age_secs: Some(7.0),
            ..RouteConfig::default()
        };
        let configured = told.clone().configured(&config).expect("a good value");
        let by_hand = told.max_age(Duration::from_secs(7));
        assert_eq!(configured.settings, by_hand.settings);
    }

    #[test]
    fn a_configuration_is_held_to_the_limits_of_the_cache() {
        let config = RouteConfig {
            max_body_bytes: Some(200_000),
            ..RouteConfig::default()
        };
        assert!(layer().configured(&config).is_err());
        let larger = HttpCache::in_memory(64 << 20).layer("shop");
        assert!(larger.configured(&config).is_ok());
    }
}

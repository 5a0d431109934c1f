//! A route's settings as they stand in a file or in the environment: plain values, checked when a layer takes them.

use std::error::Error;
use std::fmt::{self, Debug};

use crate::query::QueryRule;
use crate::refresh_fields;
use crate::rules::{self, Refusal};
use crate::settings::{AuthorizationRule, CookieRule, Settings};

/// A route's settings from a file or the environment. What is not set stays as the layer has it.
///
/// A setter of [`CacheLayer`](crate::CacheLayer) takes constants, and panics at a wrong one; what an operator writes
/// comes in here, and is an error that says what to do. Each field goes by the name of its setter, where its meaning
/// and default are described, with the unit behind it.
///
/// With the feature `serde` it is read by whatever reads formats: JSON, TOML, environment variables. Whole numbers do
/// for seconds, and an unknown name is refused, as it is surely a misspelt one.
///
/// ```
/// # #[cfg(feature = "serde")] {
/// use std::collections::HashMap;
/// use tower_swr::{HttpCache, RouteConfig};
///
/// let file = r#"{
///     "news": { "max_age_secs": 300, "stale_if_error_secs": 3600, "vary": ["accept-language"] },
///     "shop": { "soft_timeout_secs": 0.3, "cookies": { "bypass_on": ["session"] }, "authorization": "ignore" }
/// }"#;
/// let routes: HashMap<String, RouteConfig> = serde_json::from_str(file)?;
///
/// let cache = HttpCache::in_memory(64 << 20);
/// let news = cache.layer("news").configured(&routes["news"])?;
/// let shop = cache.layer("shop").configured(&routes["shop"])?;
/// # }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// Without it, it is filled by hand:
///
/// ```
/// use tower_swr::{CookieConfig, HttpCache, RouteConfig};
///
/// let mut config = RouteConfig::default();
/// config.max_age_secs = Some(300.0);
/// config.cookies = Some(CookieConfig::Ignore);
/// let layer = HttpCache::in_memory(64 << 20).layer("news").configured(&config)?;
/// # Ok::<_, tower_swr::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct RouteConfig {
    /// [`CacheLayer::max_age`](crate::CacheLayer::max_age), in seconds.
    pub max_age_secs: Option<f64>,
    /// [`CacheLayer::stale_while_revalidate`](crate::CacheLayer::stale_while_revalidate), in seconds.
    pub stale_while_revalidate_secs: Option<f64>,
    /// [`CacheLayer::stale_if_error`](crate::CacheLayer::stale_if_error), in seconds.
    pub stale_if_error_secs: Option<f64>,
    /// [`CacheLayer::override_origin`](crate::CacheLayer::override_origin).
    pub override_origin: Option<bool>,
    /// [`CacheLayer::heuristic_freshness`](crate::CacheLayer::heuristic_freshness).
    pub heuristic_freshness: Option<bool>,
    /// [`CacheLayer::targeted_fields`](crate::CacheLayer::targeted_fields), the names of response fields.
    pub targeted_fields: Option<Vec<String>>,
    /// [`CacheLayer::client_max_age`](crate::CacheLayer::client_max_age), in seconds.
    pub client_max_age_secs: Option<f64>,
    /// [`CacheLayer::refresh_jitter`](crate::CacheLayer::refresh_jitter), in seconds.
    pub refresh_jitter_secs: Option<f64>,
    /// [`CacheLayer::ttl_jitter`](crate::CacheLayer::ttl_jitter), a fraction of the freshness, `0.0..=1.0`.
    pub ttl_jitter_fraction: Option<f64>,
    /// [`CacheLayer::refresh_limit`](crate::CacheLayer::refresh_limit), refreshes at one time.
    pub refresh_limit: Option<usize>,
    /// [`CacheLayer::origin_timeout`](crate::CacheLayer::origin_timeout), in seconds.
    pub origin_timeout_secs: Option<f64>,
    /// [`CacheLayer::wait_timeout`](crate::CacheLayer::wait_timeout), in seconds.
    pub wait_timeout_secs: Option<f64>,
    /// [`CacheLayer::soft_timeout`](crate::CacheLayer::soft_timeout), in seconds.
    pub soft_timeout_secs: Option<f64>,
    /// [`CacheLayer::body_idle_timeout`](crate::CacheLayer::body_idle_timeout), in seconds.
    pub body_idle_timeout_secs: Option<f64>,
    /// [`CacheLayer::max_body`](crate::CacheLayer::max_body), in bytes.
    pub max_body_bytes: Option<usize>,
    /// What of a query makes a difference.
    pub query: Option<QueryConfig>,
    /// Whether `No-Vary-Search` in answers counts: `CacheLayer::no_vary_search`. To say yes takes the feature of that name.
    pub no_vary_search: Option<bool>,
    /// [`CacheLayer::vary`](crate::CacheLayer::vary), the names of request fields.
    pub vary: Option<Vec<String>>,
    /// [`CacheLayer::refresh_fields`](crate::CacheLayer::refresh_fields), the names of request fields beside those that are on
    /// the list anyway.
    pub refresh_fields: Option<Vec<String>>,
    /// What a `Cookie` in a request means.
    pub cookies: Option<CookieConfig>,
    /// What `Authorization` in a request means.
    pub authorization: Option<AuthorizationConfig>,
    /// [`CacheLayer::honor_client_directives`](crate::CacheLayer::honor_client_directives).
    pub honor_client_directives: Option<bool>,
    /// [`CacheLayer::head_as_get`](crate::CacheLayer::head_as_get).
    pub head_as_get: Option<bool>,
    /// [`CacheLayer::etag`](crate::CacheLayer::etag).
    pub etag: Option<bool>,
    /// [`CacheLayer::x_cache`](crate::CacheLayer::x_cache).
    pub x_cache: Option<bool>,
    /// [`CacheLayer::cache_status`](crate::CacheLayer::cache_status).
    pub cache_status: Option<bool>,
    /// [`CacheLayer::cache_control`](crate::CacheLayer::cache_control).
    pub cache_control: Option<bool>,
}

/// What of a URI's query makes a difference to a route.
///
/// In a file `"as_is"`, `"sorted"`, `{"parameters": ["q", "page"]}` or `"ignore"`.
///
/// ```
/// use tower_swr::{QueryConfig, RouteConfig};
///
/// let mut config = RouteConfig::default();
/// config.query = Some(QueryConfig::Parameters(vec!["page".to_owned()]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum QueryConfig {
    /// All of it, as it is: what a layer does that was told nothing.
    AsIs,
    /// [`CacheLayer::sort_query`](crate::CacheLayer::sort_query).
    Sorted,
    /// [`CacheLayer::query_parameters`](crate::CacheLayer::query_parameters).
    Parameters(Vec<String>),
    /// [`CacheLayer::ignore_query`](crate::CacheLayer::ignore_query).
    Ignore,
}

/// What a `Cookie` in a request means to a route.
///
/// In a file `"bypass"`, `"ignore"`, `{"bypass_on": ["session"]}`, `{"key": ["currency"]}` or `"forward"`.
///
/// ```
/// use tower_swr::{CookieConfig, RouteConfig};
///
/// let mut config = RouteConfig::default();
/// config.cookies = Some(CookieConfig::Key(vec!["currency".to_owned()]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum CookieConfig {
    /// A request with any bypasses the cache: what a layer does that was told nothing.
    Bypass,
    /// [`CacheLayer::ignore_cookies`](crate::CacheLayer::ignore_cookies).
    Ignore,
    /// [`CacheLayer::bypass_on_cookies`](crate::CacheLayer::bypass_on_cookies).
    BypassOn(Vec<String>),
    /// [`CacheLayer::key_cookies`](crate::CacheLayer::key_cookies).
    Key(Vec<String>),
    /// [`CacheLayer::forward_cookies`](crate::CacheLayer::forward_cookies).
    Forward,
}

/// What `Authorization` in a request means to a route.
///
/// In a file `"bypass"`, `"ignore"`, `"key"` or `"forward"`.
///
/// ```
/// use tower_swr::{AuthorizationConfig, RouteConfig};
///
/// let mut config = RouteConfig::default();
/// config.authorization = Some(AuthorizationConfig::Key);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum AuthorizationConfig {
    /// A request with it bypasses the cache: what a layer does that was told nothing.
    Bypass,
    /// [`CacheLayer::ignore_authorization`](crate::CacheLayer::ignore_authorization).
    Ignore,
    /// [`CacheLayer::key_authorization`](crate::CacheLayer::key_authorization).
    Key,
    /// [`CacheLayer::forward_authorization`](crate::CacheLayer::forward_authorization).
    Forward,
}

/// A [`RouteConfig`] has a value that its setting cannot have.
///
/// Its text names the scope, the field, the value and what to do, for whoever wrote the value; programs should not rely
/// on its wording.
///
/// ```
/// use tower_swr::{HttpCache, RouteConfig};
///
/// let mut config = RouteConfig::default();
/// config.refresh_limit = Some(0);
/// let refused = HttpCache::in_memory(64 << 20).layer("news").configured(&config).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "refresh_limit = 0 of scope \"news\": nothing would ever be refreshed; allow at least 1"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct ConfigError {
    scope: &'static str,
    refused: Refused,
}

/// A field whose value was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    field: &'static str,
    value: String,
    refusal: Refusal,
}

/// `set!(config.field => place, rule)`: what the field holds, if anything, goes to its place if the rule allows it.
macro_rules! set {
    ($config:ident.$field:ident => $place:expr, $rule:expr) => {
        set(&mut $place, stringify!($field), &$config.$field, $rule)?
    };
}

impl RouteConfig {
    /// Writes what is set into `settings`, for a store that keeps bodies of up to `largest_body` bytes.
    pub(crate) fn apply(
        &self,
        settings: &mut Settings,
        largest_body: usize,
    ) -> Result<(), Refused> {
        let body_limit = |bytes| rules::body_limit(bytes, largest_body);
        let lifetimes = &mut settings.lifetimes;
        set!(self.max_age_secs => lifetimes.max_age, rules::seconds);
        set!(self.stale_while_revalidate_secs => lifetimes.stale_while_revalidate, rules::seconds);
        set!(self.stale_if_error_secs => lifetimes.stale_if_error, rules::seconds);
        set!(self.override_origin => lifetimes.override_origin, Ok);
        set!(self.heuristic_freshness => lifetimes.heuristic, Ok);
        set!(self.targeted_fields => lifetimes.targets, rules::targeted_names);
        set!(self.client_max_age_secs => settings.client_max_age, rules::seconds);

        let flights = &mut settings.flights;
        set!(self.refresh_jitter_secs => flights.refresh.refresh_jitter, rules::seconds);
        set!(self.ttl_jitter_fraction => flights.refresh.ttl_jitter, rules::fraction);
        set!(self.refresh_limit => flights.refreshes, rules::at_least_one);
        set!(self.origin_timeout_secs => flights.origin_timeout, rules::seconds_above_zero);
        set!(self.wait_timeout_secs => flights.wait_timeout, rules::seconds_above_zero);
        set!(self.soft_timeout_secs => flights.soft_timeout, rules::seconds);
        set!(self.body_idle_timeout_secs => settings.body_idle, rules::seconds_above_zero);
        set!(self.max_body_bytes => settings.max_body, body_limit);

        set!(self.query => settings.query, QueryConfig::rule);
        set!(self.no_vary_search => settings.no_vary_search, rules::no_vary_search);
        set!(self.vary => settings.vary, rules::vary_names);
        set!(self.refresh_fields => settings.refresh_fields, refresh_fields::names);
        set!(self.cookies => settings.cookies, CookieConfig::rule);
        set!(self.authorization => settings.authorization, AuthorizationConfig::rule);

        set!(self.honor_client_directives => settings.client_directives, Ok);
        set!(self.head_as_get => settings.head_as_get, Ok);

        set!(self.etag => settings.etag, Ok);
        let fields = &mut settings.fields;
        set!(self.x_cache => fields.x_cache, Ok);
        set!(self.cache_status => fields.cache_status, Ok);
        set!(self.cache_control => fields.cache_control, Ok);
        Ok(())
    }
}

fn set<T: Clone + Debug, U, P: From<U>>(
    place: &mut P,
    field: &'static str,
    value: &Option<T>,
    rule: impl FnOnce(T) -> Result<U, Refusal>,
) -> Result<(), Refused> {
    let Some(value) = value else { return Ok(()) };
    let allowed = rule(value.clone()).map_err(|refusal| Refused {
        field,
        value: format!("{value:?}"),
        refusal,
    })?;
    *place = P::from(allowed);
    Ok(())
}

impl QueryConfig {
    fn rule(self) -> Result<QueryRule, Refusal> {
        Ok(match self {
            Self::AsIs => QueryRule::AsIs,
            Self::Sorted => QueryRule::Sorted,
            Self::Parameters(names) => QueryRule::Only(rules::query_parameters(names)?),
            Self::Ignore => QueryRule::Ignore,
        })
    }
}

impl CookieConfig {
    fn rule(self) -> Result<CookieRule, Refusal> {
        Ok(match self {
            Self::Bypass => CookieRule::Bypass,
            Self::Ignore => CookieRule::Ignore,
            Self::BypassOn(names) => CookieRule::BypassOn(rules::cookie_names(names)?),
            Self::Key(names) => CookieRule::Key(rules::cookie_names(names)?),
            Self::Forward => CookieRule::Forward,
        })
    }
}

impl AuthorizationConfig {
    fn rule(self) -> Result<AuthorizationRule, Refusal> {
        Ok(match self {
            Self::Bypass => AuthorizationRule::Bypass,
            Self::Ignore => AuthorizationRule::Ignore,
            Self::Key => AuthorizationRule::Key,
            Self::Forward => AuthorizationRule::Forward,
        })
    }
}

impl ConfigError {
    pub(crate) fn new(scope: &'static str, refused: Refused) -> Self {
        Self { scope, refused }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refused {
            field,
            value,
            refusal,
        } = &self.refused;
        write!(f, "{field} = {value} of scope {:?}: {refusal}", self.scope)
    }
}

impl Error for ConfigError {}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName};
    use std::time::Duration;

    use super::*;
    use crate::settings::FieldFamilies;

    use crate::no_vary_search;

    const LARGEST_ENTRY: usize = 1000;

    fn defaults() -> Settings {
        Settings::new(FieldFamilies::default())
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    /// Every field set, to something else than its default.
    fn full() -> RouteConfig {
        RouteConfig {
            max_age_secs: Some(1.5),
            stale_while_revalidate_secs: Some(2.0),
            stale_if_error_secs: Some(3.0),
            override_origin: Some(true),
            heuristic_freshness: Some(true),
            targeted_fields: Some(vec![text("CDN-Cache-Control")]),
            client_max_age_secs: Some(4.0),
            refresh_jitter_secs: Some(5.0),
            ttl_jitter_fraction: Some(0.25),
            refresh_limit: Some(6),
            origin_timeout_secs: Some(7.0),
            wait_timeout_secs: Some(8.0),
            soft_timeout_secs: Some(0.0),
            body_idle_timeout_secs: Some(9.0),
            max_body_bytes: Some(LARGEST_ENTRY),
            query: Some(QueryConfig::Parameters(vec![text("page")])),
            no_vary_search: Some(no_vary_search::IS_ON),
            etag: Some(true),
            refresh_fields: Some(vec![text("X-Currency")]),
            vary: Some(vec![
                text("Accept-Language"),
                text("accept"),
                text("accept"),
            ]),
            cookies: Some(CookieConfig::Key(vec![text("currency")])),
            authorization: Some(AuthorizationConfig::Key),
            honor_client_directives: Some(true),
            head_as_get: Some(true),
            x_cache: Some(false),
            cache_status: Some(false),
            cache_control: Some(false),
        }
    }

    /// What a configuration with that one field is refused with.
    fn refusal(config: &RouteConfig) -> String {
        let refused = config.apply(&mut defaults(), LARGEST_ENTRY);
        ConfigError::new("s", refused.expect_err("the value is refused")).to_string()
    }

    #[test]
    fn what_is_not_set_stays() {
        let mut settings = defaults();
        full()
            .apply(&mut settings, LARGEST_ENTRY)
            .expect("good values");
        let before = settings.clone();
        let nothing = RouteConfig::default();
        nothing
            .apply(&mut settings, LARGEST_ENTRY)
            .expect("no values");
        assert_eq!(settings, before);
    }

    #[test]
    fn every_field_arrives_at_its_setting() {
        let secs = Duration::from_secs;
        let mut wanted = defaults();
        wanted.lifetimes.max_age = Duration::from_millis(1500);
        wanted.lifetimes.stale_while_revalidate = Some(secs(2));
        wanted.lifetimes.stale_if_error = Some(secs(3));
        wanted.lifetimes.override_origin = true;
        wanted.lifetimes.heuristic = true;
        wanted.lifetimes.targets = vec![HeaderName::from_static("cdn-cache-control")];
        wanted.query = QueryRule::Only(vec![text("page")]);
        wanted.no_vary_search = no_vary_search::IS_ON;
        wanted.etag = true;
        wanted.client_max_age = Some(secs(4));
        wanted.flights.refresh.refresh_jitter = secs(5);
        wanted.flights.refresh.ttl_jitter = 0.25;
        wanted.flights.refreshes = 6;
        wanted.flights.origin_timeout = secs(7);
        wanted.flights.wait_timeout = secs(8);
        wanted.flights.soft_timeout = Duration::ZERO;
        wanted.body_idle = secs(9);
        wanted.max_body = Some(LARGEST_ENTRY);
        let currency = HeaderName::from_static("x-currency");
        wanted.refresh_fields.push(currency);
        wanted
            .refresh_fields
            .sort_by(|a, b| a.as_str().cmp(b.as_str()));
        wanted.vary = vec![ACCEPT, ACCEPT_LANGUAGE];
        wanted.cookies = CookieRule::Key(vec![text("currency")]);
        wanted.authorization = AuthorizationRule::Key;
        wanted.client_directives = true;
        wanted.head_as_get = true;
        wanted.fields = FieldFamilies {
            x_cache: false,
            cache_status: false,
            cache_control: false,
        };

        let mut settings = defaults();
        full()
            .apply(&mut settings, LARGEST_ENTRY)
            .expect("good values");
        assert_eq!(settings, wanted);
    }

    #[test]
    fn a_layer_can_be_told_the_defaults_again() {
        let mut settings = defaults();
        full()
            .apply(&mut settings, LARGEST_ENTRY)
            .expect("good values");
        let config = RouteConfig {
            override_origin: Some(false),
            vary: Some(Vec::new()),
            cookies: Some(CookieConfig::Bypass),
            authorization: Some(AuthorizationConfig::Bypass),
            x_cache: Some(true),
            ..RouteConfig::default()
        };
        config
            .apply(&mut settings, LARGEST_ENTRY)
            .expect("good values");
        assert!(!settings.lifetimes.override_origin);
        assert!(settings.vary.is_empty());
        assert_eq!(settings.cookies, CookieRule::Bypass);
        assert_eq!(settings.authorization, AuthorizationRule::Bypass);
        assert!(settings.fields.x_cache);
    }

    #[test]
    fn a_bad_value_is_named_with_its_rule() {
        let none = RouteConfig::default;
        let refused = [
            (
                RouteConfig {
                    ttl_jitter_fraction: Some(1.5),
                    ..none()
                },
                r#"ttl_jitter_fraction = 1.5 of scope "s": give a fraction in 0.0..=1.0"#,
            ),
            (
                RouteConfig {
                    ttl_jitter_fraction: Some(f64::NAN),
                    ..none()
                },
                r#"ttl_jitter_fraction = NaN of scope "s": give a fraction in 0.0..=1.0"#,
            ),
            (
                RouteConfig {
                    refresh_limit: Some(0),
                    ..none()
                },
                r#"refresh_limit = 0 of scope "s": nothing would ever be refreshed; allow at least 1"#,
            ),
            (
                RouteConfig {
                    max_body_bytes: Some(1001),
                    ..none()
                },
                "max_body_bytes = 1001 of scope \"s\": the store keeps bodies of up to 1000 bytes; give 1 to 1000, or \
                 allow larger entries with MemorySettings::with_largest_entry",
            ),
            (
                RouteConfig {
                    vary: Some(vec![text("accept"), text("a b")]),
                    ..none()
                },
                "vary = [\"accept\", \"a b\"] of scope \"s\": \"a b\" cannot name a field; give a token as in \
                 RFC 9110 section 5.1",
            ),
            (
                RouteConfig {
                    vary: Some(vec![text("*")]),
                    ..none()
                },
                "vary = [\"*\"] of scope \"s\": \"*\" names no field, and answers that vary by it are never shared; \
                 name the fields",
            ),
            (
                RouteConfig {
                    cookies: Some(CookieConfig::BypassOn(vec![text("a;b")])),
                    ..none()
                },
                "cookies = BypassOn([\"a;b\"]) of scope \"s\": \"a;b\" cannot name a cookie; give a token as in \
                 RFC 6265 section 4.1.1",
            ),
            (
                RouteConfig {
                    cookies: Some(CookieConfig::Key(vec![text("")])),
                    ..none()
                },
                "cookies = Key([\"\"]) of scope \"s\": \"\" cannot name a cookie; give a token as in RFC 6265 \
                 section 4.1.1",
            ),
        ];
        for (config, message) in refused {
            assert_eq!(refusal(&config), message);
        }
    }

    type Place = fn(&mut RouteConfig) -> &mut Option<f64>;

    /// The lengths of time that may be zero, and those that may not.
    const SPANS: [(&str, bool, Place); 9] = [
        ("max_age_secs", true, |config| &mut config.max_age_secs),
        ("stale_while_revalidate_secs", true, |config| {
            &mut config.stale_while_revalidate_secs
        }),
        ("stale_if_error_secs", true, |config| {
            &mut config.stale_if_error_secs
        }),
        ("client_max_age_secs", true, |config| {
            &mut config.client_max_age_secs
        }),
        ("refresh_jitter_secs", true, |config| {
            &mut config.refresh_jitter_secs
        }),
        ("soft_timeout_secs", true, |config| {
            &mut config.soft_timeout_secs
        }),
        ("origin_timeout_secs", false, |config| {
            &mut config.origin_timeout_secs
        }),
        ("wait_timeout_secs", false, |config| {
            &mut config.wait_timeout_secs
        }),
        ("body_idle_timeout_secs", false, |config| {
            &mut config.body_idle_timeout_secs
        }),
    ];

    #[test]
    fn a_length_of_time_is_neither_negative_nor_endless() {
        for (name, _, place) in SPANS {
            for value in [-1.0, f64::NAN, f64::INFINITY, 1e20] {
                let mut config = RouteConfig::default();
                *place(&mut config) = Some(value);
                let message = format!(
                    "{name} = {value:?} of scope \"s\": give a number of seconds, 0 or more and at most 1.8e19"
                );
                assert_eq!(refusal(&config), message);
            }
        }
    }

    #[test]
    fn a_timeout_is_above_zero() {
        for (name, may_be_zero, place) in SPANS {
            let mut config = RouteConfig::default();
            *place(&mut config) = Some(0.0);
            if may_be_zero {
                config.apply(&mut defaults(), LARGEST_ENTRY).expect(name);
                continue;
            }
            let message = format!(
                "{name} = 0.0 of scope \"s\": nothing would ever be answered; give a time above zero"
            );
            assert_eq!(refusal(&config), message);
        }
    }

    #[cfg(feature = "serde")]
    mod json {
        use super::*;

        fn read(json: &str) -> Result<RouteConfig, serde_json::Error> {
            serde_json::from_str(json)
        }

        fn complaint(json: &str) -> String {
            read(json).expect_err("it is refused").to_string()
        }

        #[test]
        fn what_is_written_is_read_again() {
            for config in [full(), RouteConfig::default()] {
                let json = serde_json::to_string(&config).expect("a configuration can be written");
                assert_eq!(read(&json).expect("what was written can be read"), config);
            }
        }

        #[test]
        fn nothing_is_required() {
            assert_eq!(read("{}").expect("an empty one"), RouteConfig::default());
        }

        #[test]
        fn whole_numbers_do_for_seconds() {
            let config = read(r#"{"max_age_secs": 60}"#).expect("whole seconds");
            assert_eq!(config.max_age_secs, Some(60.0));
        }

        #[test]
        fn rules_read_as_they_are_documented() {
            let cookies = |json: &str| {
                let config = read(&format!(r#"{{"cookies": {json}}}"#));
                config.expect("a cookie rule").cookies
            };
            assert_eq!(cookies(r#""bypass""#), Some(CookieConfig::Bypass));
            assert_eq!(cookies(r#""ignore""#), Some(CookieConfig::Ignore));
            let names = vec![text("a"), text("b")];
            assert_eq!(
                cookies(r#"{"bypass_on": ["a", "b"]}"#),
                Some(CookieConfig::BypassOn(names.clone()))
            );
            assert_eq!(
                cookies(r#"{"key": ["a", "b"]}"#),
                Some(CookieConfig::Key(names))
            );

            let authorization = |json: &str| {
                let config = read(&format!(r#"{{"authorization": {json}}}"#));
                config.expect("an authorization rule").authorization
            };
            assert_eq!(
                authorization(r#""bypass""#),
                Some(AuthorizationConfig::Bypass)
            );
            assert_eq!(
                authorization(r#""ignore""#),
                Some(AuthorizationConfig::Ignore)
            );
            assert_eq!(authorization(r#""key""#), Some(AuthorizationConfig::Key));
        }

        #[test]
        fn an_unknown_name_is_refused() {
            let message = complaint(r#"{"max_age": 60}"#);
            assert!(
                message.starts_with("unknown field `max_age`, expected one of `max_age_secs`"),
                "{message}"
            );
            let message = complaint(r#"{"cookies": "ignroe"}"#);
            assert!(
                message.starts_with("unknown variant `ignroe`, expected one of `bypass`"),
                "{message}"
            );
        }

        #[test]
        fn a_value_of_another_kind_is_refused() {
            let message = complaint(r#"{"max_age_secs": "60 s"}"#);
            assert!(
                message.starts_with("invalid type: string \"60 s\", expected f64"),
                "{message}"
            );
            let message = complaint(r#"{"refresh_limit": -1}"#);
            assert!(
                message.starts_with("invalid value: integer `-1`, expected usize"),
                "{message}"
            );
        }
    }
}

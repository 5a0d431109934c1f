//! What the value of a setting must be like. One place for each rule: a setter of the layer panics where it is broken,
//! a [`RouteConfig`](crate::RouteConfig) is an error.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::HeaderName;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, EXPIRES, PROXY_AUTHORIZATION, SET_COOKIE,
};

use crate::no_vary_search;
use crate::request;

/// Which rule a value breaks, and what to do about it. The value itself is named by whoever reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(Cow<'static, str>);

/// A length of time, in seconds.
pub(crate) fn seconds(value: f64) -> Result<Duration, Refusal> {
    Duration::try_from_secs_f64(value)
        .map_err(|_| Refusal::new("give a number of seconds, 0 or more and at most 1.8e19"))
}

/// A length of time that somebody is given to do something.
pub(crate) fn above_zero(span: Duration) -> Result<Duration, Refusal> {
    match span.is_zero() {
        false => Ok(span),
        true => Err(Refusal::new(
            "nothing would ever be answered; give a time above zero",
        )),
    }
}

/// Both of the above.
pub(crate) fn seconds_above_zero(value: f64) -> Result<Duration, Refusal> {
    seconds(value).and_then(above_zero)
}

/// A part of a whole.
pub(crate) fn fraction(value: f64) -> Result<f64, Refusal> {
    match (0.0..=1.0).contains(&value) {
        true => Ok(value),
        false => Err(Refusal::new("give a fraction in 0.0..=1.0")),
    }
}

/// How many may run at one time.
pub(crate) fn at_least_one(most: usize) -> Result<usize, Refusal> {
    match most {
        0 => Err(Refusal::new(
            "nothing would ever be refreshed; allow at least 1",
        )),
        _ => Ok(most),
    }
}

/// The bytes of a body, for a store that keeps bodies of up to `most`.
pub(crate) fn body_limit(bytes: usize, most: usize) -> Result<usize, Refusal> {
    match (1..=most).contains(&bytes) {
        true => Ok(bytes),
        false => Err(Refusal::new(format!(
            "the store keeps bodies of up to {most} bytes; give 1 to {most}, or allow larger entries with \
             MemorySettings::with_largest_entry"
        ))),
    }
}

/// The names of cookies.
pub(crate) fn cookie_names(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_token_byte);
    match names.iter().find(|name| !is_name(name)) {
        None => Ok(names),
        Some(name) => Err(Refusal::new(format!(
            "{name:?} cannot name a cookie; give a token as in RFC 6265 section 4.1.1"
        ))),
    }
}

/// The names of request fields that are part of the key, each once and in order.
pub(crate) fn vary_fields(mut names: Vec<HeaderName>) -> Result<Vec<HeaderName>, Refusal> {
    if names.iter().any(|name| name == "*") {
        return Err(Refusal::new(
            "\"*\" names no field, and answers that vary by it are never shared; name the fields",
        ));
    }
    if let Some(name) = names.iter().find(|name| is_settled(name)) {
        return Err(Refusal::new(format!(
            "the handler does not see {name}, or only as the layer says by a setter of its own (.key_cookies([…]), \
             .key_authorization()); leave it out"
        )));
    }
    names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Ok(names)
}

fn is_settled(name: &HeaderName) -> bool {
    name == COOKIE
        || name == AUTHORIZATION
        || request::removed_fields().any(|removed| removed == name)
}

/// The same, as they are written.
pub(crate) fn vary_names(names: Vec<String>) -> Result<Vec<HeaderName>, Refusal> {
    vary_fields(fields(names)?)
}

/// The names of request fields that workers may be told.
pub(crate) fn told_fields(names: Vec<HeaderName>) -> Result<Vec<HeaderName>, Refusal> {
    if let Some(name) = names.iter().find(|name| is_secret(name)) {
        return Err(Refusal::new(format!(
            "{name} carries secrets, and whoever reads the queue reads what workers are told; leave it out: what depends \
             on it is refreshed in this process"
        )));
    }
    match names.iter().find(|name| is_settled(name)) {
        None => Ok(names),
        Some(name) => Err(Refusal::new(format!(
            "the handler does not see {name} when an answer is refreshed; leave it out"
        ))),
    }
}

/// The same, as they are written.
pub(crate) fn told_names(names: Vec<String>) -> Result<Vec<HeaderName>, Refusal> {
    told_fields(fields(names)?)
}

/// What is never told, whatever anybody wants.
pub(crate) fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE].contains(name)
}

/// Whether answers may say that parts of a query make no difference.
pub(crate) fn no_vary_search(is_heeded: bool) -> Result<bool, Refusal> {
    match is_heeded && !no_vary_search::IS_ON {
        false => Ok(is_heeded),
        true => Err(Refusal::new(
            "this program was built without it; turn on the feature `no-vary-search` of tower-swr",
        )),
    }
}

/// The names of fields that are heeded before `Cache-Control`.
pub(crate) fn targeted_fields(names: Vec<HeaderName>) -> Result<Vec<HeaderName>, Refusal> {
    match names
        .iter()
        .find(|name| [CACHE_CONTROL, EXPIRES].contains(name))
    {
        None => Ok(names),
        Some(name) => Err(Refusal::new(format!(
            "{name} is what other caches go by, and no dictionary as in RFC 9213; name a field for caches like this one"
        ))),
    }
}

/// The same, as they are written.
pub(crate) fn targeted_names(names: Vec<String>) -> Result<Vec<HeaderName>, Refusal> {
    targeted_fields(fields(names)?)
}

fn fields(names: Vec<String>) -> Result<Vec<HeaderName>, Refusal> {
    let field = |name: String| {
        HeaderName::try_from(&name).map_err(|_| {
            Refusal::new(format!(
                "{name:?} cannot name a field; give a token as in RFC 9110 section 5.1"
            ))
        })
    };
    names.into_iter().map(field).collect()
}

/// The names of the parameters of a query that count.
pub(crate) fn query_parameters(names: Vec<String>) -> Result<Vec<String>, Refusal> {
    match names.is_empty() {
        false => Ok(names),
        true => Err(Refusal::new(
            "none would count; name those that do, or ignore the query",
        )),
    }
}

/// RFC 9110 section 5.6.2.
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl Refusal {
    fn new(rule: impl Into<Cow<'static, str>>) -> Self {
        Self(rule.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

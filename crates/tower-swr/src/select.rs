//! What a request wants of an answer: all of it, a part, its fields, or only whether it has changed.

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, EXPIRES, HeaderName, HeaderValue, LAST_MODIFIED,
};
use http::{Response, StatusCode};

use crate::body::CacheBody;
use crate::conditions::{Conditions, Outcome};
use crate::policy::has_content;
use crate::question::Asked;
use crate::ranges::{self, Ranges};
use crate::response::StoredResponse;

/// What the request wants of a whole answer, which most want as it is.
#[inline]
pub(crate) fn selected<B>(
    response: Response<CacheBody<B>>,
    stored: &StoredResponse,
    asked: &Asked,
) -> Response<CacheBody<B>> {
    if !asked.head_only && asked.conditions.is_none() {
        return response;
    }
    let response = match &asked.conditions {
        Some(conditions) => select(response, stored, conditions, asked.head_only),
        None => response,
    };
    match asked.head_only {
        true => without_body(response, stored.body.len()),
        false => response,
    }
}

/// The answer that `conditions` select of a whole one (RFC 9110 section 13.2.2).
fn select<B>(
    mut response: Response<CacheBody<B>>,
    stored: &StoredResponse,
    conditions: &Conditions,
    head_only: bool,
) -> Response<CacheBody<B>> {
    if outcome(&response, conditions) != Outcome::Met {
        return under_conditions(response, conditions);
    }
    let length = stored.body.len();
    // A range means nothing but to a GET (RFC 9110 section 14.2).
    if head_only || response.status() != StatusCode::OK {
        return response;
    }
    match conditions.ranges(response.headers(), length as u64) {
        None => response,
        Some(Ranges::Some(parts)) => {
            let part = ranges::cut(&stored.body, &parts, response.headers_mut());
            let length = HeaderValue::from(part.len());
            response.headers_mut().insert(CONTENT_LENGTH, length);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            response.map(|_| CacheBody::stored(part))
        }
        Some(Ranges::Unsatisfiable) => {
            ranges::unsatisfiable(length, response.headers_mut());
            refused(response, StatusCode::RANGE_NOT_SATISFIABLE)
        }
    }
}

/// 304 or 412 in place of `response`, where `conditions` want that.
pub(crate) fn under_conditions<B>(
    response: Response<CacheBody<B>>,
    conditions: &Conditions,
) -> Response<CacheBody<B>> {
    match outcome(&response, conditions) {
        Outcome::Met => response,
        Outcome::NotModified => not_modified(response),
        Outcome::Failed => refused(response, StatusCode::PRECONDITION_FAILED),
    }
}

/// Conditions are for answers that would succeed (RFC 9110 section 13.2.1).
fn outcome<B>(response: &Response<B>, conditions: &Conditions) -> Outcome {
    match response.status().is_success() {
        true => conditions.outcome(response.headers()),
        false => Outcome::Met,
    }
}

/// What describes a body, and would be wrong or of no use without it.
const OF_THE_BODY: [HeaderName; 5] = [
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
];

/// RFC 9110 section 15.4.5: no body, and no field that describes one.
fn not_modified<B>(mut response: Response<CacheBody<B>>) -> Response<CacheBody<B>> {
    for name in OF_THE_BODY {
        response.headers_mut().remove(name);
    }
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.map(|_| CacheBody::empty())
}

/// An answer without content that is not about the body any more.
fn refused<B>(mut response: Response<CacheBody<B>>, status: StatusCode) -> Response<CacheBody<B>> {
    for name in [
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_TYPE,
        ETAG,
        LAST_MODIFIED,
    ] {
        response.headers_mut().remove(name);
    }
    let fields = response.headers_mut();
    let lifetimes: Vec<_> = fields
        .keys()
        .filter(|name| states_lifetime(name))
        .cloned()
        .collect();
    for name in lifetimes {
        fields.remove(name);
    }
    fields.insert(CONTENT_LENGTH, HeaderValue::from(0));
    // Nobody on the way is to keep a refusal.
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.status_mut() = status;
    response.map(|_| CacheBody::empty())
}

/// Fields that caches on the way may heed before `Cache-Control` (RFC 9213).
fn states_lifetime(name: &HeaderName) -> bool {
    *name == EXPIRES || name == "surrogate-control" || name.as_str().ends_with("cache-control")
}

/// The fields alone, with the `length` that the body has.
fn without_body<B>(mut response: Response<CacheBody<B>>, length: usize) -> Response<CacheBody<B>> {
    let has_content = has_content(response.status());
    let fields = response.headers_mut();
    if has_content && !fields.contains_key(CONTENT_LENGTH) {
        fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| CacheBody::empty())
}

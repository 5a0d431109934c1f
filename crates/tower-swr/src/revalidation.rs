//! Asking the origin whether what is kept is still good (RFC 9111 section 4.3).

use bytes::Bytes;
use http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, DATE, ETAG, HeaderName, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED,
};
use http::{HeaderMap, Response, StatusCode};

use crate::cache_policy::CachePolicy;
use crate::conditions::opaque;
use crate::response::StoredResponse;

/// Makes a request conditional on what is kept, where that has a validator: true if it has.
pub(crate) fn ask(kept: Option<&StoredResponse>, request: &mut HeaderMap) -> bool {
    // Only a 200 can be confirmed by a 304 that says nothing of its status.
    let Some(kept) = kept.filter(|kept| kept.head.status == StatusCode::OK) else {
        return false;
    };
    let fields = kept.head.origin_fields();
    for (validator, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
        if let Some(value) = fields.get(validator) {
            request.insert(condition, value.clone());
        }
    }
    request.contains_key(IF_NONE_MATCH) || request.contains_key(IF_MODIFIED_SINCE)
}

/// What the body that is kept depends on, and is not changed by a head without one (RFC 9111 section 3.2).
const OF_THE_BODY: [HeaderName; 4] = [
    CONTENT_ENCODING,
    CONTENT_RANGE,
    CONTENT_LENGTH,
    HeaderName::from_static("content-md5"),
];

/// The kept answer with what a 304 told in place of its own; nothing where the 304 speaks of another one.
pub(crate) fn confirmed(kept: &StoredResponse, told: &Response<()>) -> Option<Response<Bytes>> {
    let fields = told.headers();
    let mut merged = kept.head.origin_fields();
    if let (Some(theirs), Some(ours)) = (fields.get(ETAG), merged.get(ETAG))
        && opaque(theirs.as_bytes()) != opaque(ours.as_bytes())
    {
        return None;
    }
    // Where the 304 says none, it is the time of its arrival, as with any answer.
    merged.remove(DATE);
    for name in fields.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        merged.remove(name);
        for value in fields.get_all(name) {
            merged.append(name, value.clone());
        }
    }
    let mut confirmed = response(kept, merged);
    if let Some(policy) = told.extensions().get::<CachePolicy>() {
        confirmed.extensions_mut().insert(policy.clone());
    }
    Some(confirmed)
}

/// The kept answer as it is.
pub(crate) fn as_kept(kept: &StoredResponse) -> Response<Bytes> {
    response(kept, kept.head.origin_fields())
}

fn response(kept: &StoredResponse, fields: HeaderMap) -> Response<Bytes> {
    let mut response = Response::new(kept.body.clone());
    *response.status_mut() = kept.head.status;
    *response.headers_mut() = fields;
    if let Some(policy) = &kept.head.policy {
        response.extensions_mut().insert(CachePolicy::clone(policy));
    }
    response
}

//! Values of fields that say the same in many answers, kept once for the whole process.
//!
//! A hit clones every value of its head. A clone of shared memory counts itself in a line of memory that all cores
//! write to when they serve the same answer; a clone of static memory touches nothing.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use http::header::{self, HeaderName, HeaderValue};

/// How many are kept, and of what length: what is static is never freed. About 64 KiB.
const MOST: usize = 512;
const LONGEST: usize = 128;

/// Fields whose values come from a program's text, not from its data.
static NAMES: LazyLock<HashSet<HeaderName>> = LazyLock::new(|| {
    HashSet::from([
        header::ACCEPT_RANGES,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        header::CACHE_CONTROL,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_SECURITY_POLICY,
        header::CONTENT_TYPE,
        header::REFERRER_POLICY,
        header::SERVER,
        header::STRICT_TRANSPORT_SECURITY,
        header::VARY,
        header::X_CONTENT_TYPE_OPTIONS,
        header::X_FRAME_OPTIONS,
        header::X_XSS_PROTECTION,
        HeaderName::from_static("alt-svc"),
        HeaderName::from_static("cross-origin-embedder-policy"),
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderName::from_static("permissions-policy"),
        HeaderName::from_static("x-powered-by"),
    ])
});

/// The same value in static memory, where `name` is of those and there is room.
pub(crate) fn recurring(name: &HeaderName, value: &HeaderValue) -> Option<HeaderValue> {
    static VALUES: Mutex<Option<HashSet<&str>>> = Mutex::new(None);
    let text = value.to_str().ok()?;
    if value.is_sensitive() || text.len() > LONGEST || !NAMES.contains(name) {
        return None;
    }
    let mut values = VALUES.lock().unwrap_or_else(PoisonError::into_inner);
    let values = values.get_or_insert_default();
    let known = values.get(text).copied();
    let text = match known {
        Some(text) => text,
        None if values.len() < MOST => {
            let text: &'static str = Box::leak(text.into());
            values.insert(text);
            text
        }
        None => return None,
    };
    Some(HeaderValue::from_static(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recurs_is_kept_once() {
        let value = HeaderValue::from_static("text/x-recurring");
        let kept = [0, 1].map(|_| recurring(&header::CONTENT_TYPE, &value).expect("room"));
        assert_eq!(kept[0].as_bytes().as_ptr(), kept[1].as_bytes().as_ptr());
        assert_eq!(kept[0], value);
    }

    #[test]
    fn data_is_not_kept() {
        let value = HeaderValue::from_static("\"1\"");
        assert_eq!(recurring(&header::ETAG, &value), None);
        let long = HeaderValue::try_from("x".repeat(LONGEST + 1)).expect("a value");
        assert_eq!(recurring(&header::SERVER, &long), None);
        let mut secret = value;
        secret.set_sensitive(true);
        assert_eq!(recurring(&header::SERVER, &secret), None);
    }
}

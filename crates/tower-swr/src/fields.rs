//! The values of the fields that are written into every answer, ready-made where they are of a kind that recurs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::header::{AGE, HeaderName, HeaderValue};

use crate::stats::Verb;

pub(crate) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
pub(crate) const X_CACHE_KEY: HeaderName = HeaderName::from_static("x-cache-key");
pub(crate) const X_QUERY_TIME_MS: HeaderName = HeaderName::from_static("x-query-time-ms");
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// What a stored head begins with, in this order: fields that differ from answer to answer, as a hit has them. A hit
/// overwrites two of them in place, which costs less than to insert them.
pub(crate) fn of_a_hit(x_cache: bool, cache_status: bool) -> HeaderMap {
    let placeholder = HeaderValue::from_static("");
    // Room for a usual head: growing costs more than the room.
    let mut fields = HeaderMap::with_capacity(24);
    fields.insert(AGE, placeholder.clone());
    if cache_status {
        fields.insert(CACHE_STATUS, placeholder);
    }
    if x_cache {
        fields.insert(X_CACHE, self::x_cache(Verb::Hit));
        fields.insert(X_QUERY_TIME_MS, millis(Duration::ZERO));
    }
    fields
}

/// What `X-Cache` says.
pub(crate) fn x_cache(verb: Verb) -> HeaderValue {
    HeaderValue::from_static(match verb {
        Verb::Hit => "HIT",
        Verb::Stale => "STALE",
        Verb::Revalidated => "REVALIDATED",
        Verb::Miss => "MISS",
        Verb::Collapsed => "COLLAPSED",
        Verb::Pass => "PASS",
        Verb::Bypass => "BYPASS",
        Verb::Error => "ERROR",
    })
}

/// Numbers and times to live below this are ready-made: an hour in seconds.
const READY_MADE: usize = 3601;

/// Whole seconds, as `Age` wants them; RFC 9111 section 1.2.2 lets them end at 2^31.
pub(crate) fn seconds(span: Duration) -> HeaderValue {
    number(span.as_secs().min(1 << 31))
}

/// Whole milliseconds.
pub(crate) fn millis(span: Duration) -> HeaderValue {
    number(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

fn number(number: u64) -> HeaderValue {
    static NUMBERS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| ready_made("", READY_MADE));
    match NUMBERS.get(usize::try_from(number).unwrap_or(usize::MAX)) {
        Some(value) => value.clone(),
        None => HeaderValue::from(number),
    }
}

/// `prefix` followed by each number below `count`. The values point into one string that is never freed, so that a
/// clone of one touches no counter that other cores touch, too.
fn ready_made(prefix: &str, count: usize) -> Vec<HeaderValue> {
    let mut text = String::new();
    let mut ends = Vec::with_capacity(count);
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ = write!(text, "{prefix}{number}");
        ends.push(text.len());
    }
    let mut rest: &'static str = Box::leak(text.into_boxed_str());
    let mut start = 0;
    ends.into_iter()
        .map(|end| {
            let (value, behind) = rest.split_at(end - start);
            (rest, start) = (behind, end);
            HeaderValue::from_static(value)
        })
        .collect()
}

/// What `Cache-Status` says of one cache's handling (RFC 9211 section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStatus {
    pub(crate) hit: bool,
    /// Why the request went forward.
    pub(crate) fwd: Option<&'static str>,
    pub(crate) fwd_status: Option<u16>,
    /// Seconds of freshness left; negative once it is stale.
    pub(crate) ttl: Option<i64>,
    pub(crate) stored: bool,
    pub(crate) collapsed: bool,
    pub(crate) detail: Option<&'static str>,
}

/// Writes `Cache-Status` for a cache of one name.
#[derive(Debug)]
pub(crate) struct CacheStatusTable {
    name: &'static str,
    /// `name; hit; ttl=n`
    hits: Vec<HeaderValue>,
    /// `name; fwd=reason; collapsed`
    collapsed: [(&'static str, HeaderValue); FWD_REASONS.len()],
}

/// Why requests go forward that may find somebody else's call under way.
const FWD_REASONS: [&str; 4] = ["uri-miss", "vary-miss", "stale", "request"];

impl CacheStatusTable {
    /// The table of `name`: one per name and process, since its text is never freed.
    pub(crate) fn of(name: &'static str) -> &'static Self {
        static TABLES: Mutex<Option<HashMap<&str, &CacheStatusTable>>> = Mutex::new(None);
        let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
        tables
            .get_or_insert_default()
            .entry(name)
            .or_insert_with(|| {
                let hits = ready_made(&format!("{name}; hit; ttl="), READY_MADE);
                let collapsed = FWD_REASONS.map(|fwd| {
                    let text = format!("{name}; fwd={fwd}; collapsed").leak();
                    (fwd, HeaderValue::from_static(text))
                });
                Box::leak(Box::new(Self {
                    name,
                    hits,
                    collapsed,
                }))
            })
    }

    /// A hit with `ttl` seconds of freshness left.
    pub(crate) fn hit(&self, ttl: i64) -> HeaderValue {
        match usize::try_from(ttl).ok().and_then(|ttl| self.hits.get(ttl)) {
            Some(value) => value.clone(),
            None => self.value(&CacheStatus {
                hit: true,
                ttl: Some(ttl),
                ..CacheStatus::default()
            }),
        }
    }

    /// Somebody else's answer to a request that would have gone forward for the reason `fwd`.
    pub(crate) fn collapsed(&self, fwd: &'static str) -> HeaderValue {
        let mut ready = self.collapsed.iter();
        match ready.find(|(reason, _)| *reason == fwd) {
            Some((_, value)) => value.clone(),
            None => self.value(&CacheStatus {
                fwd: Some(fwd),
                collapsed: true,
                ..CacheStatus::default()
            }),
        }
    }

    /// What is said of an answer, ready-made where it can be.
    pub(crate) fn of_answer(&self, status: &CacheStatus) -> HeaderValue {
        match *status {
            CacheStatus {
                hit: true,
                ttl: Some(ttl),
                detail: None,
                ..
            } => self.hit(ttl),
            CacheStatus {
                collapsed: true,
                fwd: Some(fwd),
                fwd_status: None,
                ttl: None,
                detail: None,
                ..
            } => self.collapsed(fwd),
            _ => self.value(status),
        }
    }

    fn value(&self, status: &CacheStatus) -> HeaderValue {
        let mut text = String::with_capacity(96);
        text.push_str(self.name);
        if status.hit {
            text.push_str("; hit");
        }
        push(&mut text, "fwd", status.fwd);
        push(&mut text, "fwd-status", status.fwd_status);
        if status.stored {
            text.push_str("; stored");
        }
        if status.collapsed {
            text.push_str("; collapsed");
        }
        push(&mut text, "ttl", status.ttl);
        push(&mut text, "detail", status.detail);
        // Names, tokens and numbers.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(self.name))
    }
}

fn push(text: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = write!(text, "; {name}={value}");
    }
}

/// `theirs` and then `ours`: who is nearer to the client is named later (RFC 9211 section 2).
pub(crate) fn joined_status(theirs: &HeaderValue, ours: &HeaderValue) -> HeaderValue {
    let text = [theirs.as_bytes(), ours.as_bytes()].join(&b", "[..]);
    // Two values and a comma make a value.
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| ours.clone())
}

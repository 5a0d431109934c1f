//! The head of an answer that is shared: its fields, ready to be cloned and dated.

mod written;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, DATE, ETAG, HeaderName, HeaderValue, VARY, ValuesMut,
};
use http::{HeaderMap, StatusCode};
use tower_swr_core::{Lifetime, Moment};

use crate::cache_policy::CachePolicy;
use crate::fields::{
    self, CACHE_STATUS, CacheStatus, CacheStatusTable, X_CACHE, X_CACHE_KEY, X_QUERY_TIME_MS,
};
use crate::hop_by_hop;
use crate::no_vary_search::Variation;
use crate::policy;
use crate::recurring::recurring;
use crate::settings::Settings;
use crate::stats::Verb;

pub(crate) use written::Reading;

/// The status and the fields of an answer. The fields begin with what differs from answer to answer, as a hit has it.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    fields: HeaderMap,
    x_cache: bool,
    cache_status: bool,
    /// What caches nearer to the origin said.
    upstream_status: Option<HeaderValue>,
    /// When it came from the origin, and how old it was then.
    pub(crate) arrived: Moment,
    pub(crate) initial_age: Duration,
    /// The origin has only confirmed the answer that was kept before.
    pub(crate) revalidated: bool,
    /// The origin wants to be asked each time (RFC 9111 section 5.2.2.4).
    pub(crate) no_cache: bool,
    /// Its handler says that it is for everybody, whoever asked for it (RFC 9111 section 3.5).
    pub(crate) is_for_all: bool,
    /// The last `Cache-Control` is the layer's own.
    own_control: bool,
    /// The `ETag` is, or will be once the body is known.
    own_etag: bool,
    /// What the handler said to this cache alone.
    pub(crate) policy: Option<Arc<CachePolicy>>,
    weight: usize,
}

/// What a shared head is made of, beside the origin's fields.
pub(crate) struct Making<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) key: String,
    /// The lifetime, where it is the layer's own.
    pub(crate) own_lifetime: Option<Lifetime>,
    pub(crate) wall: SystemTime,
    pub(crate) arrived: Moment,
    pub(crate) initial_age: Duration,
    pub(crate) revalidated: bool,
    pub(crate) no_cache: bool,
    pub(crate) is_for_all: bool,
    pub(crate) policy: Option<Arc<CachePolicy>>,
}

/// What one answer says about itself.
pub(crate) struct Marks {
    pub(crate) verb: Verb,
    pub(crate) age: Duration,
    pub(crate) took: Duration,
    pub(crate) status: CacheStatus,
}

/// What the table of a `HeaderMap` costs per field.
const FIELD_OVERHEAD: usize = 112;

impl Head {
    /// The head that is shared, made of what the origin sent.
    pub(crate) fn new(status: StatusCode, mut origin: HeaderMap, making: Making<'_>) -> Self {
        let families = making.settings.fields;
        hop_by_hop::remove(&mut origin);
        // It is told anew with each answer.
        origin.remove(AGE);
        if !policy::has_content(status) {
            origin.remove(CONTENT_LENGTH);
        }
        let upstream_status = take_upstream_status(&mut origin, families.cache_status);
        if families.x_cache {
            origin.remove(X_CACHE);
            origin.remove(X_QUERY_TIME_MS);
            origin.remove(X_CACHE_KEY);
        }
        let own_control = add_own(&mut origin, &making);
        let mut fields = fields::of_a_hit(families.x_cache, families.cache_status);
        if families.x_cache {
            insert_text(&mut origin, X_CACHE_KEY, making.key);
        }
        copy_into(&origin, &mut fields);
        let has_own = making.settings.etag && status == StatusCode::OK;
        Self {
            status,
            weight: weight(&fields) + making.policy.as_deref().map_or(0, CachePolicy::weight),
            own_etag: has_own && !fields.contains_key(ETAG),
            policy: making.policy,
            fields,
            x_cache: families.x_cache,
            cache_status: families.cache_status,
            upstream_status,
            arrived: making.arrived,
            initial_age: making.initial_age,
            revalidated: making.revalidated,
            no_cache: making.no_cache,
            is_for_all: making.is_for_all,
            own_control,
        }
    }

    /// The fields of a fresh answer that was there at once, `age` old and fresh for `ttl` seconds more: two values differ from
    /// what is kept.
    pub(crate) fn fields_of_hit(
        &self,
        age: Duration,
        ttl: i64,
        table: &CacheStatusTable,
    ) -> HeaderMap {
        let mut fields = self.fields.clone();
        let mut places = fields.values_mut();
        write(&mut places, fields::seconds(age));
        if self.cache_status {
            write(&mut places, self.behind_upstream(table.hit(ttl)));
        }
        fields
    }

    /// The fields of one answer.
    pub(crate) fn fields(&self, marks: &Marks, table: &CacheStatusTable) -> HeaderMap {
        let mut fields = self.fields.clone();
        let mut places = fields.values_mut();
        write(&mut places, fields::seconds(marks.age));
        if self.cache_status {
            let ours = table.of_answer(&marks.status);
            write(&mut places, self.behind_upstream(ours));
        }
        if self.x_cache {
            write(&mut places, fields::x_cache(marks.verb));
            write(&mut places, fields::millis(marks.took));
        }
        fields
    }

    /// The fields as the origin sent them, but for what was added to `Vary`, which tells apart no more than the key.
    pub(crate) fn origin_fields(&self) -> HeaderMap {
        let mut fields = self.fields.clone();
        fields.remove(AGE);
        if self.x_cache {
            fields.remove(X_CACHE);
            fields.remove(X_QUERY_TIME_MS);
            fields.remove(X_CACHE_KEY);
        }
        if self.cache_status {
            fields.remove(CACHE_STATUS);
        }
        if self.own_etag {
            fields.remove(ETAG);
        }
        if self.own_control {
            drop_last(&mut fields, &CACHE_CONTROL);
        }
        fields
    }

    /// Adds what is said of a `body`, once it is there: its length, and an `ETag` of the layer's own, where one is wanted.
    ///
    /// Whoever sends the answer would add the length itself, and the table of its fields would grow for that each time.
    pub(crate) fn describe(&mut self, body: &[u8]) {
        if policy::has_content(self.status) && !self.fields.contains_key(CONTENT_LENGTH) {
            insert_text(&mut self.fields, CONTENT_LENGTH, body.len().to_string());
        }
        if self.own_etag {
            let digest = blake3::hash(body);
            let etag = format!("\"{}\"", &digest.to_hex()[..32]);
            insert_text(&mut self.fields, ETAG, etag);
        }
        let policy = self.policy.as_deref().map_or(0, CachePolicy::weight);
        self.weight = weight(&self.fields) + policy;
    }

    /// For which other queries the answer is good, as it says itself.
    pub(crate) fn variation(&self) -> Option<Variation> {
        Variation::of(&self.fields)
    }

    pub(crate) fn age(&self, now: Moment) -> Duration {
        now.since(self.arrived).saturating_add(self.initial_age)
    }

    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Our `Cache-Status` behind those of caches nearer to the origin.
    fn behind_upstream(&self, ours: HeaderValue) -> HeaderValue {
        match &self.upstream_status {
            None => ours,
            Some(theirs) => fields::joined_status(theirs, &ours),
        }
    }
}

/// Puts `value` in the next of the places that a head begins with.
fn write(places: &mut ValuesMut<'_, HeaderValue>, value: HeaderValue) {
    if let Some(place) = places.next() {
        *place = value;
    }
}

/// What caches nearer to the origin said, as one value, where ours is to follow it.
fn take_upstream_status(fields: &mut HeaderMap, wanted: bool) -> Option<HeaderValue> {
    let values: Vec<&[u8]> = fields
        .get_all(CACHE_STATUS)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let joined = HeaderValue::from_bytes(&values.join(&b", "[..])).ok();
    if wanted {
        fields.remove(CACHE_STATUS);
    }
    joined.filter(|joined| wanted && !joined.is_empty())
}

/// `Date` where there is none (RFC 9110 section 6.6.1), and what the layer's own settings ask for. Whether that is a
/// `Cache-Control`.
fn add_own(fields: &mut HeaderMap, making: &Making<'_>) -> bool {
    if !fields.contains_key(DATE) {
        insert_text(fields, DATE, httpdate::fmt_http_date(making.wall));
    }
    add_vary(fields, &making.settings.vary);
    let is_wanted = making.settings.fields.cache_control
        && (making.settings.lifetimes.override_origin || !policy::states_lifetime(fields));
    let Some(lifetime) = making.own_lifetime.filter(|_| is_wanted) else {
        return false;
    };
    if making.settings.lifetimes.override_origin {
        drop_lifetimes(fields);
    }
    // What is there (`public`, say) states no lifetime, so it is added to.
    append_text(
        fields,
        CACHE_CONTROL,
        cache_control(&lifetime, making.settings.client_max_age),
    );
    add_vary(fields, &making.settings.advertised_vary());
    true
}

fn cache_control(lifetime: &Lifetime, client_max_age: Option<Duration>) -> String {
    /// RFC 9111 section 1.2.2: more than anybody's cache needs to count to.
    const MOST: u64 = 1 << 31;
    let secs = |span: Duration| span.as_secs().min(MOST);
    let max_age = secs(client_max_age.unwrap_or(lifetime.fresh()));
    let mut text = format!("max-age={max_age}");
    for (name, span) in [
        ("stale-while-revalidate", lifetime.stale_window()),
        ("stale-if-error", lifetime.error_window()),
    ] {
        if !span.is_zero() {
            text.push_str(&format!(", {name}={}", secs(span)));
        }
    }
    text
}

/// Two lifetimes would contradict each other, and the first counts (RFC 9111 section 4.2.1).
fn drop_lifetimes(fields: &mut HeaderMap) {
    let beside = HeaderValue::from_bytes(&policy::beside_lifetimes(fields));
    fields.remove(CACHE_CONTROL);
    // Parts of values that were values are one.
    if let Some(beside) = beside.ok().filter(|beside| !beside.is_empty()) {
        fields.insert(CACHE_CONTROL, beside);
    }
}

/// Adds `names` to `Vary`. What comes of it is one line, since each hit pays for each.
fn add_vary(fields: &mut HeaderMap, names: &[HeaderName]) {
    let lines: Vec<&[u8]> = fields
        .get_all(VARY)
        .into_iter()
        .map(HeaderValue::as_bytes)
        .collect();
    let mut text = lines.join(&b", "[..]);
    for name in names.iter().map(|name| name.as_str().as_bytes()) {
        let mut members = text.split(|byte| *byte == b',');
        if !members.any(|member| member.trim_ascii().eq_ignore_ascii_case(name)) {
            let separator = if text.is_empty() { "" } else { ", " };
            text = [&text, separator.as_bytes(), name].concat();
        }
    }
    // Parts of values that were values, and names.
    if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_bytes(&text)) {
        fields.insert(VARY, value);
    }
}

fn drop_last(fields: &mut HeaderMap, name: &HeaderName) {
    let values: Vec<HeaderValue> = fields.get_all(name).into_iter().cloned().collect();
    fields.remove(name);
    for value in values.iter().rev().skip(1).rev() {
        fields.append(name, value.clone());
    }
}

fn insert_text(fields: &mut HeaderMap, name: HeaderName, text: String) {
    // Made of digits, tokens, dates and a scope's name, so it is a value.
    if let Ok(value) = HeaderValue::try_from(text) {
        fields.insert(name, value);
    }
}

fn append_text(fields: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        fields.append(name, value);
    }
}

/// Copies all fields, their values into one piece of memory of their own: the origin's may be slices that hold a
/// connection's whole read buffer.
fn copy_into(origin: &HeaderMap, fields: &mut HeaderMap) {
    let values: Vec<_> = origin
        .iter()
        .map(|(name, value)| (name, value, recurring(name, value)))
        .collect();
    let own = || values.iter().filter(|(.., known)| known.is_none());
    let mut text = Vec::with_capacity(own().map(|(_, value, _)| value.len()).sum());
    own().for_each(|(_, value, _)| text.extend_from_slice(value.as_bytes()));
    let mut rest = Bytes::from(text);
    for (name, value, known) in &values {
        let copy = known
            .clone()
            .unwrap_or_else(|| copied(value, rest.split_to(value.len())));
        fields.append(*name, copy);
    }
}

/// `value` in other memory, where its `text` is already.
fn copied(value: &HeaderValue, text: Bytes) -> HeaderValue {
    // Bytes of a value are a value; the original is the way out that never is taken.
    let mut copy = HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| value.clone());
    copy.set_sensitive(value.is_sensitive());
    copy
}

fn weight(fields: &HeaderMap) -> usize {
    let texts: usize = fields
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    texts + fields.capacity() * FIELD_OVERHEAD
}

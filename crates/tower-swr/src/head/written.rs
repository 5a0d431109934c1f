//! A head for other processes: written as it is served, so that whoever reads it has nothing to make of it anew.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AGE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use tower_swr_core::Moment;

use super::{Head, insert_text, weight};
use crate::cache_policy::CachePolicy;
use crate::far::{Pen, Reader};
use crate::fields::{self, CACHE_STATUS, X_CACHE, X_CACHE_KEY, X_QUERY_TIME_MS};
use crate::settings::FieldFamilies;

const REVALIDATED: u8 = 1;
const NO_CACHE: u8 = 1 << 1;
const FOR_ALL: u8 = 1 << 2;
const OWN_CONTROL: u8 = 1 << 3;
const OWN_ETAG: u8 = 1 << 4;
const KNOWN: u8 = (1 << 5) - 1;

/// What whoever reads a head adds to it.
pub(crate) struct Reading {
    pub(crate) families: FieldFamilies,
    /// What `X-Cache-Key` says.
    pub(crate) key: String,
    pub(crate) arrived: Moment,
    pub(crate) age: Duration,
}

impl Head {
    pub(crate) fn write(&self, pen: &mut Pen) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        pen.u16(self.status.as_u16());
        pen.u8(flag(self.revalidated, REVALIDATED)
            | flag(self.no_cache, NO_CACHE)
            | flag(self.is_for_all, FOR_ALL)
            | flag(self.own_control, OWN_CONTROL)
            | flag(self.own_etag, OWN_ETAG));
        pen.optional(self.upstream_status.as_ref(), write_value);
        pen.optional(self.policy.as_deref(), write_policy);
        let fields: Vec<_> = self
            .fields
            .iter()
            .filter(|(name, _)| !self.is_ours(name))
            .collect();
        pen.list(&fields, |pen, (name, value)| {
            pen.text(name.as_str().as_bytes());
            write_value(pen, value);
        });
    }

    /// What differs from answer to answer, and from process to process.
    fn is_ours(&self, name: &HeaderName) -> bool {
        *name == AGE
            || (self.cache_status && *name == CACHE_STATUS)
            || (self.x_cache && [X_CACHE, X_QUERY_TIME_MS, X_CACHE_KEY].contains(name))
    }

    /// Takes back what [`Head::write`] wrote; nothing where it wrote no such thing.
    pub(crate) fn read(reader: &mut Reader, reading: Reading) -> Option<Self> {
        let status = StatusCode::from_u16(reader.u16()?).ok()?;
        let flags = reader.u8().filter(|flags| flags & !KNOWN == 0)?;
        let upstream_status = reader.optional(read_value)?;
        let policy = reader.optional(read_policy)?.map(Arc::new);
        let FieldFamilies {
            x_cache,
            cache_status,
            ..
        } = reading.families;
        let mut fields = fields::of_a_hit(x_cache, cache_status);
        if x_cache {
            insert_text(&mut fields, X_CACHE_KEY, reading.key);
        }
        read_fields(reader, &mut fields)?;
        Some(Self {
            status,
            weight: weight(&fields) + policy.as_deref().map_or(0, CachePolicy::weight),
            fields,
            x_cache,
            cache_status,
            upstream_status: upstream_status.filter(|_| cache_status),
            arrived: reading.arrived,
            initial_age: reading.age,
            revalidated: flags & REVALIDATED != 0,
            no_cache: flags & NO_CACHE != 0,
            is_for_all: flags & FOR_ALL != 0,
            own_control: flags & OWN_CONTROL != 0,
            own_etag: flags & OWN_ETAG != 0,
            policy,
        })
    }
}

/// Behind what is there already, which no field may take the place of.
fn read_fields(reader: &mut Reader, fields: &mut HeaderMap) -> Option<()> {
    let read = reader.list(|reader| {
        let name = HeaderName::from_bytes(&reader.text()?).ok()?;
        Some((name, read_value(reader)?))
    })?;
    let of_ours = fields.clone();
    for (name, value) in read
        .into_iter()
        .filter(|(name, _)| !of_ours.contains_key(name))
    {
        fields.try_append(name, value).ok()?;
    }
    Some(())
}

fn write_value(pen: &mut Pen, value: &HeaderValue) {
    pen.u8(u8::from(value.is_sensitive()));
    pen.text(value.as_bytes());
}

fn read_value(reader: &mut Reader) -> Option<HeaderValue> {
    let is_sensitive = reader.u8()? != 0;
    let mut value = HeaderValue::from_maybe_shared(reader.text()?).ok()?;
    value.set_sensitive(is_sensitive);
    Some(value)
}

fn write_policy(pen: &mut Pen, policy: &CachePolicy) {
    pen.optional(policy.max_age, Pen::span);
    pen.optional(policy.stale_while_revalidate, Pen::span);
    pen.optional(policy.stale_if_error, Pen::span);
    pen.list(&policy.tags, |pen, tag| pen.text(tag.as_bytes()));
}

fn read_policy(reader: &mut Reader) -> Option<CachePolicy> {
    Some(CachePolicy {
        max_age: reader.optional(Reader::span)?,
        stale_while_revalidate: reader.optional(Reader::span)?,
        stale_if_error: reader.optional(Reader::span)?,
        tags: reader.list(|reader| String::from_utf8(reader.text()?.into()).ok())?,
        // Otherwise there would be nothing to read.
        passes: false,
    })
}

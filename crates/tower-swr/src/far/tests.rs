use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use proptest::collection::vec;
use proptest::prelude::*;
use tower_swr_core::{Key, KeyText, Moment};

use super::*;
use crate::cache_policy::CachePolicy;
use crate::head::{Making, Marks};
use crate::settings::{FieldFamilies, Settings};
use crate::stats::Verb;

fn scope() -> Arc<Scope> {
    Arc::new(Scope::new(
        "s",
        Settings::new(FieldFamilies::default()),
        1 << 20,
        true,
    ))
}

fn key() -> Key {
    let mut text = KeyText::new("s");
    text.push(b"/a");
    text.key().to_key()
}

fn received(key: &Key, kind: u16, head: Bytes, body: Bytes) -> Received<'_> {
    Received::new(key, kind, head, body)
        .aged(Duration::from_secs(7))
        .at(Moment::ORIGIN)
}

fn stored(fields: HeaderMap, policy: Option<CachePolicy>) -> StoredResponse {
    let (scope, key) = (scope(), key());
    let making = Making {
        settings: scope.settings(),
        key: key::public_form(&key),
        own_lifetime: Some(tower_swr_core::Lifetime::fresh_for(Duration::from_secs(60))),
        wall: std::time::SystemTime::UNIX_EPOCH,
        arrived: Moment::ORIGIN,
        initial_age: Duration::ZERO,
        revalidated: false,
        no_cache: true,
        is_for_all: false,
        policy: policy.map(Arc::new),
    };
    let names = VaryNames::parse(&fields, &[]).unwrap_or_default();
    let selection = Selection::of(names, &fields);
    let head = Head::new(StatusCode::NOT_FOUND, fields, making);
    StoredResponse::new(head, Bytes::from_static(b"body"), Some(selection))
}

fn served(head: &Head) -> HeaderMap {
    let marks = Marks {
        verb: Verb::Hit,
        age: Duration::from_secs(7),
        took: Duration::ZERO,
        status: crate::fields::CacheStatus {
            hit: true,
            ttl: Some(3),
            ..Default::default()
        },
    };
    head.fields(&marks, crate::fields::CacheStatusTable::of("c"))
}

fn again(held: &Held) -> Held {
    let (codec, key) = (HeldCodec::of(&scope()), key());
    let Encoded { kind, head, body } = codec.encode(held).expect("it is for everybody");
    let decoded = codec.decode(received(&key, kind, head, body));
    decoded.expect("it is as it was written").value
}

fn name() -> impl Strategy<Value = HeaderName> {
    const KNOWN: [&str; 8] = [
        "vary",
        "etag",
        "cache-control",
        "age",
        "x-cache",
        "cache-status",
        "date",
        "x-own",
    ];
    proptest::sample::select(&KNOWN[..]).prop_map(HeaderName::from_static)
}

fn fields() -> impl Strategy<Value = HeaderMap> {
    // Few values: what recurs is kept for good.
    const VALUES: [&str; 7] = ["", "a", "a, b", "accept", "max-age=5", "\"x\"", "public"];
    let value = proptest::sample::select(&VALUES[..]).prop_map(HeaderValue::from_static);
    vec((name(), value), 0..8).prop_map(|lines| lines.into_iter().collect())
}

proptest! {
    #[test]
    fn an_answer_is_served_elsewhere_as_it_is_here(fields in fields(), tag in "[a-z]{0,5}") {
        let policy = CachePolicy::new().max_age(Duration::MAX).tag(tag);
        let here = stored(fields.clone(), Some(policy));
        let expected = (served(&here.head), here.head.origin_fields(), here.head.policy.clone());
        let Held::Response(there) = again(&Held::Response(here)) else {
            panic!("an answer is an answer");
        };
        prop_assert_eq!((served(&there.head), there.head.origin_fields(), there.head.policy.clone()), expected);
        prop_assert_eq!(there.head.status, StatusCode::NOT_FOUND);
        prop_assert!(there.head.no_cache && !there.head.is_for_all);
        prop_assert_eq!(&there.body[..], b"body");
        prop_assert!(there.selection.expect("it varies").matches(&fields));
        prop_assert_eq!(there.head.age(Moment::ORIGIN), Duration::from_secs(7));
    }

    #[test]
    fn whatever_is_read_there_is_no_panic(kind in 0_u16..4, bytes in vec(any::<u8>(), 0..200)) {
        let (codec, key) = (HeldCodec::of(&scope()), key());
        let _ = codec.decode(received(&key, kind, bytes.into(), Bytes::new()));
    }

    #[test]
    fn what_is_cut_short_or_goes_on_is_no_answer(fields in fields(), cut in any::<prop::sample::Index>()) {
        let (codec, key) = (HeldCodec::of(&scope()), key());
        let held = Held::Response(stored(fields, None));
        let Encoded { kind, head, .. } = codec.encode(&held).expect("it is for everybody");
        let short = head.slice(..cut.index(head.len()));
        prop_assert!(codec.decode(received(&key, kind, short, Bytes::new())).is_none());
        let long = [&head[..], b"x"].concat().into();
        prop_assert!(codec.decode(received(&key, kind, long, Bytes::new())).is_none());
    }

    #[test]
    fn a_changed_byte_is_no_panic(fields in fields(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (codec, key) = (HeldCodec::of(&scope()), key());
        let held = Held::Response(stored(fields, None));
        let Encoded { kind, head, .. } = codec.encode(&held).expect("it is for everybody");
        let mut changed = head.to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        let _ = codec.decode(received(&key, kind, changed.into(), Bytes::new()));
    }
}

#[test]
fn an_index_keeps_its_names_and_leads() {
    let mut fields = HeaderMap::new();
    fields.insert("vary", HeaderValue::from_static("accept, accept-language"));
    let names = VaryNames::parse(&fields, &[]).expect("names");
    let (codec, key) = (HeldCodec::of(&scope()), key());
    let held = Held::Variants(Variants::new(names.clone()));
    let Encoded { kind, head, body } = codec.encode(&held).expect("it is for everybody");
    let decoded = codec.decode(received(&key, kind, head, body));
    let decoded = decoded.expect("it is as it was written");
    assert!(decoded.leads);
    assert!(matches!(decoded.value, Held::Variants(there) if there.names == names));
}

#[test]
fn another_layout_and_another_kind_are_no_answers() {
    let (codec, key) = (HeldCodec::of(&scope()), key());
    let held = Held::Response(stored(HeaderMap::new(), None));
    let Encoded { kind, head, .. } = codec.encode(&held).expect("it is for everybody");
    let other = [&[LAYOUT + 1], &head[1..]].concat().into();
    assert!(
        codec
            .decode(received(&key, kind, other, Bytes::new()))
            .is_none()
    );
    assert!(
        codec
            .decode(received(&key, 9, head, Bytes::new()))
            .is_none()
    );
}

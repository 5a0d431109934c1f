//! What else is found there: memories of what may not be shared, variants, streams.

use super::{Plain, far_value, lead, settle};
use crate::support::{House, Part, Parts, World, key, minute, partial, product, secs, whole};
use futures_util::FutureExt;
use tower_swr_core::{
    Acquired, Answer, Beside, Ending, FarKey, FarStore, Fate, Fetched, Keep, Key, Landed,
    NoPartial, Outcome, Product, Remember,
};

/// An answer of `key` may not be shared, which is remembered here and there.
fn remember_uncacheable(house: &Plain, key: &Key) {
    let remember = Some(Remember::default());
    lead(house, key).spawn(std::future::ready(Fetched::Pass { remember }));
    settle(&[house]);
}

#[test]
fn what_may_not_be_shared_is_remembered_everywhere() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    remember_uncacheable(&one, &a);
    world.clock.advance(secs(100));
    let fill = lead(&other, &a);
    let mut waiting = fill.waiting();
    fill.spawn(other.origin.call(async { whole(2, Keep::Share) }));
    settle(&[&other]);
    assert!(matches!((&mut waiting).now_or_never(), Some(Outcome::Pass)));
    assert_eq!(other.origin.calls(), 0, "the call is dropped, not made");
    assert!(other.is_uncacheable(&a));
    world.clock.advance(secs(20));
    assert!(
        !other.is_uncacheable(&a),
        "no longer than it was remembered"
    );
}

#[test]
fn the_memory_of_what_may_not_be_shared_ends_everywhere_with_the_next_answer_that_may() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    remember_uncacheable(&one, &a);
    one.cache.forget_uncacheable(&a.borrowed());
    assert!(!one.is_uncacheable(&a));
    assert_eq!(one.answer(&a, one.origin.makes(1, minute())), 1);
    assert_eq!(one.origin.calls(), 1, "what is remembered there is over");
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    assert_eq!(other.origin.calls(), 0);
}

fn variant(name: &str) -> Key {
    let mut text = key("a").borrowed().to_text();
    text.end_primary();
    text.push(name.as_bytes());
    text.key().to_key()
}

/// An answer of the variant `de`, with what leads there.
fn german(value: u32) -> Fetched<u32, NoPartial> {
    Fetched::Whole {
        product: Product {
            key: Some(variant("de")),
            ..product(value)
        },
        beside: Some(Beside {
            key: key("a"),
            value: 1_000_001,
            weight: 0,
        }),
    }
}

fn landed(house: &Plain, key: &Key) -> Landed<u32, NoPartial> {
    let fill = lead(house, key);
    let waiting = fill.waiting();
    fill.spawn(house.origin.call(async { german(9) }));
    settle(&[house]);
    match waiting.now_or_never() {
        Some(Outcome::Landed(landed)) => landed,
        other => panic!("it has landed: {other:?}"),
    }
}

#[test]
fn a_variant_is_found_by_way_of_what_leads_to_it() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    lead(&one, &key("a")).spawn(std::future::ready(german(1)));
    settle(&[&one]);
    for (key, value) in [(key("a"), 1_000_001), (variant("de"), 1)] {
        let Landed { answer, fate, .. } = landed(&other, &key);
        assert!(matches!(answer, Answer::Whole(entry) if *entry.value() == value));
        assert_eq!(fate, Fate::Found { waited: false });
        assert_eq!(other.kept(&key), Some(value));
    }
    assert_eq!(other.origin.calls(), 0);
    one.cache.purge(key("a").borrowed().resource());
    settle(&[&one, &other]);
    assert_eq!(other.kept(&variant("de")), None);
    let landed = landed(&other, &variant("de"));
    assert_eq!(landed.fate, Fate::Stored, "a purge concerns the variants");
}

#[test]
fn a_stream_is_committed_when_it_is_whole() {
    let world = World::new();
    let (one, node) = world.connected::<Part>();
    let other: House<Part> = world.house();
    let (end, ended) = tokio::sync::oneshot::channel();
    let fill = lead(&one, &key("a"));
    let mut first = fill.waiting();
    fill.spawn(std::future::ready(Fetched::Stream {
        partial: Parts::default().part(1),
        keep: Keep::Store(minute()),
        key: None,
        tags: Default::default(),
        beside: None,
        rest: Box::pin(async { ended.await.expect("a test says how it ends") }),
    }));
    let fill = lead(&other, &key("a"));
    let mut second = fill.waiting();
    fill.spawn(std::future::pending());
    settle(&[&one, &other]);
    assert!(partial((&mut first).now_or_never()).is_some());
    assert!((&mut second).now_or_never().is_none());
    assert!(far_value(&node, "a").is_none());
    let ending = Ending::Complete {
        product: Some(product(1)),
        tell: Box::new(|| ()),
    };
    assert!(end.send(ending).is_ok(), "it is under way");
    settle(&[&one, &other]);
    assert!(far_value(&node, "a").is_some());
    let second = (&mut second).now_or_never();
    assert!(
        matches!(second, Some(Outcome::Landed(landed)) if landed.fate == Fate::Found { waited: true })
    );
}

/// The call that brought it had begun before: all that the stream took counts, and not its head alone.
#[test]
fn a_stream_that_was_softly_purged_on_its_way_is_stale_for_who_finds_it() {
    for is_purged in [true, false] {
        let world = World::new();
        let one: House<Part> = world.house();
        let [purger, third]: [Plain; 2] = world.houses();
        // It hears of what is purged from now on.
        third.answer(&key("b"), third.origin.makes(9, minute()));
        let (end, ended) = tokio::sync::oneshot::channel();
        lead(&one, &key("a")).spawn(std::future::ready(Fetched::Stream {
            partial: Parts::default().part(1),
            keep: Keep::Store(minute()),
            key: None,
            tags: Default::default(),
            beside: None,
            rest: Box::pin(async { ended.await.expect("a test says how it ends") }),
        }));
        settle(&[&one]);
        world.clock.advance(secs(5));
        if is_purged {
            purger.cache.soft_purge(key("a").borrowed().resource());
        }
        settle(&[&purger, &third]);
        world.clock.advance(secs(5));
        let ending = Ending::Complete {
            product: Some(product(1)),
            tell: Box::new(|| ()),
        };
        assert!(end.send(ending).is_ok(), "it is under way");
        settle(&[&one]);
        world.clock.advance(secs(1));
        assert_eq!(third.answer(&key("a"), third.origin.makes(2, minute())), 1);
        assert_eq!(third.is_refresh_due(&key("a")), is_purged);
    }
}

#[test]
fn a_stream_that_breaks_off_gives_the_lease_back() {
    let world = World::new();
    let (one, node) = world.connected::<Part>();
    lead(&one, &key("a")).spawn(std::future::ready(Fetched::Stream {
        partial: Parts::default().part(1),
        keep: Keep::Store(minute()),
        key: None,
        tags: Default::default(),
        beside: None,
        rest: Box::pin(async { Ending::Cut(Box::new(|| ())) }),
    }));
    settle(&[&one]);
    let far = FarKey::new(key("a").borrowed());
    let lease = node.acquire(&far, None).now_or_never().expect("at once");
    assert!(matches!(lease, Ok(Acquired::Lead(_))));
}

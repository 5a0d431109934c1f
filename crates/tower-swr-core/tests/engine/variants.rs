//! Answers that belong to another key than the one they were asked for by, and what is written to lead there.

use crate::support::{
    House, Parts, Streaming, is_open, key, minute, partial_now, product, secs, streaming_house,
    whole,
};
use tokio::sync::oneshot;
use tower_swr_core::{
    Beside, Ending, Fate, Fetched, Fill, Joined, Keep, Key, NoPartial, Product, Purpose, Remember,
    Tags,
};

/// Where the answers of `a` turn out to belong.
fn variant() -> Key {
    key("a in another language")
}

/// What leads from `a` to its variant: 8.
fn index() -> Option<Beside<u32>> {
    Some(Beside {
        key: key("a"),
        value: 8,
        weight: 4,
    })
}

fn of_the_variant(value: u32, keep: Keep) -> Product<u32> {
    Product {
        keep,
        key: Some(variant()),
        ..product(value)
    }
}

fn varying<P>(value: u32, keep: Keep) -> Fetched<u32, P> {
    Fetched::Whole {
        product: of_the_variant(value, keep),
        beside: index(),
    }
}

/// The flight of `a`, begun to renew what is kept there or under its variant.
fn refresh<P: Clone + Send + Sync + 'static>(house: &House<P>, of: &Key) -> Fill<u32, P> {
    match house.join(of, Purpose::Refresh) {
        Joined::Lead(fill) => fill,
        _ => panic!("somebody flies, or something fresh is kept"),
    }
}

// --- Whole answers ---------------------------------------------------------------------------------------------------

#[test]
fn a_varying_answer_is_kept_under_its_variant_and_led_to() {
    let house = House::new();
    house.fill(&key("a"), varying(5, Keep::Store(minute())));
    assert_eq!(house.kept(&variant()), Some(5));
    assert_eq!(house.kept(&key("a")), Some(8));
}

#[test]
fn a_varying_answer_that_is_not_kept_removes_what_it_supersedes() {
    let house = House::new();
    house.fill(&variant(), whole(1, Keep::Store(minute())));
    house.fill(&key("a"), whole(2, Keep::Store(minute())));
    house.clock.advance(secs(60));
    let fill = refresh(&house, &key("a"));
    fill.spawn(std::future::ready(Fetched::Whole {
        product: of_the_variant(5, Keep::Share),
        beside: None,
    }));
    house.tasks.poll_all();
    assert_eq!(
        (house.kept(&variant()), house.kept(&key("a"))),
        (None, None)
    );
}

#[test]
fn what_leads_to_the_variant_outlives_an_answer_that_is_not_kept() {
    let house = House::new();
    let late = house.lead(&key("a"));
    // As its layer does where the index came in a moment before.
    house.fill(
        &variant(),
        Fetched::Whole {
            product: product(1),
            beside: index(),
        },
    );
    late.spawn(std::future::ready(Fetched::Whole {
        product: of_the_variant(5, Keep::Share),
        beside: None,
    }));
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(8));
    assert_eq!(house.kept(&variant()), None, "it has been superseded");
}

#[test]
fn a_failure_leads_to_its_variant_where_nothing_else_is_kept() {
    let house = House::new();
    house.fill(&key("a"), varying(5, Keep::Failure));
    assert_eq!(house.kept(&key("a")), Some(8), "told apart from now on");
    assert_eq!(house.kept(&variant()), None);
    let house = House::new();
    house.fill(&key("a"), whole(1, Keep::Store(minute())));
    house.clock.advance(secs(60));
    let fill = refresh(&house, &key("a"));
    fill.spawn(std::future::ready(varying(5, Keep::Failure)));
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), Some(1), "the older value stays");
}

#[test]
fn a_variant_may_be_remembered_as_uncacheable() {
    let house = House::new();
    let remember = Some(Remember {
        key: Some(variant()),
        beside: index(),
    });
    let fetched: Fetched<u32, NoPartial> = Fetched::Pass { remember };
    house.fill(&key("a"), fetched);
    assert!(house.is_uncacheable(&variant()));
    assert_eq!(house.kept(&key("a")), Some(8), "other variants are not");
}

// --- Streams ---------------------------------------------------------------------------------------------------------

/// A stream of `a` whose whole belongs to the variant.
struct Varying {
    house: Streaming,
    end: oneshot::Sender<Ending<u32>>,
}

impl Varying {
    fn begin(house: &Streaming, keep: Keep) -> Self {
        let (end, ended) = oneshot::channel();
        let fill = refresh(house, &key("a"));
        fill.spawn(std::future::ready(Fetched::Stream {
            partial: Parts::default().part(1),
            keep,
            key: Some(variant()),
            tags: Tags::default(),
            beside: index(),
            rest: Box::pin(async { ended.await.expect("a test says how it ends") }),
        }));
        house.tasks.poll_all();
        let house = house.clone();
        Self { house, end }
    }

    fn stored() -> Self {
        Self::begin(&streaming_house(), Keep::Store(minute()))
    }

    fn end(self, ending: Ending<u32>) -> Streaming {
        assert!(self.end.send(ending).is_ok(), "the stream is under way");
        self.house.tasks.poll_all();
        self.house
    }
}

fn complete(product: Option<Product<u32>>) -> Ending<u32> {
    let tell = Box::new(|| ());
    Ending::Complete { product, tell }
}

fn too_large() -> Ending<u32> {
    Ending::Overflow(Box::pin(std::future::ready(())))
}

#[test]
fn who_is_led_to_a_variant_that_streams_joins_the_stream() {
    let stream = Varying::stored();
    assert_eq!(stream.house.kept(&key("a")), Some(8), "led there");
    let newcomer = stream.house.follow(&variant());
    assert_eq!(partial_now(newcomer), Some((1, Fate::Stored)));
    let kept = of_the_variant(5, Keep::Store(minute()));
    let house = stream.end(complete(Some(kept)));
    assert_eq!(house.kept(&variant()), Some(5));
    assert_eq!(house.cache.stats().flights, 0, "closed under both keys");
    house.assert_no_violation();
}

#[test]
fn a_varying_stream_frees_both_keys_however_it_ends() {
    let ends: [fn(Varying); 5] = [
        |stream| drop(stream.end(complete(None))),
        |stream| drop(stream.end(Ending::Cut(Box::new(|| ())))),
        |stream| drop(stream.end(too_large())),
        |stream| stream.house.tasks.drop_all(),
        |stream| {
            stream.house.clock.advance(secs(60));
            stream.house.tasks.poll_all();
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let stream = Varying::stored();
        let house = stream.house.clone();
        assert_eq!(house.cache.stats().flights, 2);
        end(stream);
        assert_eq!(house.cache.stats().flights, 0, "end {number}");
    }
}

#[test]
fn a_varying_stream_leaves_the_flight_of_its_variant_alone() {
    let house = streaming_house();
    let other = house.lead(&variant());
    let stream = Varying::begin(&house, Keep::Store(minute()));
    drop(stream.end(complete(None)));
    let waiting = house.follow(&variant());
    drop(other);
    assert!(partial_now(waiting).is_none(), "the other's");
}

#[test]
fn nobody_joins_a_varying_stream_under_a_variant_that_was_purged() {
    let stream = Varying::stored();
    let house = &stream.house;
    house.cache.purge(variant().borrowed().resource());
    let _newcomer = house.lead(&variant());
    assert!(is_open(house), "the other key was not purged");
}

#[test]
fn a_varying_stream_that_overflows_is_remembered_as_what_it_is() {
    let house = Varying::stored().end(too_large());
    assert!(house.is_uncacheable(&variant()));
    assert_eq!(house.kept(&key("a")), Some(8), "other variants may fit");
}

#[test]
fn a_varying_stream_that_is_not_kept_removes_the_variants_old_value() {
    for ended in [false, true] {
        let house = streaming_house();
        house.fill(&variant(), whole(1, Keep::Store(minute())));
        if ended {
            let stream = Varying::begin(&house, Keep::Store(minute()));
            assert_eq!(house.kept(&variant()), Some(1), "until the end");
            drop(stream.end(complete(None)));
        } else {
            Varying::begin(&house, Keep::Share);
        }
        assert_eq!(house.kept(&variant()), None, "ended: {ended}");
        assert_eq!(house.kept(&key("a")), Some(8), "ended: {ended}");
    }
}

// --- Late streams ----------------------------------------------------------------------------------------------------

#[test]
fn an_open_stream_takes_nothing_newer_away_from_its_variant() {
    for ending in [
        complete(Some(of_the_variant(5, Keep::Store(minute())))),
        complete(None),
        too_large(),
    ] {
        let house = streaming_house();
        let other = house.lead(&variant());
        let stream = Varying::begin(&house, Keep::Store(minute()));
        house.clock.advance(secs(1));
        other.spawn(std::future::ready(whole(6, Keep::Store(minute()))));
        house.tasks.poll_all();
        let what = format!("{ending:?}");
        stream.end(ending);
        assert_eq!(house.kept(&variant()), Some(6), "{what}");
    }
}

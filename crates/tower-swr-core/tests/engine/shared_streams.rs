//! Streams that may be shared with those who wait, but not be kept.

use crate::support::{
    Parts, Stream, Streaming, Witness, is_open, key, minute, partial_now, product, secs,
    streaming_house,
};
use tower_swr_core::{Fate, Fetched, Keep, Tags};

#[test]
fn a_stream_that_is_not_kept_is_closed_before_it_answers() {
    for (keep, fate) in [(Keep::Share, Fate::Shared), (Keep::Failure, Fate::Failed)] {
        let house = streaming_house();
        let fill = house.lead(&key("a"));
        let mut waiting = fill.waiting();
        let inside = house.clone();
        let witness = Witness::new(move || is_open(&inside));
        assert!(witness.watch(&mut waiting).is_pending());
        fill.spawn(std::future::ready(Fetched::Stream {
            partial: Parts::default().part(1),
            keep,
            key: None,
            tags: Tags::default(),
            beside: None,
            rest: Box::pin(std::future::pending()),
        }));
        house.tasks.poll_all();
        assert_eq!(witness.seen(), [false]);
        assert_eq!(partial_now(waiting), Some((1, fate)));
        assert_eq!(house.cache.stats().flights, 0);
    }
}

#[test]
fn a_stream_that_is_not_kept_goes_on_to_its_end() {
    let ends: [fn(Stream) -> Vec<String>; 2] = [
        |stream| stream.complete(Some(product(5))).2,
        |stream| stream.cut().2,
    ];
    for end in ends {
        let house = streaming_house();
        let stream = Stream::begin(&house, Keep::Share);
        assert_eq!(
            stream.parts.held(),
            0,
            "nobody waits, and the flight is gone"
        );
        assert_eq!(end(stream), ["None false"]);
        assert!(house.tasks.is_empty());
        assert_eq!(house.cache.stats().entries, 0);
    }
}

#[test]
fn a_refresh_that_streams_what_is_not_kept_settles_the_old_value_at_its_head() {
    let shared = Stream::begin(&stale(), Keep::Share);
    assert_eq!(shared.house.kept(&key("a")), None);
    let failed = Stream::begin(&stale(), Keep::Failure);
    assert_eq!(failed.house.kept(&key("a")), Some(1));
}

/// `house` with `a` kept as 1 and stale.
fn stale() -> Streaming {
    let house = streaming_house();
    let whole = crate::support::whole(1, Keep::Store(minute().stale_if_error(secs(3600))));
    house.fill(&key("a"), whole);
    house.clock.advance(secs(60));
    house
}

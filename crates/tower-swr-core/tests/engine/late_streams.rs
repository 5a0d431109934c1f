//! Streams that began late, last longer than their head is fresh, or were purged under way.

use std::time::Duration;

use crate::support::{
    Parts, Stream, Streaming, is_open, key, minute, partial_now, product, secs, streaming_house,
};
use tokio::sync::oneshot;
use tower_swr_core::{Ending, Fate, Fetched, Keep, Lifetime, Remember, Tags};

#[test]
fn a_stream_that_began_slowly_is_joined_once_it_has_begun() {
    let house = streaming_house();
    let lifetime = Lifetime::fresh_for(secs(60)).stale_if_error(secs(3600));
    house.fill(&key("a"), crate::support::whole(1, Keep::Store(lifetime)));
    house.clock.advance(secs(60));
    let (begin, begun) = oneshot::channel();
    let fill = house.lead(&key("a"));
    fill.spawn(async { begun.await.expect("a test lets it begin") });
    house.tasks.poll_all();
    house.clock.advance(secs(1));
    house.tasks.poll_all();
    assert_eq!(
        house.kept(&key("a")),
        Some(1),
        "stands in for a slow origin"
    );
    let head = Fetched::Stream {
        partial: Parts::default().part(1),
        keep: Keep::Store(minute()),
        key: None,
        tags: Tags::default(),
        beside: None,
        rest: Box::pin(std::future::pending()),
    };
    assert!(begin.send(head).is_ok(), "the call runs");
    house.tasks.poll_all();
    assert_eq!(house.kept(&key("a")), None, "the origin has answered");
    assert_eq!(
        partial_now(house.follow(&key("a"))),
        Some((1, Fate::Stored))
    );
}

/// A stream that has gone on for longer than its head is fresh.
fn outlived() -> Stream {
    let stream = Stream::stored();
    stream.house.clock.advance(Duration::from_millis(59_999));
    stream.house.tasks.poll_all();
    assert!(is_open(&stream.house));
    stream.house.clock.advance(Duration::from_millis(1));
    stream.house.tasks.poll_all();
    stream
}

#[test]
fn a_stream_whose_head_is_not_fresh_any_more_is_closed_to_newcomers() {
    let stream = outlived();
    assert!(!is_open(&stream.house));
    let newcomer = stream.house.lead(&key("a"));
    newcomer.spawn(stream.house.origin.call(std::future::pending()));
    stream.house.tasks.poll_all();
    assert_eq!(stream.house.origin.running(), 1);
    stream.house.assert_no_violation();
}

#[test]
fn a_stream_that_ends_late_is_kept_as_old_as_it_is() {
    let (house, _, told) = outlived().complete(Some(product(5)));
    assert_eq!(told, ["Some(5) false"]);
    assert!(house.is_refresh_due(&key("a")));
}

/// How a stream ends that was closed early.
const LATE_ENDS: [fn(Stream); 4] = [
    |stream| drop(stream.complete(Some(product(5)))),
    |stream| drop(stream.complete(None)),
    |stream| drop(stream.cut()),
    |stream| drop(stream.end(Ending::Overflow(Box::pin(std::future::ready(()))))),
];

#[test]
fn a_stream_that_ends_late_leaves_what_is_newer_alone() {
    for (number, end) in LATE_ENDS.into_iter().enumerate() {
        let (stream, house) = late_stream_and_its_house();
        house.fill(&key("a"), crate::support::whole(6, Keep::Store(minute())));
        house.clock.advance(secs(1));
        end(stream);
        assert_eq!(house.kept(&key("a")), Some(6), "end {number}");
        assert!(!house.is_refresh_due(&key("a")), "end {number}");
        house.assert_no_violation();
    }
}

#[test]
fn a_stream_that_ends_late_leaves_its_successors_flight_alone() {
    for (number, end) in LATE_ENDS.into_iter().enumerate() {
        let (stream, house) = late_stream_and_its_house();
        let successor = house.lead(&key("a"));
        end(stream);
        assert!(is_open(&house), "end {number}");
        drop(successor);
    }
}

#[test]
fn a_stream_that_ends_late_does_not_forget_that_its_key_is_uncacheable() {
    for (number, end) in LATE_ENDS.into_iter().enumerate() {
        let (stream, house) = late_stream_and_its_house();
        let remember = Some(Remember::default());
        house.fill(&key("a"), Fetched::Pass { remember });
        end(stream);
        assert!(house.is_uncacheable(&key("a")), "end {number}");
    }
}

fn late_stream_and_its_house() -> (Stream, Streaming) {
    let stream = outlived();
    let house = stream.house.clone();
    house.clock.advance(secs(1));
    (stream, house)
}

#[test]
fn a_purge_during_a_stream_detaches_it() {
    let stream = Stream::stored();
    let house = stream.house.clone();
    let reads_on = house.follow(&key("a"));
    house.cache.purge(key("a").borrowed().resource());
    assert!(!is_open(&house));
    let after = house.lead(&key("a"));
    let running = house.origin.call(std::future::pending());
    after.spawn(running);
    house.tasks.poll_all();
    let (house, _, told) = stream.complete(Some(product(5)));
    assert_eq!(told, ["None true"], "nothing is kept, the other one flies");
    assert_eq!(partial_now(reads_on), Some((1, Fate::Stored)));
    assert!(
        house
            .cache
            .attend(&key("a").borrowed(), &house.policy)
            .is_some()
    );
    house.assert_no_violation();
}

//! Answers that are still under way: the head for all who ask, the whole for the store, and every way to end.

use std::time::Duration;

use crate::support::{
    House, Parts, Stream, Streaming, Witness, is_open, key, minute, partial, partial_now, product,
    secs, streaming_house, whole,
};
use futures_util::FutureExt;
use tokio::sync::oneshot;
use tower_swr_core::testing::Heard;
use tower_swr_core::{Beside, Ending, Fate, Fetched, FlightPolicy, Keep, Lifetime, Product, Tags};

// --- The head --------------------------------------------------------------------------------------------------------

#[test]
fn who_waits_has_the_head_before_the_end() {
    let house = streaming_house();
    let fill = house.lead(&key("a"));
    let mut waiting: Vec<_> = (0..10).map(|_| house.follow(&key("a"))).collect();
    assert!(
        waiting
            .iter_mut()
            .all(|waiting| waiting.now_or_never().is_none())
    );
    let parts = Parts::default();
    fill.spawn(std::future::ready(Fetched::Stream {
        partial: parts.part(1),
        keep: Keep::Store(minute()),
        key: None,
        tags: Tags::default(),
        beside: None,
        rest: Box::pin(std::future::pending()),
    }));
    house.tasks.poll_all();
    for waiting in waiting {
        assert_eq!(partial_now(waiting), Some((1, Fate::Stored)));
    }
    assert_eq!(parts.held(), 1, "the flight's own");
}

#[test]
fn newcomers_join_until_the_end_and_then_find_the_whole() {
    let stream = Stream::stored();
    for second in 0..59 {
        let newcomer = stream.house.follow(&key("a"));
        assert_eq!(
            partial_now(newcomer),
            Some((1, Fate::Stored)),
            "after {second} s"
        );
        stream.house.clock.advance(secs(1));
        stream.house.tasks.poll_all();
    }
    let (house, parts, _) = stream.complete(Some(product(5)));
    assert_eq!(house.kept(&key("a")), Some(5));
    assert_eq!(house.observer.heard(), [Heard::Stored]);
    assert_eq!((parts.held(), house.cache.stats().flights), (0, 0));
    house.assert_no_violation();
}

#[test]
fn what_goes_with_a_stream_is_written_before_anybody_hears_of_it() {
    let house = streaming_house();
    let fill = house.lead(&key("a"));
    let mut waiting = fill.waiting();
    let inside = house.clone();
    let witness = Witness::new(move || inside.kept(&key("beside")));
    assert!(witness.watch(&mut waiting).is_pending());
    fill.spawn(std::future::ready(Fetched::Stream {
        partial: Parts::default().part(1),
        keep: Keep::Store(minute()),
        key: None,
        tags: Tags::default(),
        beside: Some(Beside {
            key: key("beside"),
            value: 8,
            weight: 4,
        }),
        rest: Box::pin(std::future::pending()),
    }));
    house.tasks.poll_all();
    assert_eq!(witness.seen(), [Some(8)]);
}

#[test]
fn the_origins_deadline_is_for_the_head() {
    let house = streaming_house();
    let hour = Lifetime::fresh_for(secs(3600));
    let stream = Stream::begin(&house, Keep::Store(hour));
    house.clock.advance(secs(600));
    house.tasks.poll_all();
    let kept = Product {
        keep: Keep::Store(hour),
        ..product(5)
    };
    let (house, ..) = stream.complete(Some(kept));
    assert_eq!(house.kept(&key("a")), Some(5));
}

// --- The end ---------------------------------------------------------------------------------------------------------

#[test]
fn the_whole_is_kept_before_readers_see_the_end() {
    let (_, _, told) = Stream::stored().complete(Some(product(5)));
    assert_eq!(told, ["Some(5) true"]);
}

#[test]
fn a_stream_ages_from_its_head() {
    let stream = Stream::stored();
    stream.house.clock.advance(secs(40));
    let (house, ..) = stream.complete(Some(product(5)));
    house.clock.advance(Duration::from_millis(19_999));
    assert!(!house.is_refresh_due(&key("a")));
    house.clock.advance(Duration::from_millis(1));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn a_stream_that_cannot_be_kept_after_all_leaves_nothing() {
    let (house, parts, told) = Stream::stored().complete(None);
    assert_eq!(told, ["None true"]);
    assert_eq!((house.kept(&key("a")), parts.held()), (None, 0));
    assert_eq!(house.observer.heard(), [Heard::Shared]);
    assert!(!is_open(&house));
}

#[test]
fn a_refresh_that_cannot_be_kept_after_all_removes_the_old_value() {
    let house = streaming_house();
    house.fill(&key("a"), whole(1, Keep::Store(minute())));
    house.clock.advance(secs(60));
    let stream = Stream::begin(&house, Keep::Store(minute()));
    assert_eq!(house.kept(&key("a")), Some(1), "served until the end");
    let (_, _, told) = stream.complete(None);
    assert_eq!(told, ["None true"]);
}

#[test]
fn a_stream_goes_on_when_nobody_waits_any_more() {
    let stream = Stream::stored();
    drop(stream.house.follow(&key("a")));
    let (house, ..) = stream.complete(Some(product(5)));
    assert_eq!(house.kept(&key("a")), Some(5));
}

#[test]
fn a_stream_that_breaks_off_is_closed_before_readers_see_it() {
    let (house, parts, told) = Stream::stored().cut();
    assert_eq!(told, ["None false"]);
    assert_eq!(house.observer.heard(), [Heard::CutShort]);
    assert_eq!((house.cache.stats().entries, parts.held()), (0, 0));
    drop(house.lead(&key("a")));
    house.assert_no_violation();
}

#[test]
fn a_refresh_that_breaks_off_keeps_the_old_value_and_backs_off() {
    let policy = FlightPolicy::default();
    let house: Streaming = House::under(policy, [0.5]);
    house.fill(&key("a"), whole(1, Keep::Store(minute())));
    house.clock.advance(secs(60));
    let (house, _, told) = Stream::begin(&house, Keep::Store(minute())).cut();
    assert_eq!(told, ["Some(1) false"]);
    assert!(!house.is_refresh_due(&key("a")), "left alone");
    house.clock.advance(Duration::from_millis(50));
    assert!(house.is_refresh_due(&key("a")));
}

#[test]
fn a_stream_that_panics_frees_the_key() {
    let Stream {
        house, parts, end, ..
    } = Stream::stored();
    drop(end);
    house.tasks.poll_all();
    assert!(house.tasks.is_empty());
    assert_eq!(house.observer.heard(), [Heard::CutShort]);
    assert_eq!((is_open(&house), parts.held()), (false, 0));
    drop(house.lead(&key("a")));
}

#[test]
fn a_stream_whose_task_is_dropped_frees_the_key() {
    let stream = Stream::stored();
    stream.house.tasks.drop_all();
    assert_eq!((is_open(&stream.house), stream.parts.held()), (false, 0));
    assert_eq!(stream.house.observer.heard(), [Heard::Dropped]);
    drop(stream.house.lead(&key("a")));
    stream.house.assert_no_violation();
}

// --- Too large -------------------------------------------------------------------------------------------------------

#[test]
fn an_overflow_is_remembered_and_goes_on_for_those_who_read() {
    let stream = Stream::stored();
    let (house, parts, told) = (
        stream.house.clone(),
        stream.parts.clone(),
        stream.told.clone(),
    );
    let (reader, _) = partial(house.follow(&key("a")).now_or_never()).expect("it streams");
    let (finish, finished) = oneshot::channel();
    let at_the_end = told.clone();
    stream.end(Ending::Overflow(Box::pin(async move {
        finished.await.expect("a test lets it finish");
        at_the_end.tell("the end");
    })));
    assert!(house.is_uncacheable(&key("a")));
    assert!(!is_open(&house));
    assert_eq!(house.observer.heard(), [Heard::TooLarge]);
    assert_eq!(
        parts.held(),
        1,
        "the reader's; the flight would hold up the writer"
    );
    drop(reader);
    assert_eq!((parts.held(), house.tasks.len()), (0, 1));
    finish.send(()).expect("it goes on");
    house.tasks.poll_all();
    assert_eq!(told.all(), ["the end"]);
    assert!(house.tasks.is_empty());
    house.assert_no_violation();
}

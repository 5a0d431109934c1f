//! Answers that are still under way: the head for all who ask, the whole for the store, and every way to end.
#![cfg(feature = "test-util")]

mod support;

use std::time::Duration;

use futures_util::FutureExt;
use support::{House, Part, Parts, Told, Witness, key, minute, secs};
use tokio::sync::oneshot;
use tower_swr_core::testing::Heard;
use tower_swr_core::{
    Answer, Beside, Ending, Fate, Fetched, FlightPolicy, Joined, Keep, Landed, Lifetime, Outcome,
    Product, Purpose, Rest, Waiting,
};

type Streaming = House<Part>;

/// A stream under way: the test says how it ends.
struct Stream {
    house: Streaming,
    parts: Parts,
    told: Told,
    end: oneshot::Sender<Ending<u32>>,
}

fn streaming_house() -> Streaming {
    House::under(FlightPolicy::default(), [])
}

fn product(value: u32) -> Product<u32> {
    Product {
        value,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: Duration::ZERO,
        weight: size_of::<u32>(),
    }
}

impl Stream {
    /// A stream for `a` in `house` whose head has arrived.
    fn begin(house: &Streaming, keep: Keep) -> Self {
        let fill = match house.join(&key("a"), Purpose::Refresh) {
            Joined::Lead(fill) => fill,
            _ => panic!("somebody flies, or something fresh is kept"),
        };
        let (parts, (end, ended)) = (Parts::default(), oneshot::channel());
        let rest: Rest<u32> = Box::pin(async { ended.await.expect("a test says how it ends") });
        fill.spawn(std::future::ready(Fetched::Stream {
            partial: parts.part(1),
            keep,
            beside: None,
            rest,
        }));
        house.tasks.poll_all();
        Self {
            house: house.clone(),
            parts,
            told: Told::default(),
            end,
        }
    }

    fn stored() -> Self {
        Self::begin(&streaming_house(), Keep::Store(minute()))
    }

    /// Notes what its readers find once they are told: what is kept, and whether they can join.
    fn tell(&self) -> Box<dyn FnOnce() + Send> {
        let (told, house) = (self.told.clone(), self.house.clone());
        Box::new(move || told.tell(format!("{:?} {}", house.kept(&key("a")), is_open(&house))))
    }

    fn end(self, ending: Ending<u32>) -> (Streaming, Parts, Vec<String>) {
        self.end.send(ending).expect("the stream is under way");
        self.house.tasks.poll_all();
        (self.house, self.parts, self.told.all())
    }

    fn complete(self, product: Option<Product<u32>>) -> (Streaming, Parts, Vec<String>) {
        let tell = self.tell();
        self.end(Ending::Complete { product, tell })
    }

    fn cut(self) -> (Streaming, Parts, Vec<String>) {
        let tell = self.tell();
        self.end(Ending::Cut(tell))
    }
}

/// Whether a newcomer can join the flight of `a`.
fn is_open(house: &Streaming) -> bool {
    let attending = house.cache.attend(&key("a").borrowed(), &house.policy);
    attending.is_some()
}

fn partial(outcome: Option<Outcome<u32, Part>>) -> Option<(Part, Fate)> {
    match outcome? {
        Outcome::Landed(Landed {
            answer: Answer::Partial(part),
            fate,
        }) => Some((part, fate)),
        _ => None,
    }
}

fn partial_now(waiting: Waiting<u32, Part>) -> Option<(u32, Fate)> {
    partial(waiting.now_or_never()).map(|(part, fate)| (part.number, fate))
}

/// `house` with `a` kept as 1 and stale.
fn stale() -> Streaming {
    let house = streaming_house();
    let whole = support::whole(1, Keep::Store(minute().stale_if_error(secs(3600))));
    house.fill(&key("a"), whole);
    house.clock.advance(secs(60));
    house
}

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
    house.fill(&key("a"), support::whole(1, Keep::Store(minute())));
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

// --- Longer than fresh -----------------------------------------------------------------------------------------------

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
        house.fill(&key("a"), support::whole(6, Keep::Store(minute())));
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

fn late_stream_and_its_house() -> (Stream, Streaming) {
    let stream = outlived();
    let house = stream.house.clone();
    house.clock.advance(secs(1));
    (stream, house)
}

// --- Shared, not kept ------------------------------------------------------------------------------------------------

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

#[test]
fn a_stream_that_began_slowly_is_joined_once_it_has_begun() {
    let house = streaming_house();
    let lifetime = Lifetime::fresh_for(secs(60)).stale_if_error(secs(3600));
    house.fill(&key("a"), support::whole(1, Keep::Store(lifetime)));
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

// --- Purges ----------------------------------------------------------------------------------------------------------

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

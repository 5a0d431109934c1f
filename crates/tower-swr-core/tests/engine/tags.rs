//! Tags: what a purge of one takes, in the store and in flight.

use std::time::Duration;

use crate::support::{House, Streaming, is_open, key, minute, partial_now, streaming_house};
use futures_util::FutureExt;
use tower_swr_core::{
    Answer, Ending, Fetched, Joined, Keep, Landed, NoPartial, Outcome, Product, Purpose, Rest,
    Subject, Tags,
};

fn tags<const N: usize>(names: [&str; N]) -> Tags {
    let tags = names.iter().map(|name| Subject::tag(name.as_bytes()));
    tags.collect()
}

fn product(value: u32, tags: Tags) -> Product<u32> {
    Product {
        value,
        keep: Keep::Store(minute()),
        key: None,
        initial_age: Duration::ZERO,
        weight: 0,
        tags,
    }
}

fn tagged<P>(value: u32, names: Tags) -> Fetched<u32, P> {
    Fetched::Whole {
        product: product(value, names),
        beside: None,
    }
}

fn purge(house: &House, tag: &str) {
    house.cache.purge(Subject::tag(tag.as_bytes()));
}

fn value(outcome: Option<Outcome<u32, NoPartial>>) -> Option<u32> {
    match outcome? {
        Outcome::Landed(Landed {
            answer: Answer::Whole(entry),
            ..
        }) => Some(*entry.value()),
        _ => None,
    }
}

fn is_outdated<P>(outcome: &Option<Outcome<u32, P>>) -> bool {
    matches!(outcome, Some(Outcome::Outdated))
}

#[test]
fn a_purge_of_a_tag_takes_what_carries_it_and_nothing_else() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, tags(["x", "y"])));
    house.fill(&key("b"), tagged(2, tags(["y", "z"])));
    house.keep(&key("c"), 3, minute());
    purge(&house, "x");
    assert_eq!(house.kept(&key("a")), None);
    assert_eq!(house.kept(&key("b")), Some(2));
    purge(&house, "nobody's");
    purge(&house, "y");
    assert_eq!(house.kept(&key("b")), None);
    assert_eq!(house.kept(&key("c")), Some(3));
}

#[test]
fn a_tag_is_no_scope_and_no_resource() {
    let house = House::new();
    house.fill(&key("a"), tagged(1, tags(["x"])));
    purge(&house, "scope");
    purge(&house, "a");
    assert_eq!(house.kept(&key("a")), Some(1));
}

#[test]
fn a_purge_during_a_call_leaves_its_answer_to_those_who_waited_before() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    let (early, leader) = (house.follow(&key("a")), fill.waiting());
    purge(&house, "x");
    let late = house.follow(&key("a"));
    fill.spawn(std::future::ready(tagged(1, tags(["x"]))));
    house.tasks.poll_all();
    assert_eq!(value(early.now_or_never()), Some(1));
    assert_eq!(value(leader.now_or_never()), Some(1));
    assert!(is_outdated(&late.now_or_never()));
    assert_eq!(house.kept(&key("a")), None, "it is not kept either");
    house.assert_no_violation();
}

#[test]
fn a_purge_of_another_tag_leaves_it_to_all() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    purge(&house, "y");
    let late = house.follow(&key("a"));
    fill.spawn(std::future::ready(tagged(1, tags(["x"]))));
    house.tasks.poll_all();
    assert_eq!(value(late.now_or_never()), Some(1));
    assert_eq!(house.kept(&key("a")), Some(1));
}

#[test]
fn who_gets_a_value_asks_anew_where_it_is_outdated() {
    let house = House::new();
    let fill = house.lead(&key("a"));
    purge(&house, "x");
    let mut late = house.get(&key("a"), house.origin.makes(2, minute()));
    assert!(late.now().is_none());
    fill.spawn(std::future::ready(tagged(1, tags(["x"]))));
    house.tasks.poll_all();
    assert!(late.now().is_none(), "its own call is under way");
    house.tasks.poll_all();
    assert_eq!(late.now().expect("an answer").expect("a value"), 2);
    house.assert_no_violation();
}

fn begin_tagged_stream(house: &Streaming) -> tokio::sync::oneshot::Sender<Ending<u32>> {
    let (end, ended) = tokio::sync::oneshot::channel();
    let rest: Rest<u32> = Box::pin(async { ended.await.expect("a test says how it ends") });
    house
        .lead(&key("a"))
        .spawn(std::future::ready(Fetched::Stream {
            partial: crate::support::Parts::default().part(7),
            keep: Keep::Store(minute()),
            key: None,
            tags: tags(["x"]),
            beside: None,
            rest,
        }));
    house.tasks.poll_all();
    end
}

#[test]
fn nobody_joins_a_stream_that_was_purged_by_its_tag() {
    let house = streaming_house();
    let end = begin_tagged_stream(&house);
    assert!(is_open(&house));
    house.cache.purge(Subject::tag(b"x"));
    let Joined::Wait(late) = house.join(&key("a"), Purpose::Miss) else {
        panic!("its tags are not known before it is looked at");
    };
    assert!(is_outdated(&late.now_or_never()));
    assert!(!is_open(&house), "the next one begins a new flight");
    let fill = house.lead(&key("a"));
    fill.spawn(std::future::ready(tagged(2, tags(["x"]))));
    house.tasks.poll_all();
    let told = Box::new(|| ());
    let product = Some(product(1, tags(["x"])));
    let ending = Ending::Complete {
        product,
        tell: told,
    };
    assert!(end.send(ending).is_ok());
    house.tasks.poll_all();
    assert_eq!(
        house.kept(&key("a")),
        Some(2),
        "the late one is turned away"
    );
    house.assert_no_violation();
}

#[test]
fn a_stream_is_joined_after_a_purge_of_something_else() {
    let house = streaming_house();
    let _end = begin_tagged_stream(&house);
    house.cache.purge(Subject::tag(b"y"));
    let Joined::Wait(late) = house.join(&key("a"), Purpose::Miss) else {
        panic!("the stream is open");
    };
    assert!(partial_now(late).is_some());
}

#[test]
fn tags_count_for_the_memory_that_they_take() {
    let house = House::new();
    house.keep(&key("a"), 1, minute());
    let plain = house.cache.stats().bytes;
    house.fill(&key("b"), tagged(1, tags(["1", "2", "3"])));
    let three_tags = 3 * size_of::<Subject>() as u64;
    assert_eq!(house.cache.stats().bytes, 2 * plain + three_tags);
}

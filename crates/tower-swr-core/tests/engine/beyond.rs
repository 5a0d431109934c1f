//! Several processes with one far side: for a key, one of them calls the origin, and what one invalidates no other serves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tower_swr_core::testing::{FarFault, FarNode, Heard, LeaseSpan};
use tower_swr_core::wire::Frame;
use tower_swr_core::{
    Acquired, Answer, Beside, Ending, FarHealth, FarKey, FarStore, Fate, Fetched, Fill, Joined,
    Keep, Key, KeyText, Landed, Lifetime, Made, NoPartial, Outcome, Product, Purpose, Reach,
    Remember, Subject,
};

use crate::support::{
    House, Number, Part, Parts, SECOND, World, key, minute, partial, product, secs, whole,
};

type Plain = House<NoPartial>;

fn settle<P: Clone + Send + Sync + 'static>(houses: &[&House<P>]) {
    for _ in 0..4 {
        for house in houses {
            house.tasks.poll_all();
        }
    }
}

/// Both have asked for `a`, the first makes 1 of it in a minute's time, and both have it.
fn both_hold(world: &World) -> [Plain; 2] {
    let [one, other] = world.houses();
    let a = key("a");
    assert_eq!(one.answer(&a, one.origin.makes(1, minute())), 1);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 0));
    [one, other]
}

fn far_value(node: &FarNode, name: &str) -> Option<Frame> {
    let far = FarKey::new(key(name).borrowed());
    let found = node.get(&far).now_or_never().expect("at once");
    let blob = found.expect("an answer")?.blob;
    Some(Frame::decode(&blob, &far).expect("it is sound"))
}

fn through<P: Clone + Send + Sync + 'static>(fill: Fill<u32, P>) -> Fill<u32, P> {
    fill.through(&(Arc::new(Number) as Arc<_>))
}

fn lead<P: Clone + Send + Sync + 'static>(house: &House<P>, key: &Key) -> Fill<u32, P> {
    through(house.lead(key))
}

// --- One call ------------------------------------------------------------------------------------------------------------

#[test]
fn a_cold_key_is_made_by_one_process_and_found_by_the_other() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    assert_eq!(one.cache.stats().far.commits, 1);
    assert_eq!(other.cache.stats().far.hits, 1);
    assert_eq!(other.observer.count(Heard::Found), 1);
    assert_eq!(other.kept(&key("a")), Some(1));
    assert_eq!(other.cache.stats().fills, 0);
}

#[test]
fn who_asks_while_another_process_calls_waits_for_its_value() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    let mut second = other.ask(&a, other.origin.makes(2, minute()));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    assert_eq!((one.origin.running(), other.origin.calls()), (1, 0));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one, &other]);
    assert_eq!((first.answered(), second.answered()), (1, 1));
    assert_eq!(other.cache.stats().far.collapsed, 1);
}

/// As where the machine is busy with what the other's call has brought.
#[test]
fn who_has_waited_asks_once_more_where_a_step_is_late() {
    let budget = Duration::from_millis(50);
    for (late, calls) in [(1, 0), (2, 1)] {
        let world = World::new();
        let (one, (other, node)) = (world.house::<NoPartial>(), world.connected());
        let a = key("a");
        let (answer, call) = one.origin.waits();
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        let mut second = other.ask(&a, other.origin.makes(2, minute()));
        assert!(second.now().is_none());
        settle(&[&other]);
        node.suffer(FarFault::Silent(budget));
        // It is time to look, which takes too long.
        world.clock.advance(SECOND);
        settle(&[&other]);
        for number in 1..=late {
            if number == late {
                node.recover();
            }
            world.clock.advance(budget);
            settle(&[&other]);
        }
        answer.send(Made::new(1, minute())).expect("it waits");
        settle(&[&one, &other]);
        assert_eq!(first.answered(), 1);
        assert_eq!(second.answered(), 1 + calls);
        assert_eq!(other.origin.calls(), calls as usize, "{late}");
    }
}

#[test]
fn the_age_of_a_value_is_the_same_everywhere() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    world.clock.advance(secs(40));
    other.answer(&a, other.origin.makes(2, minute()));
    world.clock.advance(secs(19));
    assert!(!other.is_refresh_due(&a));
    world.clock.advance(SECOND);
    assert!(other.is_refresh_due(&a));
}

#[test]
fn an_expired_value_is_made_anew_by_one_process() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    world.clock.advance(secs(180));
    assert_eq!(other.answer(&key("a"), other.origin.makes(3, minute())), 3);
    assert_eq!(one.answer(&key("a"), one.origin.makes(4, minute())), 3);
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 1));
}

#[test]
fn a_stale_value_is_renewed_by_one_process_and_taken_by_the_other() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    let a = key("a");
    world.clock.advance(secs(60));
    assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 1);
    assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 1);
    settle(&[&one, &other]);
    assert_eq!((one.kept(&a), other.kept(&a)), (Some(3), Some(3)));
    assert_eq!((one.origin.calls(), other.origin.calls()), (1, 1));
}

#[test]
fn a_value_that_is_found_stale_is_served_at_once_and_renewed_once() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    world.clock.advance(secs(90));
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    assert!(other.is_refresh_due(&a), "at once");
    assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 1);
    settle(&[&other]);
    assert_eq!((other.kept(&a), other.origin.calls()), (Some(3), 1));
    assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 1);
    settle(&[&one]);
    assert_eq!((one.kept(&a), one.origin.calls()), (Some(3), 1));
}

#[test]
fn who_wants_the_origin_to_be_asked_does_not_get_what_was_there() {
    let world = World::new();
    let [_, other] = both_hold(&world);
    let third: Plain = world.house();
    let a = key("a");
    third.keep(&a, 9, minute());
    world.clock.advance(secs(30));
    let fill = match third.join(&a, Purpose::Revalidate) {
        Joined::Lead(fill) => through(fill),
        _ => panic!("it is to lead"),
    };
    fill.spawn(std::future::ready(whole(5, Keep::Store(minute()))));
    settle(&[&third]);
    assert_eq!(third.kept(&a), Some(5));
    world.clock.advance(secs(30));
    other.answer(&a, other.origin.makes(6, minute()));
    settle(&[&other]);
    assert_eq!(other.kept(&a), Some(5), "it is fresh, and newer");
}

// --- Leaders that are lost -----------------------------------------------------------------------------------------------

#[test]
fn when_a_leader_is_dropped_another_leads() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let mut first = one.ask(&a, one.origin.hangs());
    let mut second = other.ask(&a, other.origin.makes(2, minute()));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    one.tasks.drop_all();
    settle(&[&other]);
    assert_eq!(second.answered(), 2);
    assert!(first.now().expect("it is told").is_err());
}

#[test]
fn when_a_lease_is_lost_both_are_answered_and_the_first_commit_is_refused() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let (answer_two, call_two) = other.origin.waits();
    let (mut first, mut second) = (one.ask(&a, call), other.ask(&a, call_two));
    assert!(first.now().is_none() && second.now().is_none());
    settle(&[&one, &other]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    settle(&[&one, &other]);
    assert_eq!((one.origin.running(), other.origin.running()), (1, 1));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.cache.stats().far.refused, 1);
    assert_eq!(one.kept(&a), None, "the other's is to come");
    answer_two.send(Made::new(2, minute())).expect("it waits");
    settle(&[&other]);
    assert_eq!(second.answered(), 2);
    let third: Plain = world.house();
    assert_eq!(third.answer(&a, third.origin.makes(3, minute())), 2);
}

#[test]
fn what_comes_after_anothers_commit_is_kept_nowhere() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    assert!(first.now().is_none());
    settle(&[&one, &other]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.kept(&a), None);
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
}

/// As where a server evicts leases: dropping what was made would only cost another call.
#[test]
fn when_a_lease_is_lost_to_nobody_the_value_is_kept_here() {
    let world = World::new();
    let (one, node) = world.connected::<NoPartial>();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let mut first = one.ask(&a, call);
    assert!(first.now().is_none());
    settle(&[&one]);
    node.stop_renewing();
    world.clock.advance(secs(6));
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one]);
    assert_eq!(first.answered(), 1);
    assert_eq!(one.cache.stats().far.refused, 1);
    assert_eq!(one.kept(&a), Some(1));
    let other: Plain = world.house();
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn an_origin_slower_than_the_lease_is_called_once() {
    let span = LeaseSpan {
        ttl: secs(2),
        ..LeaseSpan::default()
    };
    let world = World::leasing(span);
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let (answer, call) = one.origin.waits();
    let (mut first, mut second) = (
        one.ask(&a, call),
        other.ask(&a, other.origin.makes(2, minute())),
    );
    assert!(first.now().is_none() && second.now().is_none());
    for _ in 0..6 {
        settle(&[&one, &other]);
        world.clock.advance(SECOND);
    }
    answer.send(Made::new(1, minute())).expect("it waits");
    settle(&[&one, &other]);
    assert_eq!((first.answered(), second.answered()), (1, 1));
    assert_eq!(other.origin.calls(), 0);
}

#[test]
fn a_failure_gives_the_lease_back() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    for call in [one.origin.fails(), one.origin.panics()] {
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        assert!(first.now().expect("it is told").is_err());
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn an_answer_that_is_not_kept_gives_the_lease_back() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    for keep in [Keep::Share, Keep::Failure] {
        lead(&one, &a).spawn(std::future::ready(whole(1, keep)));
        settle(&[&one]);
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
}

#[test]
fn the_origin_timeout_is_for_the_wait_as_well() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let mut first = one.ask(&a, one.origin.hangs());
    assert!(first.now().is_none());
    settle(&[&one]);
    world.clock.advance(secs(30));
    let mut second = other.ask(&a, other.origin.hangs());
    assert!(second.now().is_none());
    for _ in 0..60 {
        settle(&[&other]);
        world.clock.advance(SECOND);
    }
    settle(&[&other]);
    assert!(second.now().expect("it is told").is_err());
    assert_eq!(other.cache.stats().flights, 0);
}

// --- Invalidations -------------------------------------------------------------------------------------------------------

#[test]
fn a_purge_here_is_seen_there() {
    let a = key("a");
    let resource = a.borrowed().resource();
    for subject in [
        resource,
        a.borrowed().scope_subject(),
        Subject::key(a.borrowed()),
        Subject::All,
    ] {
        let world = World::new();
        let [one, other] = both_hold(&world);
        let purged = one.cache.purge(subject);
        assert_eq!(one.kept(&a), None, "at once");
        settle(&[&one, &other]);
        assert_eq!(other.kept(&a), None, "as soon as the log says so");
        assert_eq!(purged.now_or_never(), Some(Reach::Done));
        assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 3);
        assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 3);
    }
}

#[test]
fn a_purge_of_a_tag_is_seen_there() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let tag = Subject::tag(b"x");
    let tagged = one
        .origin
        .call(async move { Ok(Made::new(1, minute()).tagged([tag])) });
    one.answer(&a, tagged);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    one.cache.purge(tag);
    settle(&[&one, &other]);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
    let third: Plain = world.house();
    assert_eq!(third.answer(&a, third.origin.makes(3, minute())), 2);
}

#[test]
fn a_value_whose_tags_no_other_process_could_find_stays_here() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let foreign = KeyText::new("table").key().resource();
    let tagged = one
        .origin
        .call(async move { Ok(Made::new(1, minute()).tagged([foreign])) });
    one.answer(&a, tagged);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn a_purge_during_the_call_is_not_undone() {
    let world = World::new();
    for purger in 0..2 {
        let [one, other]: [Plain; 2] = world.houses();
        let a = key(&format!("{purger}"));
        let (answer, call) = one.origin.waits();
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one, &other]);
        [&one, &other][purger].cache.purge(a.borrowed().resource());
        settle(&[&one, &other]);
        // The call that a purge has outdated is waited for by nobody any more.
        assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
        answer.send(Made::new(1, minute())).expect("it waits");
        settle(&[&one, &other]);
        assert_eq!(first.answered(), 1);
        assert_eq!((one.kept(&a), other.kept(&a)), (None, Some(2)));
        assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 2);
        one.assert_no_violation();
    }
}

#[test]
fn what_is_being_purged_is_not_found_again_meanwhile() {
    let world = World::new();
    let [one, _] = both_hold(&world);
    let a = key("a");
    one.cache.purge(a.borrowed().resource());
    // Nothing is recorded yet: the task that does so has not run.
    let mut request = one.ask(&a, one.origin.makes(3, minute()));
    assert!(request.now().is_none());
    settle(&[&one]);
    assert_eq!(request.answered(), 3);
}

#[test]
fn a_purge_in_an_outage_is_queued_and_holds_here() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    other.answer(&a, other.origin.makes(2, minute()));
    node.suffer(FarFault::Unavailable);
    let purged = one.cache.purge(a.borrowed().resource());
    settle(&[&one, &other]);
    assert_eq!(purged.now_or_never(), Some(Reach::Queued));
    assert_eq!((one.kept(&a), other.kept(&a)), (None, Some(1)));
    assert!(one.cache.stats().far.is_suspect);
    node.recover();
    settle(&[&one, &other]);
    assert_eq!(other.kept(&a), None);
    assert!(!one.cache.stats().far.is_suspect);
}

#[test]
fn what_was_missed_for_good_empties_the_memory() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let (a, b) = (key("a"), key("b"));
    one.answer(&a, one.origin.makes(1, minute()));
    one.answer(&b, one.origin.makes(1, minute()));
    node.suffer(FarFault::Unavailable);
    settle(&[&one]);
    other.cache.purge(a.borrowed().resource());
    settle(&[&other]);
    world.server.trim_log();
    node.recover();
    settle(&[&one]);
    assert_eq!((one.kept(&a), one.kept(&b)), (None, None));
    assert_eq!(one.answer(&b, one.origin.makes(2, minute())), 1, "found");
    assert_eq!(one.answer(&a, one.origin.makes(2, minute())), 2);
}

#[test]
fn a_soft_purge_is_for_this_process_and_not_undone_by_the_same_value() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    let a = key("a");
    one.cache.soft_purge(a.borrowed().resource());
    settle(&[&one, &other]);
    assert!(one.is_refresh_due(&a) && !other.is_refresh_due(&a));
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 1);
    settle(&[&one]);
    assert_eq!(one.kept(&a), Some(3));
    assert_eq!(other.kept(&a), Some(1));
}

#[test]
fn a_soft_purge_is_not_undone_by_an_older_value_of_others() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    let a = key("a");
    world.clock.advance(secs(60));
    other.answer(&a, other.origin.makes(2, minute()));
    settle(&[&other]);
    world.clock.advance(SECOND);
    one.cache.soft_purge(a.borrowed().resource());
    assert_eq!(one.answer(&a, one.origin.makes(3, minute())), 1);
    settle(&[&one]);
    assert_eq!(one.kept(&a), Some(3), "2 was made before the purge");
}

// --- Trouble on the far side ---------------------------------------------------------------------------------------------

#[test]
fn without_the_far_side_everything_goes_on_here() {
    let world = World::new();
    let (house, node) = world.connected::<NoPartial>();
    let budget = Duration::from_millis(50);
    node.suffer(FarFault::Unavailable);
    let a = key("a");
    let (answer, call) = house.origin.waits();
    let mut crowd: Vec<_> = [call]
        .into_iter()
        .chain((0..9).map(|_| house.origin.makes(2, minute())))
        .map(|call| house.ask(&a, call))
        .collect();
    assert!(crowd.iter_mut().all(|request| request.now().is_none()));
    settle(&[&house]);
    answer
        .send(Made::new(1, minute()))
        .expect("it was asked at once");
    settle(&[&house]);
    assert!(crowd.iter_mut().all(|request| request.answered() == 1));
    assert_eq!(house.origin.calls(), 1);
    assert!(matches!(
        house.cache.far_health(),
        Some(FarHealth::Down { .. })
    ));

    node.suffer(FarFault::Silent(budget));
    let mut slow = house.ask(&key("b"), house.origin.makes(3, minute()));
    assert!(slow.now().is_none());
    settle(&[&house]);
    assert_eq!(house.origin.calls(), 1);
    world.clock.advance(budget);
    settle(&[&house]);
    assert_eq!(slow.answered(), 3);
    assert!(house.cache.stats().far.failures > 0);
}

#[test]
fn an_outage_during_the_call_changes_nothing_for_who_waits() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    for fault in [
        FarFault::Unavailable,
        FarFault::Silent(SECOND),
        FarFault::Late(SECOND),
    ] {
        let (answer, call) = one.origin.waits();
        let mut first = one.ask(&a, call);
        assert!(first.now().is_none());
        settle(&[&one]);
        node.suffer(fault);
        answer.send(Made::new(1, minute())).expect("it waits");
        settle(&[&one]);
        assert_eq!(first.answered(), 1);
        assert_eq!(one.kept(&a), Some(1));
        world.clock.advance(secs(6));
        settle(&[&one]);
        node.recover();
        one.cache.purge(a.borrowed().resource());
        settle(&[&one, &other]);
    }
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 2);
}

#[test]
fn what_is_not_sound_is_a_miss_and_replaced() {
    let world = World::new();
    let (house, node) = world.connected::<NoPartial>();
    let a = key("a");
    let far = FarKey::new(a.borrowed());
    let mut blob = Frame::new(tower_swr_core::Version::of_token(b"x"), minute())
        .encode(&far, 1 << 20)
        .expect("it fits")
        .to_vec();
    *blob.last_mut().expect("it has bytes") ^= 1;
    for blob in [Bytes::from_static(b"foreign"), Bytes::from(blob)] {
        world.server.put(&far, blob);
        assert_eq!(house.answer(&a, house.origin.makes(1, minute())), 1);
        assert!(far_value(&node, "a").is_some());
        house.cache.remove(&a.borrowed());
    }
    assert_eq!(house.origin.calls(), 2);
}

#[test]
fn what_is_too_large_stays_here() {
    let world = World::new();
    let (one, node) = world.limited::<NoPartial>(100);
    let other: Plain = world.house();
    assert_eq!(one.answer(&key("a"), one.origin.makes(1, minute())), 1);
    assert!(far_value(&node, "a").is_none());
    assert_eq!(one.kept(&key("a")), Some(1));
    assert_eq!(other.answer(&key("a"), other.origin.makes(2, minute())), 2);
}

#[test]
fn a_value_is_kept_as_long_as_it_can_be_served() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let lifetime = minute().stale_if_error(secs(600));
    one.answer(&a, one.origin.makes(1, lifetime));
    let (_, node) = world.connected::<NoPartial>();
    world.clock.advance(secs(669));
    assert!(far_value(&node, "a").is_some());
    world.clock.advance(secs(1));
    assert!(far_value(&node, "a").is_none());
    drop(other);
}

#[test]
fn get_alone_stays_in_this_process() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    one.keep(&key("a"), 1, minute());
    assert_eq!(other.answer(&key("a"), other.origin.makes(2, minute())), 2);
}

// --- Memories, variants, streams -----------------------------------------------------------------------------------------

#[test]
fn what_may_not_be_shared_is_remembered_everywhere() {
    let world = World::new();
    let [one, other]: [Plain; 2] = world.houses();
    let a = key("a");
    let remember = Some(Remember::default());
    lead(&one, &a).spawn(std::future::ready(Fetched::Pass { remember }));
    settle(&[&one]);
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

// --- Costs and ends ------------------------------------------------------------------------------------------------------

#[test]
fn a_hit_asks_nobody() {
    let world = World::new();
    let ((one, node), _) = (world.connected::<NoPartial>(), ());
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    node.suffer(FarFault::Silent(SECOND));
    let mut request = one.ask(&a, one.origin.makes(2, minute()));
    assert_eq!(request.answered(), 1);
}

#[test]
fn what_follows_the_log_ends_with_the_cache_and_is_not_waited_for() {
    let world = World::new();
    let (house, _node) = world.connected::<NoPartial>();
    house.answer(&key("a"), house.origin.makes(1, minute()));
    assert_eq!(house.tasks.len(), 1, "it listens");
    let drained = house.cache.drain(SECOND).now_or_never();
    assert_eq!(drained, Some(0));
    let tasks = house.tasks.clone();
    drop(house);
    tasks.poll_all();
    assert!(tasks.is_empty());
}

#[test]
fn whose_listener_was_dropped_starts_anew_with_an_empty_memory() {
    let world = World::new();
    let [one, other] = both_hold(&world);
    one.tasks.drop_all();
    other.cache.purge(key("a").borrowed().resource());
    settle(&[&other]);
    assert_eq!(one.kept(&key("a")), Some(1), "it is deaf");
    one.answer(&key("b"), one.origin.makes(2, minute()));
    assert_eq!(one.kept(&key("a")), None);
}

#[test]
fn a_purge_that_cannot_be_told_reaches_this_process() {
    let world = World::new();
    let [one, _] = both_hold(&world);
    let purged = one.cache.purge_all();
    one.tasks.drop_all();
    assert_eq!(purged.now_or_never(), Some(Reach::Local));
    assert_eq!(one.kept(&key("a")), None);
    let lifetime = Lifetime::fresh_for(SECOND);
    assert_eq!(one.answer(&key("b"), one.origin.makes(2, lifetime)), 2);
}

//! What is invalidated in one process is served by none.

use super::{Plain, both_hold, settle};
use crate::support::{SECOND, World, key, minute, secs};
use futures_util::FutureExt;
use tower_swr_core::testing::FarFault;
use tower_swr_core::{Key, KeyText, Made, NoPartial, Reach, Subject};

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
fn a_soft_purge_ends_the_freshness_in_every_process_and_costs_one_call() {
    let subjects: [fn(&Key) -> Subject; 2] = [|a| a.borrowed().resource(), |_| Subject::All];
    for subject in subjects {
        let world = World::new();
        let [one, other] = both_hold(&world);
        let a = key("a");
        world.clock.advance(SECOND);
        let purged = one.cache.soft_purge(subject(&a));
        settle(&[&one, &other]);
        assert_eq!(purged.now_or_never(), Some(Reach::Done));
        world.clock.advance(SECOND);
        // Nothing was taken away: it is served while it is renewed.
        assert_eq!(other.answer(&a, other.origin.makes(3, minute())), 1);
        assert_eq!(one.answer(&a, one.origin.makes(4, minute())), 1);
        settle(&[&one, &other]);
        assert_eq!((one.kept(&a), other.kept(&a)), (Some(3), Some(3)));
        assert_eq!((one.origin.calls(), other.origin.calls()), (1, 1));
        assert!(!one.is_refresh_due(&a) && !other.is_refresh_due(&a));
    }
}

#[test]
fn a_soft_purge_in_an_outage_is_queued_and_holds_here() {
    let world = World::new();
    let ((one, node), other) = (world.connected(), world.house::<NoPartial>());
    let a = key("a");
    one.answer(&a, one.origin.makes(1, minute()));
    other.answer(&a, other.origin.makes(2, minute()));
    world.clock.advance(SECOND);
    node.suffer(FarFault::Unavailable);
    let purged = one.cache.soft_purge(a.borrowed().resource());
    settle(&[&one, &other]);
    assert_eq!(purged.now_or_never(), Some(Reach::Queued));
    assert!(one.is_refresh_due(&a) && !other.is_refresh_due(&a));
    node.recover();
    settle(&[&one, &other]);
    assert!(other.is_refresh_due(&a));
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

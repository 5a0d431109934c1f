//! What ends the wait for a worker.

use futures_util::FutureExt;
use tower_swr_core::Subject;

use super::{Shift, renew, settle, work_slowly};
use crate::support::{SECOND, key, minute, secs};

#[test]
fn a_purge_meanwhile_ends_it_and_nothing_old_comes_back() {
    for subject in [
        Subject::key(key("a").borrowed()),
        Subject::scope("scope"),
        Subject::All,
    ] {
        let shift = Shift::new();
        let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
        assert!(renew(&web, &a, 3));
        let answer = work_slowly(worker, &web, &a);
        web.cache.purge(subject);
        settle(&[&web, worker]);
        answer.send(()).expect("it waits");
        settle(&[worker, &web]);
        for _ in 0..6 {
            shift.pass(&[&web, worker], SECOND);
        }
        assert_eq!((web.kept(&a), worker.kept(&a)), (None, None));
        assert_eq!(web.origin.calls(), 1, "there was nothing to be renewed");
        assert_eq!(web.answer(&a, web.origin.makes(5, minute())), 5);
    }
}

#[test]
fn a_task_that_is_dropped_half_way_frees_its_key() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    assert!(renew(&web, &a, 3));
    web.tasks.drop_all();
    assert!(renew(&web, &a, 3), "it may be offered again");
    web.tasks.drop_all();
    let turn = web.cache.reserve_refresh(&a.borrowed(), &web.policy);
    assert!(turn.is_some());
}

#[test]
fn a_shutdown_does_not_wait_for_workers() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    assert!(renew(&web, &a, 3));
    let mut draining = Box::pin(web.cache.drain(secs(60)));
    assert!((&mut draining).now_or_never().is_none());
    settle(&[&web]);
    assert_eq!(draining.now_or_never(), Some(0));
    assert_eq!(web.origin.calls(), 1);
}

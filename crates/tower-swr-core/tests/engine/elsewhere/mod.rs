//! Refreshes that are left to workers: who makes the call, who waits for whom, and for how long.

mod ends;
mod waits;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tower_swr_core::testing::{FarFault, FarNode};
use tower_swr_core::{
    Cache, CacheBuilder, Fetched, FlightPolicy, Joined, Keep, Key, Lifetime, MemorySettings,
    NoPartial, Outcome, Purpose, QueueLimits, RemoteRefreshes, TakenJob, Version, Waiting,
};

use crate::support::{House, SECOND, World, codec, key, minute, secs, whole};

type Plain = House<NoPartial>;

/// Processes that share a far side and its queue.
struct Shift {
    world: World,
    /// What the worker takes its jobs from.
    queue: FarNode,
    worker: Plain,
}

impl Shift {
    fn new() -> Self {
        let world = World::new();
        let (worker, queue) = world.connected();
        Self {
            world,
            queue,
            worker,
        }
    }

    /// A process that serves, and keeps 1 under `a`, which is due to be renewed now, when somebody is at work.
    fn web(&self) -> Plain {
        let web = self.serving(self.queue.clone(), QueueLimits::default());
        self.make_due(&web, &["a"]);
        self.attend();
        web
    }

    fn serving(&self, queue: FarNode, limits: QueueLimits) -> Plain {
        let far = self.world.server.node();
        let mut web = House::built(FlightPolicy::default(), [], |builder| {
            let builder = builder.clock(self.world.clock.clone()).refreshes(limits);
            builder.far(far).remote_refreshes(queue)
        });
        web.clock = self.world.clock.clone();
        web
    }

    fn make_due(&self, web: &Plain, names: &[&str]) {
        for name in names {
            let call = web.origin.makes(1, minute());
            assert_eq!(web.answer(&key(name), call), 1);
        }
        self.world.clock.advance(secs(60));
        assert!(names.iter().all(|name| web.is_refresh_due(&key(name))));
    }

    /// A process that has offered the refresh of `key`, which is stale for one second.
    fn offering_briefly(&self, key: &Key) -> Plain {
        let web = self.serving(self.queue.clone(), QueueLimits::default());
        let brief = Lifetime::fresh_for(SECOND).stale_while_revalidate(SECOND);
        assert_eq!(web.answer(key, web.origin.makes(1, brief)), 1);
        self.world.clock.advance(SECOND);
        self.attend();
        assert!(renew(&web, key, 3));
        web
    }

    fn attend(&self) {
        let said = self.queue.attend().now_or_never();
        assert_eq!(said, Some(Ok(())));
    }

    fn jobs(&self) -> Vec<TakenJob> {
        let taken = self.queue.take(9).now_or_never();
        taken.map_or(Vec::new(), |taken| taken.expect("an answer"))
    }

    /// Time passes, and everybody acts on it.
    fn pass(&self, houses: &[&Plain], span: std::time::Duration) {
        self.world.clock.advance(span);
        settle(houses);
    }
}

fn settle(houses: &[&Plain]) {
    for _ in 0..4 {
        for house in houses {
            house.tasks.poll_all();
        }
    }
}

fn made(house: &Plain, value: u32) -> impl Future<Output = Fetched<u32, NoPartial>> + use<> {
    let fetched = whole(value, Keep::Store(minute()));
    house.origin.call(async move { fetched })
}

/// Offers the refresh of `key`, which makes `value` where it runs here; false where one is under way.
fn renew(web: &Plain, key: &Key, value: u32) -> bool {
    let Some(turn) = web.cache.reserve_refresh(&key.borrowed(), &web.policy) else {
        return false;
    };
    let (house, own, call) = (web.clone(), key.clone(), made(web, value));
    let refresh = async move {
        if let Joined::Lead(fill) = house.join(&own, Purpose::Refresh) {
            fill.through(&codec()).run(call).await;
        }
    };
    web.cache
        .refresh_elsewhere(turn, "the refresh".into(), refresh);
    settle(&[web]);
    true
}

/// Begins what a worker does with a job for `key`, of which somebody has `seen` a value.
fn work(
    worker: &Plain,
    key: &Key,
    seen: Option<Version>,
    call: impl Future<Output = Fetched<u32, NoPartial>> + Send + 'static,
) -> Waiting<u32, NoPartial> {
    let Joined::Lead(fill) = worker.join(key, Purpose::Remote) else {
        panic!("somebody flies");
    };
    let fill = fill.through(&codec()).instead_of(seen);
    let waiting = fill.waiting();
    fill.spawn(call);
    settle(&[worker]);
    waiting
}

fn seen(web: &Plain, key: &Key) -> Option<Version> {
    let version = web.cache.version_of(&key.borrowed());
    assert!(version.is_some(), "it was left on the far side");
    version
}

/// Begins a worker's call, which makes 2 once it is told to.
fn work_slowly(worker: &Plain, web: &Plain, key: &Key) -> oneshot::Sender<()> {
    let (answer, slow) = oneshot::channel();
    let call = worker.origin.call(async move {
        slow.await.expect("it is sent");
        whole(2, Keep::Store(minute()))
    });
    drop(work(worker, key, seen(web, key), call));
    answer
}

#[test]
fn a_worker_makes_the_call_and_its_value_is_taken() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    assert!(renew(&web, &a, 3));
    let jobs = shift.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].payload, "the refresh");
    drop(work(worker, &a, seen(&web, &a), made(worker, 2)));
    settle(&[&web, worker]);
    assert_eq!(web.kept(&a), Some(2));
    assert!(!web.is_refresh_due(&a));
    assert_eq!((web.origin.calls(), worker.origin.calls()), (1, 1));
    let stats = web.cache.stats();
    assert_eq!(
        (stats.far.offered, stats.far.overdue, stats.fills),
        (1, 0, 1)
    );
}

#[test]
fn two_processes_wait_for_one_worker() {
    let shift = Shift::new();
    let web = shift.web();
    let other = shift.serving(shift.queue.clone(), QueueLimits::default());
    let (worker, a) = (&shift.worker, key("a"));
    // It has what is there, and that is stale.
    assert_eq!(other.answer(&a, other.origin.makes(9, minute())), 1);
    shift.attend();
    assert!(renew(&web, &a, 3) && renew(&other, &a, 4));
    assert_eq!(shift.jobs().len(), 1);
    drop(work(worker, &a, seen(&web, &a), made(worker, 2)));
    settle(&[&web, &other]);
    assert_eq!((web.kept(&a), other.kept(&a)), (Some(2), Some(2)));
    assert_eq!((web.origin.calls(), other.origin.calls()), (1, 0));
    assert_eq!(other.cache.stats().far.offered, 1);
}

#[test]
fn where_nobody_is_at_work_the_call_is_made_here_at_once() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    // Whoever was at work has not been heard of since.
    shift.pass(&[&web], secs(10));
    assert!(renew(&web, &a, 3));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
    let stats = web.cache.stats().far;
    assert_eq!((stats.offered, stats.commits), (0, 2), "under the lease");
    assert!(shift.jobs().is_empty());
}

#[test]
fn where_the_queue_is_away_the_call_is_made_here_at_once() {
    let shift = Shift::new();
    let queue = shift.world.server.node();
    let web = shift.serving(queue.clone(), QueueLimits::default());
    let a = key("a");
    shift.make_due(&web, &["a"]);
    shift.attend();
    queue.suffer(FarFault::Unavailable);
    assert!(renew(&web, &a, 3));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
    assert_eq!(web.cache.stats().far.failures, 1);
    assert_eq!(web.cache.stats().far.commits, 2, "under the lease");
}

#[test]
fn a_queue_that_does_not_answer_costs_its_budget_and_no_more() {
    let shift = Shift::new();
    let queue = shift.world.server.node();
    let web = shift.serving(queue.clone(), QueueLimits::default());
    let a = key("a");
    shift.make_due(&web, &["a"]);
    shift.attend();
    let budget = SECOND / 10;
    queue.suffer(FarFault::Late(budget));
    assert!(renew(&web, &a, 3));
    assert_eq!(web.origin.calls(), 1);
    shift.pass(&[&web], budget);
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
}

#[test]
fn what_another_process_has_renewed_is_taken_without_a_job() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    let other: Plain = shift.world.house();
    assert_eq!(other.answer(&a, other.origin.makes(9, minute())), 1);
    assert_eq!(other.answer(&a, other.origin.makes(2, minute())), 1);
    settle(&[&other]);
    assert!(renew(&web, &a, 3));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(2), 1));
    assert!(shift.jobs().is_empty());
}

#[test]
fn without_a_queue_a_refresh_is_one_of_this_process() {
    let world = World::new();
    let (web, _): (Plain, _) = world.connected();
    let a = key("a");
    assert_eq!(web.answer(&a, web.origin.makes(1, minute())), 1);
    world.clock.advance(secs(60));
    assert!(!web.cache.is_remote());
    assert!(renew(&web, &a, 3));
    assert_eq!((web.kept(&a), web.origin.calls()), (Some(3), 2));
}

#[test]
#[should_panic(expected = "name the far side, too")]
fn workers_without_a_far_side_are_refused() {
    let queue = World::new().server.node();
    let builder = CacheBuilder::new(MemorySettings::new(1 << 20));
    let _cache: Cache<u32> = builder.remote_refreshes(queue).build();
}

// --- The worker ----------------------------------------------------------------------------------------------------------

#[test]
fn a_worker_makes_no_call_where_there_is_another_value_than_was_seen() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    let before = seen(&web, &a);
    drop(work(worker, &a, before, made(worker, 2)));
    assert_eq!(worker.origin.calls(), 1);
    let found = work(worker, &a, before, made(worker, 3));
    assert!(matches!(found.now_or_never(), Some(Outcome::Landed(_))));
    assert_eq!((worker.kept(&a), worker.origin.calls()), (Some(2), 1));
}

#[test]
fn a_worker_makes_the_call_for_a_value_that_was_seen_however_fresh() {
    let shift = Shift::new();
    let (web, worker, a) = (shift.web(), &shift.worker, key("a"));
    drop(work(worker, &a, seen(&web, &a), made(worker, 2)));
    assert!(renew(&web, &a, 9));
    assert_eq!(web.kept(&a), Some(2));
    // As after a soft purge, which is for one process alone.
    drop(work(worker, &a, seen(&web, &a), made(worker, 3)));
    assert_eq!((worker.kept(&a), worker.origin.calls()), (Some(3), 2));
}

#[test]
fn a_worker_that_cannot_ask_makes_no_call() {
    let shift = Shift::new();
    let (web, a) = (shift.web(), key("a"));
    let (worker, node): (Plain, _) = shift.world.connected();
    node.suffer(FarFault::Unavailable);
    let lost = work(&worker, &a, seen(&web, &a), made(&worker, 2));
    assert!(matches!(lost.now_or_never(), Some(Outcome::Lost(_))));
    assert_eq!(worker.origin.calls(), 0);
}

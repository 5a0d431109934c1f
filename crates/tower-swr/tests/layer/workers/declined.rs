//! What a worker cannot do, and what it does in vain: whoever asked does it, at once.

use std::time::Duration;

use http::header::ACCEPT;
use tower_swr_core::testing::FarFault;
use tower_swr_core::{FarError, FarFuture, FarStore, TakenJob, Woken};

use super::*;

/// A process that keeps `web` under `/a`, which is stale now, and a worker that runs `service`.
async fn stale_before<S>(
    world: &World,
    service: S,
) -> (House, CacheService<Origin>, Origin, Working)
where
    S: Service<Request<Body>, Response: Send, Error: Send, Future: Send> + Clone + Send + 'static,
    S: Service<Request<Body>, Response = Response<tower_swr::CacheBody<Body>>>,
{
    let house = world.house();
    let (web, here) = service_of(&house);
    ask(&web, get("/a")).await;
    let working = world.work(service).await;
    world.pass(secs(60)).await;
    (house, web, here, working)
}

fn service_of(house: &House) -> (CacheService<Origin>, Origin) {
    service(house, reply(200).text("web"))
}

#[tokio::test]
async fn what_a_worker_cannot_make_is_made_here_at_once() {
    let world = World::new();
    let elsewhere = world.house().cache.layer("elsewhere").max_age(secs(60));
    let off = world.house();
    off.cache.mode(tower_swr::Mode::Off);
    for layer in [
        minute(&world.house()).vary([ACCEPT]),
        elsewhere,
        minute(&off),
    ] {
        let world = World::new();
        let there = Origin::always(reply(200).text("worker"));
        let (house, web, here, working) = stale_before(&world, layer.layer(there.clone())).await;
        assert_eq!(ask(&web, get("/a")).await.x_cache(), "STALE");
        settle().await;
        assert_eq!(ask(&web, get("/a")).await.x_cache(), "HIT");
        let stats = working.stats();
        assert_eq!(stats.refused + stats.unmet, 1, "{stats:?}");
        assert_eq!(here.calls(), 2, "without any wait");
        let far = house.cache.stats().far;
        assert_eq!((far.offered, far.overdue, far.declined), (1, 0, 1));
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_for_the_far_side_is_not_called_renewed() {
    let world = World::new();
    let node = world.server.node();
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(node);
    let small = House {
        cache: builder.far_limit(1000).clock(world.clock.clone()).build(),
        clock: world.clock.clone(),
        heard: RecordingObserver::default(),
    };
    let there = Origin::always(reply(200).text("x".repeat(2000)));
    let worked = minute(&small).layer(there.clone());
    let (house, web, here, working) = stale_before(&world, worked).await;
    assert_eq!(ask(&web, get("/a")).await.x_cache(), "STALE");
    settle().await;
    world.pass(secs(1)).await;
    assert_eq!(ask(&web, get("/a")).await.x_cache(), "HIT");
    let stats = working.stats();
    assert_eq!((stats.renewed, stats.unkept), (0, 1), "{stats:?}");
    assert_eq!((here.calls(), there.calls()), (2, 1));
    assert_eq!(house.cache.stats().far.declined, 1);
}

#[tokio::test]
async fn an_answer_that_the_far_side_did_not_take_is_made_again() {
    let world = World::new();
    let there = Origin::always(reply(200).text("worker"));
    let far = world.server.node();
    let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(far.clone());
    let apart = House {
        cache: builder.clock(world.clock.clone()).build(),
        clock: world.clock.clone(),
        heard: RecordingObserver::default(),
    };
    there.hold();
    let worked = minute(&apart).layer(there.clone());
    let (_house, web, here, working) = stale_before(&world, worked).await;
    assert_eq!(ask(&web, get("/a")).await.x_cache(), "STALE");
    settle().await;
    assert_eq!(there.calls(), 1);
    far.suffer(FarFault::Unavailable);
    there.release();
    settle().await;
    let stats = working.stats();
    assert_eq!((stats.renewed, stats.failed), (0, 1), "{stats:?}");
    far.recover();
    // The lease that could not be given back runs out first.
    world.pass(secs(15)).await;
    let stats = working.stats();
    assert_eq!((stats.renewed, stats.found), (1, 0), "{stats:?}");
    assert_eq!((here.calls(), there.calls()), (1, 2));
    assert_eq!(ask(&web, get("/a")).await.text(), "worker");
}

#[tokio::test]
async fn an_answer_that_a_purge_has_overtaken_is_nobodys() {
    let world = World::new();
    let there = Origin::always(reply(200).text("worker"));
    there.hold();
    let worked = minute(&world.house()).layer(there.clone());
    let (house, web, here, working) = stale_before(&world, worked).await;
    assert_eq!(ask(&web, get("/a")).await.x_cache(), "STALE");
    settle().await;
    house.cache.purge_all();
    settle().await;
    there.release();
    settle().await;
    let stats = working.stats();
    assert_eq!((stats.renewed, stats.failed), (0, 0), "{stats:?}");
    assert_eq!(stats.found + stats.unkept, 1, "{stats:?}");
    assert_eq!(here.calls(), 1, "nothing is left to be renewed");
}

#[tokio::test]
async fn a_job_that_comes_when_nothing_can_be_served_any_more_is_dropped() {
    let world = World::new();
    let there = Origin::always(reply(200));
    let working = world
        .work(minute(&world.house()).layer(there.clone()))
        .await;
    let jobs = [told::job_for("/a").await, told::job_for("/b").await];
    // Both were made a minute after their answers, which can be served for 1201 seconds.
    let [in_time, late] = jobs;
    world.pass(secs(1200)).await;
    working.node.attend().await.expect("it is said");
    assert_eq!(working.node.enqueue(in_time).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!((there.calls(), working.stats().late), (1, 0));
    world.pass(secs(2)).await;
    assert_eq!(working.node.enqueue(late).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!((there.calls(), working.stats().late), (1, 1));
}

/// A queue that hands nothing out.
#[derive(Clone, Debug)]
struct Stuck(FarNode);

impl RemoteRefreshes for Stuck {
    fn attend(&self) -> FarFuture<'_, Result<(), FarError>> {
        self.0.attend()
    }

    fn enqueue(&self, job: RemoteJob) -> FarFuture<'_, Result<Enqueued, FarError>> {
        self.0.enqueue(job)
    }

    fn take(&self, _most: usize) -> FarFuture<'_, Result<Vec<TakenJob>, FarError>> {
        Box::pin(async { Err(FarError::Denied) })
    }

    fn done(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        self.0.done(job)
    }

    fn decline(&self, job: TakenJob) -> FarFuture<'_, Result<(), FarError>> {
        self.0.decline(job)
    }

    fn retry(&self, job: TakenJob, pause: Duration) -> FarFuture<'_, Result<(), FarError>> {
        self.0.retry(job, pause)
    }
}

#[tokio::test]
async fn a_worker_that_gets_nothing_does_not_say_that_it_is_there() {
    let world = World::new();
    let node = world.server.node();
    let there = Origin::always(reply(200));
    let service = minute(&world.house()).layer(there.clone());
    let worker = RefreshWorker::new(Stuck(node.clone()), service).with_body::<Body>();
    let worker = worker.clock(world.clock.clone()).rng(Half);
    let working = world.run(node, worker).await;
    world.pass(secs(5)).await;
    let job = told::job_for("/a").await;
    let offered = working.node.enqueue(job).await;
    assert_eq!(offered, Ok(Enqueued::Unattended));
}

#[tokio::test]
async fn a_variant_whose_index_was_lost_is_renewed_without_a_wait() {
    let world = World::new();
    let said =
        |who: &'static str| Origin::always(reply(200).text(who).with("vary", "accept-language"));
    let (here, there) = (said("web"), said("worker"));
    let house = world.house();
    let web = minute(&house).layer(here.clone());
    let asked = || get("/a").with("accept-language", "de");
    ask(&web, asked()).await;
    settle().await;
    let working = world
        .work(minute(&world.house()).layer(there.clone()))
        .await;
    world.pass(secs(60)).await;
    // It knows the answer, and no longer what leads to it.
    assert_eq!(world.server.evict_primaries(), 1);
    assert_eq!(ask(&web, asked()).await.x_cache(), "STALE");
    settle().await;
    let renewed = ask(&web, asked()).await;
    assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "worker"));
    assert_eq!((here.calls(), there.calls()), (1, 1));
    assert_eq!(working.stats().renewed, 1);
    assert_eq!(house.cache.stats().far.overdue, 0);
}

#[tokio::test]
async fn what_nobody_here_can_read_is_made_at_once_by_who_asked() {
    let world = World::new();
    let working = world
        .work(minute(&world.house()).layer(Origin::always(reply(200))))
        .await;
    let node = world.server.node();
    let key = FarKey::new(KeyText::new("s").key());
    let watch = node.watch(&key);
    let job = RemoteJob::new(&key, "of another release");
    assert_eq!(node.enqueue(job).await, Ok(Enqueued::Queued));
    settle().await;
    assert_eq!(working.stats().unreadable, 1);
    let woken = futures_util::FutureExt::now_or_never(watch);
    assert_eq!(woken, Some(Woken::Declined));
}

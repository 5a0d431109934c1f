//! How a worker lives: with its hands full, without its queue, and until it is told to stop.

use tower_swr_core::testing::FarFault;

use super::*;

/// A worker that makes one refresh at a time, of which one is under way.
async fn held(deadline: u64) -> (World, Working, Origin) {
    let world = World::new();
    let origin = Origin::always(reply(200).text("worker"));
    let service = minute(&world.house()).layer(origin.clone());
    let node = world.server.node();
    let worker = RefreshWorker::new(node.clone(), service).with_body::<Body>();
    let worker = worker.clock(world.clock.clone()).concurrency(1);
    let working = world.run(node, worker.drain_deadline(secs(deadline))).await;
    origin.hold();
    for path in ["/a", "/b"] {
        let job = told::job_for(path).await;
        assert_eq!(working.node.enqueue(job).await, Ok(Enqueued::Queued));
    }
    settle().await;
    assert_eq!(origin.calls(), 1);
    (world, working, origin)
}

#[tokio::test]
async fn hands_that_are_full_still_wave() {
    let (world, working, origin) = held(10).await;
    world.pass(secs(20)).await;
    let job = told::job_for("/c").await;
    assert_eq!(working.node.enqueue(job).await, Ok(Enqueued::Queued));
    assert_eq!((origin.calls(), origin.most_at_once()), (1, 1));
    origin.release();
    world.pass(secs(1)).await;
    assert_eq!((origin.calls(), origin.most_at_once()), (3, 1));
    assert_eq!(working.stats().renewed, 3);
}

#[tokio::test]
async fn one_that_is_told_to_stop_ends_what_it_has_in_its_hands() {
    let (world, working, origin) = held(10).await;
    working.stop.send(()).expect("it runs");
    settle().await;
    world.pass(secs(5)).await;
    assert!(!working.running.is_finished());
    origin.release();
    settle().await;
    let done = working.running.await.expect("no panic");
    assert_eq!(
        (done.renewed, origin.calls()),
        (1, 1),
        "nothing more is begun"
    );
    world.pass(secs(5)).await;
    let job = told::job_for("/c").await;
    let unattended = working.node.enqueue(job).await;
    assert_eq!(unattended, Ok(Enqueued::Unattended), "nobody is there");
}

#[tokio::test]
async fn what_is_not_done_in_time_is_left_to_others() {
    let (world, working, origin) = held(3).await;
    working.stop.send(()).expect("it runs");
    settle().await;
    world.pass(secs(3)).await;
    let done = working.running.await.expect("no panic");
    assert_eq!(done.renewed, 0);
    settle().await;
    assert_eq!(origin.cancelled(), 1);
    origin.release();
    let second = Origin::always(reply(200));
    let rescuer = world
        .work(minute(&world.house()).layer(second.clone()))
        .await;
    world.pass(secs(70)).await;
    assert_eq!((second.calls(), rescuer.stats().renewed), (2, 2));
}

#[tokio::test]
async fn one_that_is_dropped_cancels_what_it_has_in_its_hands() {
    let (_world, working, origin) = held(10).await;
    working.running.abort();
    settle().await;
    assert_eq!(origin.cancelled(), 1);
}

#[tokio::test]
async fn a_handler_that_hangs_is_given_up() {
    let (world, working, origin) = held(10).await;
    world.pass(secs(60)).await;
    // By the layer's own deadline for it.
    assert_eq!((origin.cancelled(), working.stats().failed), (1, 1));
    assert_eq!(origin.calls(), 2, "the next one has its turn");
}

#[tokio::test]
async fn a_queue_that_comes_back_is_used_again() {
    let stale = Stale::new().await;
    stale.working.node.suffer(FarFault::Unavailable);
    stale.world.pass(secs(5)).await;
    assert!(stale.working.stats().queue_failures > 5);
    // Nobody has heard of the worker lately.
    assert_eq!(stale.ask().await.x_cache(), "STALE");
    assert_eq!(stale.ask().await.text(), "web");
    assert_eq!(stale.calls(), (2, 0));
    stale.working.node.recover();
    stale.world.pass(secs(60)).await;
    assert_eq!(stale.ask().await.x_cache(), "STALE");
    assert_eq!(stale.ask().await.text(), "worker");
    assert_eq!(stale.calls(), (2, 1));
}

#[tokio::test]
async fn a_server_that_has_lost_everything_costs_no_answer() {
    let stale = Stale::new().await;
    stale.world.server.restart_empty();
    settle().await;
    // Whatever may have been purged meanwhile is made anew, by whoever is asked.
    assert_eq!(stale.ask().await.status, 200);
    assert_eq!(stale.ask().await.x_cache(), "HIT");
    assert_eq!(stale.calls(), (2, 0));
    stale.world.pass(secs(60)).await;
    assert_eq!(stale.ask().await.x_cache(), "STALE");
    assert_eq!(stale.ask().await.text(), "worker");
}

#[test]
#[should_panic(expected = "allow at least 1")]
fn one_without_hands_is_refused() {
    let node = FarServer::default().node();
    let _ = RefreshWorker::new(node, ()).concurrency(0);
}

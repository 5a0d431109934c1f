//! Clients, processes and runtimes that end in the middle of a call.

use super::hundred;
use crate::house::{Answer, House, Origin, answers, ask, get, reply, settle, start, start_all};
use tower::Layer as _;
use tower_swr::{CacheService, HttpCache, MemorySettings};
use tower_swr_core::testing::ManualSpawn;

#[tokio::test]
async fn clients_who_hang_up_leave_the_call_to_the_others_and_to_the_store() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let leader = start(&service, get("/")).await;
    let follower = start(&service, get("/")).await;
    settle().await;
    leader.abort();
    settle().await;
    origin.release();
    assert_eq!(
        follower.await.expect("it was not aborted").x_cache(),
        "COLLAPSED"
    );
    house.cache.purge_all();
    origin.hold();
    let all = start_all(&service, hundred()).await;
    all.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    origin.release();
    settle().await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 2)
    );
    assert_eq!(origin.cancelled(), 0);
}

#[tokio::test]
async fn a_shutdown_in_the_middle_of_a_call_answers_who_waits() {
    let spawn = ManualSpawn::default();
    let cache = HttpCache::builder(MemorySettings::new(1 << 20))
        .spawn(spawn.clone())
        .build();
    let service = cache.layer("s").layer(Origin::always(reply(200)));
    let asking = start_all(&service, hundred()).await;
    assert_eq!(spawn.len(), 1);
    spawn.drop_all();
    let all = answers(asking).await;
    assert!(
        all.iter().all(|answer| answer.is_problem(503)),
        "{:?}",
        all[0]
    );
    assert_eq!(cache.stats().flights, 0);
    let again = start(&service, get("/")).await;
    spawn.poll_all();
    spawn.poll_all();
    assert_eq!(again.await.expect("an answer").x_cache(), "MISS");
}

#[test]
fn a_runtime_that_ends_in_the_middle_of_a_call_does_not_hang() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().layer(origin.clone());
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let first = runtime();
    origin.hold();
    first.block_on(async { while_called(&service, &origin).await });
    drop(first);
    assert_eq!((origin.cancelled(), house.cache.stats().flights), (1, 0));
    origin.release();
    let answer: Answer = runtime().block_on(ask(&service, get("/")));
    assert_eq!(answer.x_cache(), "MISS");
}

async fn while_called(service: &CacheService<Origin>, origin: &Origin) {
    drop(start_all(service, hundred()).await);
    while origin.calls() == 0 {
        tokio::task::yield_now().await;
    }
}

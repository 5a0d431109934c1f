//! Handlers that panic, hang, err or answer 500, and clients who hang up: everybody is answered, and keys are free again.

use crate::house::{
    Answer, House, Origin, Reply, answers, ask, count, get, head, millis, reply, secs, settle,
    start, start_all,
};
use axum::body::Body;
use http::Response;
use tower::{Layer as _, ServiceExt as _};
use tower_swr::{BoxError, CacheService, HttpCache, MemorySettings};
use tower_swr_core::testing::{Heard, ManualSpawn};

fn hundred() -> impl Iterator<Item = http::Request<Body>> {
    (0..100).map(|_| get("/"))
}

/// What an origin does instead of answering.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Panic,
    Error,
    Status,
    StatusNotToBeStored,
}

const TROUBLES: [Trouble; 4] = [
    Trouble::Panic,
    Trouble::Error,
    Trouble::Status,
    Trouble::StatusNotToBeStored,
];

impl Trouble {
    fn happen(self) -> Result<Response<Body>, BoxError> {
        let failure: Reply = reply(500).text("sorry");
        match self {
            Self::Panic => panic!("as it should"),
            Self::Error => Err("as it should".into()),
            Self::Status => Ok(failure.to_response(0)),
            Self::StatusNotToBeStored => {
                Ok(failure.with("cache-control", "no-store").to_response(0))
            }
        }
    }
}

/// An origin that is good once and then in trouble, behind a layer with an hour of stale-if-error and no other window.
fn once_good(house: &House, trouble: Trouble) -> (Origin, CacheService<Origin>) {
    let origin = Origin::new(move |call| match call.number {
        0 => Ok(reply(200).text("good").to_response(0)),
        _ => trouble.happen(),
    });
    let layer = house
        .layer()
        .stale_while_revalidate(secs(0))
        .stale_if_error(secs(3600));
    (origin.clone(), layer.layer(origin))
}

#[tokio::test]
async fn a_panic_answers_a_hundred_waiters_with_one_call() {
    let (house, origin) = (House::new(), Origin::new(|_| panic!("as it should")));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, hundred()).await;
    origin.release();
    let all = answers(asking).await;
    assert_eq!((all.len(), origin.calls()), (100, 1));
    for answer in &all {
        assert!(answer.is_problem(500), "{answer:?}");
        assert!(
            answer.text().contains(r#""status":500"#),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains(r#""code":"origin-panicked""#));
    }
    assert!(ask(&service, get("/")).await.is_problem(500));
    assert_eq!((origin.calls(), house.heard.count(Heard::Panicked)), (2, 2));
}

#[tokio::test]
async fn a_call_that_hangs_is_cancelled_and_the_key_is_free_again() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let layer = house
        .layer()
        .origin_timeout(secs(10))
        .wait_timeout(secs(20));
    let service = layer.layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, hundred()).await;
    house.pass(millis(9_999)).await;
    assert_eq!(origin.cancelled(), 0);
    house.pass(millis(1)).await;
    let all = answers(asking).await;
    assert!(
        all.iter().all(|answer| answer.is_problem(504)),
        "{:?}",
        all[0]
    );
    assert_eq!((origin.calls(), origin.cancelled()), (1, 1));
    origin.release();
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn who_waits_too_long_is_told_to_come_again_and_the_call_goes_on() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().wait_timeout(secs(5)).layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, [get("/"), get("/"), head("/")]).await;
    house.pass(secs(5)).await;
    let all = answers(asking).await;
    assert!(
        all.iter().all(|answer| answer.is_problem(503)),
        "the leader's client, too: {all:?}"
    );
    assert_eq!(all[2].text(), "");
    origin.release();
    settle().await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 1)
    );
}

#[tokio::test]
async fn an_older_answer_stands_in_for_any_failure_and_the_origin_is_left_alone_for_a_while() {
    for trouble in TROUBLES {
        let house = House::new();
        let (origin, service) = once_good(&house, trouble);
        ask(&service, get("/")).await;
        house.pass(secs(100)).await;
        origin.hold();
        let asking = start_all(&service, hundred()).await;
        origin.release();
        let all = answers(asking).await;
        assert_eq!(origin.calls(), 2, "{trouble:?}");
        for answer in &all {
            let told = (
                answer.text(),
                answer.field("age"),
                answer.field("cache-status"),
            );
            let status = "tower-swr; fwd=stale; ttl=-40; detail=stale-if-error";
            assert_eq!(told, ("good", "100", status), "{trouble:?}");
        }
        assert_eq!(count(&all, "STALE"), 100);
        let meanwhile = ask(&service, get("/")).await;
        assert_eq!(
            (meanwhile.x_cache(), origin.calls()),
            ("STALE", 2),
            "{trouble:?}"
        );
        house.pass(millis(50)).await;
        ask(&service, get("/")).await;
        assert_eq!(origin.calls(), 3, "the pause is over after {trouble:?}");
    }
}

#[tokio::test]
async fn pauses_grow_with_each_failure_in_a_row() {
    let house = House::new();
    let (origin, service) = once_good(&house, Trouble::Status);
    ask(&service, get("/")).await;
    house.pass(secs(100)).await;
    // Half of 100 ms, 200 ms, 400 ms, since the die always rolls a half.
    for (calls, pause) in [(2, 50), (3, 100), (4, 200), (5, 400)] {
        ask(&service, get("/")).await;
        assert_eq!(origin.calls(), calls);
        house.pass(millis(pause - 1)).await;
        ask(&service, get("/")).await;
        assert_eq!(origin.calls(), calls);
        house.pass(millis(1)).await;
    }
}

#[tokio::test]
async fn an_older_answer_stands_in_at_the_soft_timeout() {
    let house = House::new();
    let (origin, service) = once_good(&house, Trouble::Error);
    ask(&service, get("/")).await;
    house.pass(secs(100)).await;
    origin.hold();
    let asking = start_all(&service, hundred()).await;
    house.pass(millis(999)).await;
    assert!(asking.iter().all(|client| !client.is_finished()));
    house.pass(millis(1)).await;
    for answer in answers(asking).await {
        assert_eq!((answer.text(), answer.x_cache()), ("good", "STALE"));
        assert!(
            answer
                .field("cache-status")
                .ends_with("detail=soft-timeout"),
            "{answer:?}"
        );
    }
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn nothing_stands_in_after_the_window_or_where_the_handler_forbids_it() {
    let house = House::new();
    let (_origin, service) = once_good(&house, Trouble::Panic);
    ask(&service, get("/")).await;
    house.pass(secs(60 + 3600)).await;
    assert!(ask(&service, get("/")).await.is_problem(500));
    let strict = reply(200).with("cache-control", "max-age=60, must-revalidate");
    let origin = Origin::script([strict, reply(500)]);
    let service = house
        .cache
        .layer("strict")
        .stale_if_error(secs(3600))
        .layer(origin);
    ask(&service, get("/")).await;
    house.pass(secs(60)).await;
    assert_eq!(ask(&service, get("/")).await.status, 500);
}

#[tokio::test]
async fn an_error_of_the_service_is_the_leaders_own_and_a_problem_for_the_others() {
    let (house, origin) = (
        House::new(),
        Origin::new(|_| Err("the cable is cut".into())),
    );
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let leader = std::pin::pin!(service.clone().oneshot(get("/")));
    let (leader, others) = futures_util::future::join(leader, async {
        let asking = start_all(&service, hundred()).await;
        origin.release();
        answers(asking).await
    })
    .await;
    assert_eq!(
        leader.expect_err("the service's own").to_string(),
        "the cable is cut"
    );
    assert!(
        others.iter().all(|answer| answer.is_problem(502)),
        "{:?}",
        others[0]
    );
    assert_eq!(origin.calls(), 1);
}

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

#[tokio::test]
async fn an_older_answer_stands_in_for_a_head_too() {
    for trouble in ["500", "error", "hangs"] {
        let house = House::new();
        let origin = Origin::new(move |call| match (call.number, trouble) {
            (0, _) => Ok(reply(200).to_response(0)),
            (_, "500") => Ok(reply(500).to_response(1)),
            _ => Err("down".into()),
        });
        let layer = house.layer().stale_if_error(secs(3600));
        let service = layer.layer(origin.clone());
        ask(&service, get("/")).await;
        house.pass(secs(180)).await;
        if trouble == "hangs" {
            origin.hold();
        }
        let asking = start_all(&service, [head("/")]).await;
        house.pass(secs(1)).await;
        let answers = answers(asking).await;
        let [answer] = &answers[..] else { panic!() };
        assert_eq!(
            (answer.status.as_u16(), answer.x_cache()),
            (200, "STALE"),
            "{trouble}"
        );
    }
}

//! Handlers that panic, hang, err or answer 500, and clients who hang up: everybody is answered, and keys are free again.

mod ends;
mod stand_in;

use crate::house::{
    House, Origin, answers, ask, get, head, millis, reply, secs, settle, start_all,
};
use axum::body::Body;
use tower::{Layer as _, ServiceExt as _};
use tower_swr_core::testing::Heard;

fn hundred() -> impl Iterator<Item = http::Request<Body>> {
    (0..100).map(|_| get("/"))
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

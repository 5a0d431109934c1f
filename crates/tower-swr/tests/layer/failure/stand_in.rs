//! An older answer stands in for what fails.

use super::hundred;
use crate::house::{
    House, Origin, Reply, answers, ask, count, get, head, millis, reply, secs, start_all,
};
use axum::body::Body;
use http::Response;
use tower::Layer as _;
use tower_swr::{BoxError, CacheService};

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

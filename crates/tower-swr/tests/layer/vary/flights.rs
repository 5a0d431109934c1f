//! Variants in one flight: who joins which call.

use super::{in_language, said};
use crate::house::{
    Answer, House, Origin, With as _, answers, ask, count, get, open, reply, secs, settle, stage,
    start_all,
};
use axum::body::Body;
use http::Request;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tower::{Layer as _, service_fn};
use tower_swr::BoxError;
use tower_swr_core::Clock as _;

#[tokio::test]
async fn what_is_shared_and_not_kept_is_told_apart_in_the_flight_too() {
    let origin = Origin::new(|call| {
        let text = said(&call, "accept-language");
        let reply = reply(404).with("vary", "accept-language").text(text);
        Ok(reply.to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(
        &service,
        (0..60).map(|n| in_language(&format!("l{}", n % 6))),
    )
    .await;
    origin.release();
    for (n, answer) in answers(asking).await.iter().enumerate() {
        assert_eq!(answer.text(), format!("l{}", n % 6));
    }
    assert_eq!(origin.calls(), 6);
}

#[tokio::test]
async fn a_failing_origin_is_asked_once_for_each_variant() {
    let house = House::new();
    let origin = Origin::new(|call| {
        Ok(reply(500)
            .with("vary", "accept-language")
            .to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let requests =
        (0..100).map(|number| get("/").with("accept-language", (number % 10).to_string()));
    let asking = start_all(&service, requests).await;
    origin.release();
    let answers = answers(asking).await;
    assert!(answers.iter().all(|answer| answer.status == 500));
    assert_eq!((origin.calls(), count(&answers, "PASS")), (10, 0));
}

#[tokio::test]
async fn a_variant_that_may_not_be_shared_leaves_the_others_alone() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let control = match said(&call, "accept").as_str() {
            "text/html" => "no-store",
            _ => "max-age=60",
        };
        let reply = reply(200)
            .with("vary", "accept")
            .with("cache-control", control);
        Ok(reply.to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    let accepting = |kind: &'static str| (0..10).map(move |_| get("/").with("accept", kind));
    ask(&service, get("/").with("accept", "text/html")).await;
    for (kind, calls) in [
        ("application/json", 1),
        ("text/html", 10),
        ("application/json", 0),
        ("text/html", 10),
    ] {
        let before = origin.calls();
        origin.hold();
        let asking = start_all(&service, accepting(kind)).await;
        assert_eq!(origin.calls() - before, calls, "{kind}, at once");
        origin.release();
        answers(asking).await;
    }
}

#[tokio::test]
async fn who_wants_the_variant_that_is_streamed_joins_the_stream() {
    let mut stage = stage(reply(200).with("vary", "accept-language"), House::layer);
    let english = || get("/").with("accept-language", "en");
    let first = open(&stage.service, english()).await;
    stage.pipes[0].send("one");
    settle().await;
    let second = open(&stage.service, english()).await;
    assert_eq!(
        (&second.headers()["x-cache"], stage.origin.calls()),
        (&"COLLAPSED".parse().expect("a value"), 1)
    );
    let _german = open(&stage.service, get("/").with("accept-language", "de")).await;
    assert_eq!(stage.origin.calls(), 2);
    stage.pipes[0].end();
    for reader in [first, second] {
        assert_eq!(Answer::read(reader).await.text(), "one");
    }
    settle().await;
    assert_eq!(ask(&stage.service, english()).await.x_cache(), "HIT");
}

#[tokio::test]
async fn no_number_of_hops_makes_a_wait_longer() {
    let (house, calls) = (House::new(), Arc::new(AtomicUsize::new(0)));
    let clock = house.clock.clone();
    let origin = service_fn(move |_: Request<Body>| {
        let takes = match calls.fetch_add(1, Ordering::SeqCst) {
            0 => secs(6),
            _ => secs(3600),
        };
        let made = clock.sleep(takes);
        async move {
            made.await;
            Ok::<_, BoxError>(reply(200).with("vary", "accept-language").to_response(0))
        }
    });
    let layer = house.layer().wait_timeout(secs(10));
    let service = layer.layer(origin);
    let requests = ["en", "de", "de"].map(in_language);
    let asking = start_all(&service, requests).await;
    house.pass(secs(6)).await;
    house.pass(secs(4)).await;
    let statuses: Vec<_> = answers(asking)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses, [200, 503, 503]);
}

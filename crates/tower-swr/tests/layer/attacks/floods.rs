//! Many of something, so that memory or the origin gives way.

use crate::house::{House, Origin, With as _, answers, ask, get, reply, settle, start, start_all};
use tower::Layer as _;
use tower_swr::MemorySettings;

#[tokio::test]
async fn addresses_without_end_do_not_gather() {
    let house = House::with(MemorySettings::new(256 << 10));
    let origin = Origin::new(|call| {
        let is_private = call.parts.uri.path().starts_with("/own");
        let said = if is_private {
            reply(200).with("cache-control", "no-store")
        } else {
            reply(200)
        };
        Ok(said.to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    for number in 0..5_000 {
        ask(&service, get(&format!("/?{number}"))).await;
        ask(&service, get(&format!("/own?{number}"))).await;
    }
    let stats = house.cache.stats();
    assert!(stats.bytes <= 256 << 10, "{stats:?}");
    assert_eq!(stats.flights, 0);
}

#[tokio::test]
async fn leaders_who_come_and_go_cost_one_call() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    for _ in 0..1_000 {
        let asking = start(&service, get("/")).await;
        asking.abort();
    }
    settle().await;
    assert_eq!(origin.calls(), 1);
    let last = start_all(&service, [get("/")]).await;
    origin.release();
    assert_eq!(answers(last).await[0].text(), "call 0");
    settle().await;
    assert_eq!((house.cache.stats().flights, origin.calls()), (0, 1));
}

#[tokio::test]
async fn ranges_that_lie_above_each_other_make_no_more_than_the_whole() {
    let body = "0123456789".repeat(100);
    let house = House::new();
    let service = house
        .layer()
        .layer(Origin::always(reply(200).text(body.clone())));
    ask(&service, get("/")).await;
    for ranges in [
        "0-,".repeat(1_000),
        "0-998,1-999,".repeat(500),
        "0-0,".repeat(10_000),
    ] {
        let answer = ask(&service, get("/").with("range", format!("bytes={ranges}"))).await;
        assert!(
            answer.text().len() <= 2 * body.len(),
            "{}",
            answer.text().len()
        );
    }
}

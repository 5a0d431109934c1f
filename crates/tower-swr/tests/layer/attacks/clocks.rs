//! Clocks that jump, and answers that are dated wrongly.

use std::time::{Duration, SystemTime};

use crate::house::{House, Origin, ask, get, reply, secs};
use tower::Layer as _;

#[tokio::test]
async fn a_step_of_the_wall_clock_neither_expires_nor_revives() {
    let day = Duration::from_secs(86_400);
    for wall in [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + day * 40_000,
    ] {
        let (house, origin) = (House::new(), Origin::always(reply(200)));
        let service = house.layer().layer(origin.clone());
        ask(&service, get("/")).await;
        house.clock.step_wall(wall);
        house.pass(secs(59)).await;
        let kept = ask(&service, get("/")).await;
        assert_eq!((kept.x_cache(), kept.field("age")), ("HIT", "59"));
        house.pass(secs(1)).await;
        assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
    }
}

#[tokio::test]
async fn dates_far_away_make_no_age_and_no_overflow() {
    let far = "Fri, 31 Dec 9999 23:59:59 GMT";
    let past = "Thu, 01 Jan 1970 00:00:00 GMT";
    for (date, expires, fresh) in [
        (past, far, true),
        (far, past, false),
        (far, far, false),
        (past, past, false),
    ] {
        let origin = Origin::always(reply(200).with("date", date).with("expires", expires));
        let house = House::new();
        for layer in [house.layer(), house.cache.layer("proxy").as_proxy()] {
            let service = layer.layer(origin.clone());
            ask(&service, get("/")).await;
            house.pass(secs(1)).await;
            let next = ask(&service, get("/")).await;
            assert_eq!(next.x_cache() == "HIT", fresh, "{date}: {expires}");
            assert!(!fresh || next.field("age") == "1", "{next:?}");
        }
    }
}

//! An origin that is down for long, while there is something that may stand in for it.

use std::time::Duration;

use crate::support::{House, Message, Script, Step, kept, said};

const FRESH_AND_STALE: &str = "max-age=60, stale-while-revalidate=6000";
const FRESH_ONLY: &str = "max-age=60, stale-if-error=6000";

/// An origin that has answered once, and whose answer is not fresh any more.
async fn sick_after_one(control: &'static str, sickness: Script) -> House {
    let house = House::before(move |_, number| match number {
        0 => kept(control, "good"),
        _ => sickness.clone(),
    })
    .await;
    assert_eq!(house.get("/").await.body, "good");
    house.settled().await;
    house.clock.advance(Duration::from_secs(61));
    house
}

/// It begins an answer, so that nobody takes the connection for one that was closed before it had seen the request.
fn breaks() -> Script {
    vec![Step::Say("HTTP/1.1 2".to_owned()), Step::HangUp]
}

async fn assert_good(house: &House) {
    let answer = house.get("/").await;
    let seen = (answer.status(), answer.verb(), answer.body.as_str());
    assert_eq!(seen, (200, "STALE", "good"));
}

#[tokio::test]
async fn thirty_one_by_one_are_one_attempt() {
    for control in [FRESH_ONLY, FRESH_AND_STALE] {
        let house = sick_after_one(control, breaks()).await;
        for _ in 0..30 {
            assert_good(&house).await;
            house.settled().await;
        }
        // The cache's clock stands still, so its pause has not passed.
        assert_eq!(house.origin.calls(), 2, "{control}");
    }
}

/// A request a second for five minutes. The pauses double up to half a minute and are rolled between none and all of
/// that, so there are some 25 attempts.
#[tokio::test]
async fn attempts_become_rare_while_it_is_down() {
    for control in [FRESH_ONLY, FRESH_AND_STALE] {
        let house = sick_after_one(control, breaks()).await;
        let mut attempts = Vec::new();
        for _ in 0..10 {
            let before = house.origin.calls();
            for _ in 0..30 {
                assert_good(&house).await;
                house.settled().await;
                house.clock.advance(Duration::from_secs(1));
            }
            attempts.push(house.origin.calls() - before);
        }
        let all = attempts.iter().sum::<usize>();
        assert!((2..=100).contains(&all), "{control}: {attempts:?}");
    }
}

/// Not even one that says how long it may be kept.
#[tokio::test]
async fn an_error_never_replaces_a_good_copy() {
    for status in [500, 502, 503, 504] {
        for control in [FRESH_ONLY, FRESH_AND_STALE] {
            let error = format!(
                "HTTP/1.1 {status} Oh\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\n\r\nsick"
            );
            let house = sick_after_one(control, said(error)).await;
            assert_good(&house).await;
            house.origin.reached(2).await;
            house.settled().await;
            assert_good(&house).await;
        }
    }
}

#[tokio::test]
async fn an_origin_that_is_well_again_is_asked_again() {
    let house = House::before(|_: &Message, number| match number {
        0 => kept(FRESH_ONLY, "good"),
        1..4 => breaks(),
        _ => kept(FRESH_ONLY, "better"),
    })
    .await;
    house.get("/").await;
    house.settled().await;
    house.clock.advance(Duration::from_secs(61));
    // No pause is longer than half a minute.
    for _ in 1..4 {
        assert_good(&house).await;
        house.settled().await;
        house.clock.advance(Duration::from_secs(30));
    }
    let answer = house.get("/").await;
    assert_eq!((answer.verb(), answer.body.as_str()), ("MISS", "better"));
}

//! An `ETag` of the layer's own.

use crate::house::{House, Origin, With as _, ask, get, reply, secs, settle};
use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;
use tower::Layer as _;

#[tokio::test]
async fn an_answer_without_one_gets_one_and_is_not_sent_twice() {
    let house = House::new();
    let origin = Origin::always(reply(200).text("a body"));
    let service = house.layer().etag().layer(origin.clone());
    let first = ask(&service, get("/")).await;
    let etag = first.field("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");
    let again = ask(&service, get("/").with("if-none-match", &etag)).await;
    assert_eq!(again.status, 304);
    assert_eq!(again.field("etag"), etag);
    let part = get("/").with("range", "bytes=0-0").with("if-range", &etag);
    assert_eq!(ask(&service, part).await.text(), "a");
}

#[tokio::test]
async fn it_is_that_of_the_body_and_the_origin_is_not_asked_by_it() {
    let house = House::new();
    let origin = Origin::script([
        reply(200).text("one"),
        reply(200).text("one"),
        reply(200).text("other"),
    ]);
    let service = house.layer().etag().layer(origin.clone());
    let mut etags = Vec::new();
    for _ in 0..3 {
        etags.push(ask(&service, get("/")).await.field("etag").to_owned());
        house.pass(secs(180)).await;
    }
    assert_eq!(etags[0], etags[1]);
    assert_ne!(etags[1], etags[2]);
    assert!(
        origin
            .seen()
            .iter()
            .all(|seen| !seen.fields.contains_key("if-none-match"))
    );
}

#[tokio::test]
async fn one_of_the_handlers_stays_and_other_statuses_get_none() {
    let house = House::new();
    let service = house
        .layer()
        .etag()
        .layer(Origin::always(reply(200).with("etag", "W/\"1\"")));
    assert_eq!(ask(&service, get("/")).await.lines("etag"), ["W/\"1\""]);
    let missing = reply(404).with("cache-control", "max-age=60");
    let service = house.cache.layer("t").etag().layer(Origin::always(missing));
    assert_eq!(ask(&service, get("/")).await.field("etag"), "");
    let service = house.cache.layer("u").layer(Origin::always(reply(200)));
    assert_eq!(ask(&service, get("/")).await.field("etag"), "");
}

#[tokio::test]
async fn what_was_streamed_has_one_once_it_is_kept() {
    let house = House::new();
    let origin = Origin::new(|_| {
        let frames = futures_util::stream::unfold(0, |sent| async move {
            tokio::task::yield_now().await;
            (sent < 3).then(|| {
                (
                    Ok::<_, std::io::Error>(Frame::data(Bytes::from("abc"))),
                    sent + 1,
                )
            })
        });
        Ok(reply(200).around(Body::new(StreamBody::new(frames))))
    });
    let service = house.layer().etag().layer(origin);
    let first = ask(&service, get("/")).await;
    assert_eq!((first.text(), first.field("etag")), ("abcabcabc", ""));
    settle().await;
    let kept = ask(&service, get("/")).await;
    assert_eq!((kept.x_cache(), kept.field("etag").len()), ("HIT", 34));
}

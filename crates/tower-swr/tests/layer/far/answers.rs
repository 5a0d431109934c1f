//! Answers of every kind are found elsewhere as they were.

use super::{World, minute, service};
use crate::house::{
    Answer, Origin, With as _, answers, ask, count, get, head, open, reply, secs, settle, stage,
    start, start_all,
};
use tower::Layer as _;
use tower_swr::CachePolicy;

#[tokio::test]
async fn variants_are_found_and_told_apart() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let telling = || {
        Origin::new(|call| {
            let language = call.parts.headers["accept-language"]
                .to_str()
                .expect("text")
                .to_owned();
            let reply = reply(200).with("vary", "accept-language").text(language);
            Ok(reply.to_response(call.number))
        })
    };
    let (origin, elsewhere) = (telling(), telling());
    let (here, there) = (
        minute(&one).layer(origin.clone()),
        minute(&other).layer(elsewhere.clone()),
    );
    let in_language = |language: &str| get("/a").with("accept-language", language);
    for language in ["de", "fr"] {
        assert_eq!(ask(&here, in_language(language)).await.text(), language);
        settle().await;
    }
    for language in ["de", "fr"] {
        let found = ask(&there, in_language(language)).await;
        assert_eq!((found.x_cache(), found.text()), ("HIT", language));
    }
    assert_eq!(elsewhere.calls(), 0);
    let asking = ["de", "it", "fr"].map(in_language);
    let third = world.house();
    let third = minute(&third).layer(elsewhere.clone());
    let all = answers(start_all(&third, asking).await).await;
    assert_eq!(
        all.iter().map(Answer::text).collect::<Vec<_>>(),
        ["de", "it", "fr"]
    );
    assert_eq!(elsewhere.calls(), 1, "for the one that nobody has");
}

#[tokio::test]
async fn what_may_not_be_shared_is_passed_at_once_elsewhere() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let (here, _) = service(&one, reply(200).with("cache-control", "private"));
    let (there, origin) = service(&other, reply(200).with("cache-control", "private"));
    assert_eq!(ask(&here, get("/a")).await.x_cache(), "PASS");
    settle().await;
    origin.hold();
    let asking = start_all(&there, (0..10).map(|_| get("/a"))).await;
    assert_eq!(origin.most_at_once(), 10, "nobody waits for anybody");
    origin.release();
    assert_eq!(count(&answers(asking).await, "PASS"), 10);
}

#[tokio::test]
async fn a_confirmed_answer_is_confirmed_elsewhere() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let said = |text: &str| reply(200).with("etag", "\"x\"").text(text);
    let (here, _) = service(&one, said("one"));
    let confirming = Origin::script([reply(304).with("etag", "\"x\"").text("")]);
    let there = minute(&other).layer(confirming.clone());
    ask(&here, get("/a")).await;
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.text(), "one");
    world.pass(secs(180)).await;
    let confirmed = ask(&there, get("/a")).await;
    assert_eq!(
        (confirmed.x_cache(), confirmed.text()),
        ("REVALIDATED", "one")
    );
    assert_eq!(confirming.seen()[0].fields["if-none-match"], "\"x\"");
    settle().await;
    let found = ask(&here, get("/a")).await;
    assert_eq!(
        (found.x_cache(), found.text(), found.field("age")),
        ("HIT", "one", "0")
    );
}

#[tokio::test]
async fn a_handlers_own_word_travels_with_its_answer() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let origin = Origin::new(|call| {
        let mut response = reply(404).to_response(call.number);
        let policy = CachePolicy::new().max_age(secs(5)).tag("missing");
        response.extensions_mut().insert(policy);
        Ok(response)
    });
    let (here, there) = (
        minute(&one).layer(origin.clone()),
        minute(&other).layer(origin.clone()),
    );
    ask(&here, get("/a")).await;
    settle().await;
    let found = ask(&there, get("/a")).await;
    assert_eq!((found.x_cache(), found.status.as_u16()), ("HIT", 404));
    one.cache.purge_tag("missing");
    settle().await;
    assert_eq!(ask(&there, get("/a")).await.x_cache(), "MISS");
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn conditions_ranges_and_heads_are_answered_from_what_is_found() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let said = reply(200).with("etag", "\"x\"").text("0123456789");
    let (here, _) = service(&one, said.clone());
    ask(&here, get("/a")).await;
    settle().await;
    for (request, status, body) in [
        (get("/a").with("if-none-match", "\"x\""), 304, ""),
        (get("/a").with("range", "bytes=2-4"), 206, "234"),
        (get("/a"), 200, "0123456789"),
    ] {
        let fresh = world.house();
        let (there, origin) = service(&fresh, said.clone());
        let found = ask(&there, request).await;
        assert_eq!((found.status.as_u16(), found.text()), (status, body));
        assert_eq!((found.x_cache(), origin.calls()), ("HIT", 0));
    }
    let (there, origin) = service(&other, said);
    ask(&there, get("/a")).await;
    let found = ask(&there, head("/a")).await;
    assert_eq!(
        (found.x_cache(), found.field("content-length")),
        ("HIT", "10")
    );
    assert_eq!(origin.calls(), 0);
}

#[tokio::test]
async fn a_stream_is_found_once_it_is_whole() {
    let world = World::new();
    let (one, other) = (world.house(), world.house());
    let mut live = stage(reply(200), |_| minute(&one));
    let (there, origin) = service(&other, reply(200).text("other"));
    let response = open(&live.service, get("/")).await;
    let asking = start(&there, get("/")).await;
    settle().await;
    assert_eq!(origin.calls(), 0, "it waits for the whole");
    let pipe = &mut live.pipes[0];
    pipe.send("to the ");
    pipe.send("end");
    pipe.end();
    assert_eq!(Answer::read(response).await.text(), "to the end");
    settle().await;
    let found = answers(vec![asking]).await.remove(0);
    assert_eq!((found.x_cache(), found.text()), ("COLLAPSED", "to the end"));
    assert_eq!(origin.calls(), 0);
}

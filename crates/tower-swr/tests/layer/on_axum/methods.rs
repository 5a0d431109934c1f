//! Handlers of several methods on one route.

use super::{Calls, method, numbered, twice};
use crate::house::{Answer, House, ask, get as asked, head, open, pipe};
use axum::Router;
use axum::http::Method;
use axum::response::Response;
use axum::routing::get;
use std::sync::Arc;

#[tokio::test]
async fn a_head_handler_of_its_own_never_poisons_the_get() {
    let (house, calls) = (House::new(), Calls::default());
    let methods = get(numbered(&calls, "get")).head(|| async { [("x-own", "head")] });
    let app = Router::new().route("/", methods.layer(house.layer()));
    for _ in 0..2 {
        let own = ask(&app, head("/")).await;
        assert_eq!((own.x_cache(), own.field("x-own")), ("MISS", "head"));
    }
    assert_eq!(house.entries(), 0);
    assert_eq!(twice(&app, &["/"]).await, ["get 0"]);
    let shared = ask(&app, head("/")).await;
    assert_eq!(
        (
            shared.x_cache(),
            shared.field("content-length"),
            shared.text()
        ),
        ("HIT", "5", "")
    );
    house.pass(crate::house::secs(61)).await;
    assert_eq!(ask(&app, head("/")).await.x_cache(), "STALE");
    crate::house::settle().await;
    assert_eq!(calls.count(), 1, "a HEAD does not refresh");
}

#[tokio::test]
async fn a_head_that_joins_a_get_says_no_length_that_is_wrong() {
    let house = House::new();
    let (pipe, body) = pipe();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let streamed = move || {
        let body = body.lock().expect("no test panics with it").take();
        std::future::ready(Response::new(body.expect("one call")))
    };
    let app = Router::new().route("/", get(streamed).layer(house.layer()));
    let live = open(&app, asked("/")).await;
    let joined = ask(&app, head("/")).await;
    assert_eq!(
        (joined.x_cache(), joined.lines("content-length")),
        ("COLLAPSED", vec![])
    );
    pipe.send("a body");
    drop(pipe);
    assert_eq!(Answer::read(live).await.text(), "a body");
}

#[tokio::test]
async fn methods_that_are_added_after_the_layer_are_none_of_its_business() {
    let (house, calls) = (House::new(), Calls::default());
    let methods = get(numbered(&calls, "get"))
        .layer(house.layer())
        .post(numbered(&calls, "post"));
    let app = Router::new().route("/", methods);
    for number in 0..2 {
        let answer = ask(&app, method(Method::POST, "/")).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            ("", format!("post {number}").as_str())
        );
    }
    assert_eq!(twice(&app, &["/"]).await, ["get 2"]);
    assert_eq!(house.cache.stats().requests, 2);
}

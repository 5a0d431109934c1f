//! The layer on axum's routes, routers and fallbacks: it sees the URI that the client sent, and hides nothing.

mod methods;
mod nested;

use crate::house::{House, ask, get as asked, secs, settle};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Path, RawQuery, Request, State};
use axum::handler::Handler as _;
use axum::http::{Method, StatusCode};
use axum::routing::{any, get, post};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts calls, for handlers to say which one they are.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A handler that says its name and the number of its call.
fn numbered(
    calls: &Calls,
    name: &'static str,
) -> impl Fn() -> std::future::Ready<String> + Clone + use<> {
    let calls = calls.clone();
    move || std::future::ready(format!("{name} {}", calls.next()))
}

/// A request with another method.
fn method(method: Method, path: &str) -> Request {
    let mut request = asked(path);
    *request.method_mut() = method;
    request
}

/// Asks for each path twice: what the first round said, and that the second said the same, from the store.
async fn twice(app: &Router, paths: &[&str]) -> Vec<String> {
    let mut first = Vec::new();
    for path in paths {
        let answer = ask(app, asked(path)).await;
        assert_eq!(answer.x_cache(), "MISS", "{path}");
        first.push(answer.text().to_owned());
    }
    for (path, text) in paths.iter().zip(&first) {
        let answer = ask(app, asked(path)).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            ("HIT", text.as_str()),
            "{path}"
        );
    }
    first
}

#[tokio::test]
async fn extractors_find_what_they_are_used_to_in_the_detached_call() {
    type Told = (
        MatchedPath,
        Path<(String, u8)>,
        RawQuery,
        OriginalUri,
        State<&'static str>,
        Method,
    );
    let said = |told: Told, request: Request| async move {
        let (matched, Path((id, page)), RawQuery(query), OriginalUri(uri), State(state), method) =
            told;
        let (matched, inner) = (matched.as_str(), request.uri());
        format!("{matched} {id} {page} {query:?} {uri} {state} {method} {inner}")
    };
    let house = House::new();
    let inner = Router::new()
        .route("/p/{page}", get(said))
        .layer(house.layer());
    let app = Router::new().nest("/t/{id}", inner).with_state("state");
    let said = twice(&app, &["/t/7/p/8?q=1"]).await;
    assert_eq!(
        said,
        ["/t/{id}/p/{page} 7 8 Some(\"q=1\") /t/7/p/8?q=1 state GET /p/8?q=1"]
    );
}

#[tokio::test]
async fn a_whole_router_is_one_scope_whose_routes_are_kept_apart() {
    let (house, calls) = (House::new(), Calls::default());
    let echo = |request: Request<Body>| async move { request.uri().to_string() };
    let app = Router::new()
        .route(
            "/a",
            get(numbered(&calls, "a")).post(numbered(&calls, "post")),
        )
        .route("/b", get(numbered(&calls, "b")))
        .route("/any/{*rest}", any(echo))
        .fallback(|| async { (StatusCode::NOT_FOUND, "nothing") })
        .layer(house.layer());
    let said = twice(&app, &["/a", "/b", "/a?q", "/any/a", "/any/b"]).await;
    assert_eq!(said, ["a 0", "b 1", "a 2", "/any/a", "/any/b"]);
    let posted = ask(&app, method(Method::POST, "/a")).await;
    assert_eq!((posted.x_cache(), posted.text()), ("BYPASS", "post 3"));
    let refused = ask(&app, method(Method::DELETE, "/a")).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    let any_method = ask(&app, method(Method::PUT, "/any/a")).await;
    assert_eq!(
        (any_method.x_cache(), any_method.text()),
        ("BYPASS", "/any/a")
    );
    for _ in 0..2 {
        let missing = ask(&app, asked("/missing")).await;
        assert_eq!(
            (missing.status, missing.x_cache()),
            (StatusCode::NOT_FOUND, "MISS")
        );
    }
}

#[tokio::test]
async fn a_layer_for_matched_routes_only_leaves_the_fallback_alone() {
    let (house, calls) = (House::new(), Calls::default());
    let app = Router::new()
        .route("/a", get(numbered(&calls, "a")))
        .route_layer(house.layer());
    twice(&app, &["/a"]).await;
    assert_eq!(ask(&app, asked("/b")).await.x_cache(), "");
}

#[tokio::test]
async fn a_handler_and_a_merged_router_take_the_layer_too() {
    let (house, calls) = (House::new(), Calls::default());
    let plain = Router::new().route("/plain", post(|| async { "plain" }));
    let layered = Router::new()
        .route("/a", get(numbered(&calls, "a")))
        .layer(house.layer());
    let handler = numbered(&calls, "fallback").layer(house.cache.layer("fallback"));
    let app = plain
        .merge(layered)
        .fallback_service(handler.with_state(()));
    assert_eq!(
        twice(&app, &["/a", "/x", "/y"]).await,
        ["a 0", "fallback 1", "fallback 2"]
    );
    assert_eq!(
        ask(&app, method(Method::POST, "/plain")).await.x_cache(),
        ""
    );
}

#[tokio::test]
async fn a_layer_around_itself_does_not_wait_for_itself() {
    let (calls, house) = (Calls::default(), House::new());
    let layer = house.layer();
    let app = Router::new()
        .route("/a", get(numbered(&calls, "a")).layer(layer.clone()))
        .route("/b", get(numbered(&calls, "b")))
        .layer(layer);
    let first = ask(&app, asked("/a")).await;
    assert_eq!((first.x_cache(), first.text()), ("MISS", "a 0"));
    house.pass(secs(60)).await;
    assert_eq!(ask(&app, asked("/a")).await.x_cache(), "STALE");
    settle().await;
    let renewed = ask(&app, asked("/a")).await;
    assert_eq!((renewed.x_cache(), renewed.text()), ("HIT", "a 1"));
    assert_eq!(renewed.lines("x-cache").len(), 1);
    assert_eq!((calls.count(), house.origin_calls()), (2, 2));
}

//! The layer on axum's routes, routers and fallbacks: it sees the URI that the client sent, and hides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::{
    Answer, House, With as _, answers, ask, get as asked, head, open, pipe, secs, settle, start_all,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, OriginalUri, Path, RawQuery, Request, State};
use axum::handler::Handler as _;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{any, get, post};
use tower::ServiceBuilder;

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
async fn tenants_below_a_nested_parameter_share_nothing() {
    let house = House::new();
    let said = |Path(id): Path<String>| async move { format!("of {id}") };
    let on_route = Router::new().route("/", get(said).layer(house.cache.layer("route")));
    let on_router = Router::new()
        .route("/", get(said))
        .layer(house.cache.layer("router"));
    let around = Router::new().route("/", get(said));
    let app = Router::new()
        .nest("/a/{id}", on_route)
        .nest("/b/{id}", on_router)
        .nest(
            "/c/{id}",
            Router::new()
                .nest("/deep", around)
                .layer(house.cache.layer("deep")),
        )
        .nest_service(
            "/d/{id}",
            ServiceBuilder::new()
                .layer(house.cache.layer("service"))
                .service(get(said)),
        );
    for prefix in ["a", "b", "c", "d"] {
        let tail = if prefix == "c" { "/deep" } else { "" };
        let paths = ["1", "2"].map(|id| format!("/{prefix}/{id}{tail}"));
        let said = twice(&app, &[&paths[0], &paths[1]]).await;
        assert_eq!(said, ["of 1", "of 2"], "{prefix}");
    }
}

#[tokio::test]
async fn one_router_at_two_prefixes_has_answers_for_each() {
    let (house, calls) = (House::new(), Calls::default());
    let inner = Router::new()
        .route("/x", get(numbered(&calls, "x")))
        .layer(house.layer());
    let app = Router::new().nest("/v1", inner.clone()).nest("/v2", inner);
    assert_eq!(twice(&app, &["/v1/x", "/v2/x"]).await, ["x 0", "x 1"]);
}

#[tokio::test]
async fn a_nested_fallback_is_shared_per_uri_and_kept_where_it_says_how_long() {
    let house = House::new();
    let fallback = |Path(id): Path<String>, OriginalUri(uri): OriginalUri| async move {
        (
            StatusCode::NOT_FOUND,
            [("cache-control", "max-age=5")],
            format!("{id} has no {uri}"),
        )
    };
    let inner = Router::new().fallback(fallback).layer(house.layer());
    let app = Router::new().nest("/tenants/{id}", inner);
    let said = twice(&app, &["/tenants/1/x", "/tenants/2/x", "/tenants/1/y"]).await;
    assert_eq!(
        said,
        [
            "1 has no /tenants/1/x",
            "2 has no /tenants/2/x",
            "1 has no /tenants/1/y"
        ]
    );
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
async fn the_path_in_a_purge_is_the_one_that_the_client_sent() {
    let (house, calls) = (House::new(), Calls::default());
    let inner = Router::new()
        .route("/x", get(numbered(&calls, "x")))
        .layer(house.layer());
    let app = Router::new().nest("/v1", inner.clone()).nest("/v2", inner);
    twice(&app, &["/v1/x", "/v2/x"]).await;
    house.cache.purge("s", &"/v1/x".parse().expect("a URI"));
    assert_eq!(ask(&app, asked("/v1/x")).await.x_cache(), "MISS");
    assert_eq!(ask(&app, asked("/v2/x")).await.x_cache(), "HIT");
}

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
async fn a_burst_on_a_nested_route_is_one_call_per_tenant() {
    let (house, calls) = (House::new(), Calls::default());
    let counted = calls.clone();
    let said = move |Path(id): Path<String>| {
        counted.next();
        async move {
            tokio::task::yield_now().await;
            id
        }
    };
    let inner = Router::new().route("/", get(said)).layer(house.layer());
    let app = Router::new().nest("/{id}", inner);
    let requests = (0..100).map(|n| asked(&format!("/{}", n % 4)).with("x-n", n.to_string()));
    for (n, answer) in answers(start_all(&app, requests).await)
        .await
        .iter()
        .enumerate()
    {
        assert_eq!(answer.text(), (n % 4).to_string());
    }
    assert_eq!(calls.count(), 4);
}

#[tokio::test]
async fn an_address_that_a_middleware_rewrites_is_part_of_the_key() {
    let calls = Calls::default();
    let handler = {
        let calls = calls.clone();
        get(move |RawQuery(query): RawQuery| {
            let query = query.unwrap_or_default();
            std::future::ready(format!("{query} {}", calls.next()))
        })
    };
    let rewrite = axum::middleware::map_request(|mut request: Request| async move {
        let tenant = request.headers()["x-tenant"].to_str().expect("text");
        *request.uri_mut() = format!("/report?tenant={tenant}").parse().expect("a URI");
        request
    });
    let layer = House::new().layer();
    let app = Router::new().route("/report", handler.layer(layer).layer(rewrite));
    for expected in ["MISS", "HIT"] {
        for (tenant, text) in [("a", "tenant=a 0"), ("b", "tenant=b 1")] {
            let answer = ask(&app, asked("/report").with("x-tenant", tenant)).await;
            assert_eq!((answer.x_cache(), answer.text()), (expected, text));
        }
    }
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

//! Below and above the middleware of tower-http.

use crate::house::{House, Origin, With as _, ask, get, open, reply, secs, settle};
use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::{Service, ServiceBuilder};
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

/// The bytes of an answer to a client that takes gzip, and what its heads say.
async fn packed<S, B>(service: &S) -> (Vec<u8>, Response<()>)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let response = open(service, get("/").with("accept-encoding", "gzip")).await;
    let (parts, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body)
        .await
        .expect("a body");
    (body.to_bytes().to_vec(), Response::from_parts(parts, ()))
}

fn is_gzip(bytes: &[u8], head: &Response<()>) -> bool {
    bytes.starts_with(&[0x1f, 0x8b]) && head.headers()["content-encoding"] == "gzip"
}

#[tokio::test]
async fn over_compression_each_encoding_is_a_variant() {
    let text = "compress me ".repeat(100);
    let (house, origin) = (House::new(), Origin::always(reply(200).text(text.clone())));
    let service = ServiceBuilder::new()
        .layer(house.layer())
        .layer(CompressionLayer::new())
        .service(origin.clone());
    for word in ["MISS", "HIT"] {
        let (bytes, head) = packed(&service).await;
        assert!(is_gzip(&bytes, &head));
        assert_eq!(head.headers()["x-cache"], word);
        let plain = ask(&service, get("/")).await;
        assert_eq!((plain.text(), plain.x_cache()), (text.as_str(), word));
    }
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn below_compression_one_entry_serves_every_encoding() {
    let text = "compress me ".repeat(100);
    let (house, origin) = (House::new(), Origin::always(reply(200).text(text.clone())));
    let service = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(house.layer())
        .service(origin.clone());
    assert_eq!(ask(&service, get("/")).await.text(), text);
    let (bytes, head) = packed(&service).await;
    assert!(is_gzip(&bytes, &head));
    assert_eq!(head.headers()["x-cache"], "HIT");
    assert_eq!((origin.calls(), house.entries()), (1, 1));
}

#[tokio::test]
async fn over_and_below_tracing_it_answers_as_ever() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(house.layer())
        .layer(TraceLayer::new_for_http());
    let service = stack.service(origin.clone());
    for word in ["MISS", "HIT"] {
        let response = open(&service, get("/")).await;
        assert_eq!(response.headers()["x-cache"], word);
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn over_a_timeout_its_status_is_shared_and_below_one_the_call_goes_on() {
    let timeout = || TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, secs(5));
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let over = ServiceBuilder::new()
        .layer(house.layer())
        .layer(timeout())
        .service(origin.clone());
    origin.hold();
    let (first, second) =
        futures_util::future::join(ask(&over, get("/")), ask(&over, get("/"))).await;
    assert_eq!(
        (
            first.status.as_u16(),
            second.status.as_u16(),
            origin.calls()
        ),
        (504, 504, 1)
    );
    let below = ServiceBuilder::new()
        .layer(timeout())
        .layer(house.layer())
        .service(origin.clone());
    assert_eq!(
        open(&below, get("/")).await.status(),
        StatusCode::GATEWAY_TIMEOUT
    );
    origin.release();
    settle().await;
    assert_eq!(
        (
            open(&below, get("/")).await.headers()["x-cache"].as_bytes(),
            origin.calls()
        ),
        (&b"HIT"[..], 2)
    );
}

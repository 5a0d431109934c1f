//! The layer as a hyper service, over HTTP/1.1 and HTTP/2 connections in memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::{Pipe, Sent, first_version, pipe, second_version, serve, settle};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tower::{Layer as _, service_fn};
use tower_swr::HttpCache;

/// A server whose handler counts its calls and says what it saw.
#[derive(Clone)]
struct Server {
    cache: HttpCache,
    calls: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> Self {
        Self {
            cache: HttpCache::in_memory(8 << 20),
            calls: Arc::default(),
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn connect(&self) -> DuplexStream {
        let calls = Arc::clone(&self.calls);
        let handler = service_fn(move |request: Request<Incoming>| {
            let number = calls.fetch_add(1, Ordering::SeqCst);
            async move {
                settle().await;
                let uri = request.uri().clone();
                let body = request
                    .into_body()
                    .collect()
                    .await
                    .expect("a whole request")
                    .to_bytes();
                let text = format!("{number} {} {}", uri.path(), body.len());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
            }
        });
        serve(self.cache.layer("s").layer(handler))
    }
}

fn request(method: Method, uri: &str) -> Request<Sent> {
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "example.com");
    request.body(Empty::new().boxed()).expect("a request")
}

fn get(uri: &str) -> Request<Sent> {
    request(Method::GET, uri)
}

fn length<B>(response: &Response<B>) -> &str {
    response.headers()["content-length"].to_str().expect("text")
}

fn x_cache<B>(response: &Response<B>) -> &str {
    response.headers()["x-cache"].to_str().expect("text")
}

async fn text(response: Response<Incoming>) -> String {
    let whole = response
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes();
    String::from_utf8_lossy(&whole).into_owned()
}

#[tokio::test]
async fn one_connection_of_http_1_gets_a_miss_a_hit_and_a_head() {
    let server = Server::new();
    let mut client = first_version(server.connect()).await;
    for word in ["MISS", "HIT", "HIT"] {
        let response = client.send_request(get("/a")).await.expect("an answer");
        assert_eq!((x_cache(&response), length(&response)), (word, "6"));
        assert_eq!(text(response).await, "0 /a 0");
    }
    let head = client
        .send_request(request(Method::HEAD, "/a"))
        .await
        .expect("an answer");
    assert_eq!((x_cache(&head), length(&head)), ("HIT", "6"));
    assert_eq!(text(head).await, "");
    assert_eq!(
        text(client.send_request(get("/b")).await.expect("an answer")).await,
        "1 /b 0"
    );
}

#[tokio::test]
async fn a_hundred_streams_of_http_2_are_one_call() {
    let server = Server::new();
    let client = second_version(server.connect()).await;
    let asking = (0..100).map(|_| client.clone().send_request(get("http://example.com/a")));
    for answered in futures_util::future::join_all(asking).await {
        assert_eq!(text(answered.expect("an answer")).await, "0 /a 0");
    }
    let stats = server.cache.stats();
    assert_eq!(
        (
            server.calls(),
            stats.misses,
            stats.misses + stats.collapsed + stats.hits
        ),
        (1, 1, 100)
    );
}

/// A body in two pieces, whose length no field tells.
fn chunked() -> Sent {
    let frames = ["fat", "ter"].map(|text| Ok(Frame::data(Bytes::from(text))));
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

#[tokio::test]
async fn a_get_with_a_body_is_bypassed_in_both_versions_and_its_connection_stays_in_step() {
    let server = Server::new();
    let mut first = first_version(server.connect()).await;
    let second = second_version(server.connect()).await;
    let known = || Full::new(Bytes::from("fat")).boxed();
    // Of a body in a GET whose length it does not know hyper's client writes nothing, unless it is told to.
    let told = [("x-known", known(), 3), ("transfer-encoding", chunked(), 6)];
    for (number, (name, body, length)) in told.into_iter().enumerate() {
        let mut fat = get("/a").map(|_| body);
        fat.headers_mut()
            .insert(name, "chunked".parse().expect("a value"));
        let response = first.send_request(fat).await.expect("an answer");
        assert_eq!(x_cache(&response), "BYPASS");
        assert_eq!(text(response).await, format!("{number} /a {length}"));
    }
    for (number, (body, length)) in [(known(), 3), (chunked(), 6)].into_iter().enumerate() {
        let fat = get("http://example.com/a").map(|_| body);
        let response = second.clone().send_request(fat).await.expect("an answer");
        assert_eq!(x_cache(&response), "BYPASS");
        assert_eq!(text(response).await, format!("{} /a {length}", number + 2));
    }
    let response = first.send_request(get("/a")).await.expect("an answer");
    assert_eq!(x_cache(&response), "MISS");
}

/// What a server answers to these bytes, until it closes the connection.
async fn said_to(server: &Server, bytes: &str) -> String {
    let mut stream = server.connect();
    stream
        .write_all(bytes.as_bytes())
        .await
        .expect("the server reads");
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .await
        .expect("the server answers");
    said
}

#[tokio::test]
async fn hosts_that_are_not_certain_are_bypassed_and_pipelined_requests_keep_their_order() {
    let server = Server::new();
    let twice =
        "GET /a HTTP/1.1\r\nHost: example.com\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(said_to(&server, twice).await.contains("detail=key"));
    let other =
        "GET http://evil.example/a HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
    assert!(said_to(&server, other).await.contains("detail=key"));
    let none = "GET /a HTTP/1.0\r\n\r\n";
    assert!(said_to(&server, none).await.contains("x-cache: MISS"));
    let before = server.calls();
    let pipelined = "GET /a HTTP/1.1\r\nHost: example.com\r\n\r\n".repeat(2)
        + "GET /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 3\r\n\r\nfat"
        + "GET /a HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";
    let said = said_to(&server, &pipelined).await;
    let words: Vec<&str> = said
        .lines()
        .filter_map(|line| line.strip_prefix("x-cache: "))
        .collect();
    assert_eq!(
        (words, server.calls() - before),
        (vec!["MISS", "HIT", "BYPASS", "HIT"], 2)
    );
}

/// A server of one streamed answer, and the end that writes it.
fn streaming(cache: &HttpCache) -> (Pipe, impl Fn() -> DuplexStream) {
    let (written, body) = pipe();
    let body = Arc::new(std::sync::Mutex::new(Some(body)));
    let handler = service_fn(move |_: Request<Incoming>| {
        let body = body.lock().expect("no test panics with it").take();
        let body = body.unwrap_or_else(|| Body::from("another"));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let service = cache.layer("s").layer(handler);
    (written, move || serve(service.clone()))
}

#[tokio::test]
async fn the_first_bytes_reach_both_versions_before_the_last_are_there() {
    let cache = HttpCache::in_memory(8 << 20);
    let (mut written, connect) = streaming(&cache);
    let mut first = first_version(connect()).await;
    let mut second = second_version(connect()).await;
    let mut leader = first.send_request(get("/")).await.expect("a head");
    // The other version has a scheme in its key: it makes a call of its own.
    let other = second
        .send_request(get("http://example.com/"))
        .await
        .expect("a head");
    assert_eq!((x_cache(&leader), x_cache(&other)), ("MISS", "MISS"));
    assert_eq!(text(other).await, "another");
    written.send("one");
    let frame = leader
        .body_mut()
        .frame()
        .await
        .expect("a frame")
        .expect("no error");
    assert_eq!(frame.into_data().expect("data"), "one");
    let mut follower = first_version(connect()).await;
    let joined = follower.send_request(get("/")).await.expect("a head");
    let headed = first_version(connect())
        .await
        .send_request(request(Method::HEAD, "/"))
        .await
        .expect("a head");
    assert_eq!(
        (x_cache(&joined), x_cache(&headed)),
        ("COLLAPSED", "COLLAPSED")
    );
    assert!(!headed.headers().contains_key("content-length"));
    written.send("two");
    written.end();
    assert_eq!(text(joined).await, "onetwo");
    assert_eq!(text(leader).await, "two");
}

#[tokio::test]
async fn a_body_that_is_cut_is_an_error_on_the_wire_in_both_versions() {
    let cache = HttpCache::in_memory(8 << 20);
    for second in [false, true] {
        let (written, connect) = streaming(&cache);
        let response = if second {
            second_version(connect())
                .await
                .send_request(get("http://example.com/2"))
                .await
        } else {
            first_version(connect()).await.send_request(get("/1")).await
        };
        let response = response.expect("a head");
        assert_eq!(response.status(), StatusCode::OK);
        written.send("one");
        written.fail();
        assert!(
            response.into_body().collect().await.is_err(),
            "second version: {second}"
        );
    }
    assert_eq!(cache.stats().entries, 0);
}

#[tokio::test]
async fn a_connection_that_breaks_midway_harms_nobody() {
    let cache = HttpCache::in_memory(8 << 20);
    let (mut written, connect) = streaming(&cache);
    let mut leader = connect();
    leader
        .write_all(b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
        .await
        .expect("the server reads");
    settle().await;
    let mut client = first_version(connect()).await;
    let follower = client.send_request(get("/")).await.expect("a head");
    assert_eq!(x_cache(&follower), "COLLAPSED");
    written.send("one");
    drop(leader);
    settle().await;
    written.send("two");
    written.end();
    assert_eq!(text(follower).await, "onetwo");
    let hit = client.send_request(get("/")).await.expect("a head");
    assert_eq!((x_cache(&hit), length(&hit)), ("HIT", "6"));
}

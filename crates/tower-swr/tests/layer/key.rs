//! Which requests share an answer: in every test the handler says all that it saw.

use crate::house::{House, Origin, Pipe, With as _, ask, get, pipe};
use axum::body::Body;
use http::header::HOST;
use http::{Method, Request, Version};
use tower::Layer as _;
use tower_swr::CacheService;

fn house() -> (House, Origin, CacheService<Origin>) {
    let origin = Origin::telling();
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    (house, origin, service)
}

/// Asserts that no two of `requests` share an answer, and that each gets its own a second time.
async fn assert_apart(requests: impl Fn() -> Vec<Request<Body>>) {
    let (_house, origin, service) = house();
    let mut told = Vec::new();
    for request in requests() {
        told.push(ask(&service, request).await);
    }
    assert_eq!(origin.calls(), told.len(), "{told:#?}");
    for (request, first) in requests().into_iter().zip(&told) {
        let again = ask(&service, request).await;
        assert_eq!((again.x_cache(), again.text()), ("HIT", first.text()));
        assert_eq!(again.field("x-cache-key"), first.field("x-cache-key"));
    }
}

async fn assert_bypassed(request: Request<Body>, detail: &str) {
    let (house, _origin, service) = house();
    let answer = ask(&service, request).await;
    assert_eq!(
        answer.field("cache-status"),
        format!("tower-swr; fwd=bypass; detail={detail}")
    );
    assert_eq!((answer.x_cache(), house.entries()), ("BYPASS", 0));
}

/// A request in the form that HTTP/2 and proxies use.
fn absolute(uri: &str) -> Request<Body> {
    let mut request = Request::get(uri).body(Body::empty()).expect("a request");
    *request.version_mut() = Version::HTTP_2;
    request
}

fn for_host(host: &str) -> Request<Body> {
    let mut request = get("/");
    request.headers_mut().remove(HOST);
    request.with("host", host)
}

#[tokio::test]
async fn hosts_ports_and_schemes_are_not_mixed() {
    assert_apart(|| {
        let hosts = [
            "a.example",
            "b.example",
            "a.example:8080",
            "a.example.",
            "a.exampleb.example",
            "",
        ];
        let absolute = [
            "http://a.example/",
            "https://a.example/",
            "https://a.example:8443/",
        ]
        .map(absolute);
        hosts.map(for_host).into_iter().chain(absolute).collect()
    })
    .await;
}

#[tokio::test]
async fn a_missing_host_is_a_key_of_its_own() {
    assert_apart(|| {
        let mut without = get("/");
        without.headers_mut().remove(HOST);
        vec![without, for_host(""), for_host("example.com")]
    })
    .await;
}

#[tokio::test]
async fn a_host_that_is_not_certain_is_bypassed() {
    assert_bypassed(get("/").with("host", "evil.example"), "key").await;
    assert_bypassed(get("/").with("host", "example.com"), "key").await;
    assert_bypassed(
        absolute("http://example.com/").with("host", "evil.example"),
        "key",
    )
    .await;
    assert_bypassed(
        absolute("http://user@example.com/").with("host", "example.com"),
        "key",
    )
    .await;
}

#[tokio::test]
async fn an_absolute_form_that_agrees_with_its_host_is_not_bypassed() {
    assert_apart(|| vec![absolute("http://example.com/").with("host", "example.com")]).await;
}

#[tokio::test]
async fn forwarded_hosts_schemes_ports_and_prefixes_are_keyed() {
    assert_apart(|| {
        let names = [
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-forwarded-prefix",
            "x-forwarded-port",
        ];
        let mut requests = vec![get("/")];
        for name in names {
            requests.extend(["", "a", "a, b", "A"].map(|value| get("/").with(name, value)));
            requests.push(get("/").with(name, "a").with(name, "b"));
            requests.push(get("/").with(name, "b").with(name, "a"));
        }
        requests
    })
    .await;
}

#[tokio::test]
async fn delimiters_in_one_part_do_not_reach_into_the_next() {
    assert_apart(|| {
        let paths = [
            "/a%1Eb",
            "/a%00b",
            "/a|b",
            "/a::b",
            "/a%0d%0ab",
            "/a:b",
            "/a",
            "/a?b",
            "/a?b=%1E",
            "/a??b",
        ];
        let mut requests = Vec::from(paths.map(get));
        requests.push(get("/a").with("x-forwarded-host", "b"));
        requests.push(get("/a").with("x-forwarded-proto", "b"));
        requests.push(get("/a").with("x-forwarded-host", "/a?b"));
        requests
    })
    .await;
}

#[tokio::test]
async fn whatever_a_router_could_tell_apart_is_apart() {
    assert_apart(|| {
        let paths = [
            "/a", "/A", "/a/", "//a", "/./a", "/b/../a", "/%61", "/a%2Fb", "/a%2fb", "/a/b",
            "/a;x=1", "/a;x=2", "/a%2e", "/a.", "/a%5Cb", "/%C3%A9", "/%E9", "/a%3Fb", "/a%23b",
            "/a,b", "/a+b", "/a%20b",
        ];
        paths.map(get).into()
    })
    .await;
}

#[tokio::test]
async fn queries_are_compared_as_they_were_sent() {
    assert_apart(|| {
        let queries = [
            "/",
            "/?",
            "/?a",
            "/?a=",
            "/?a=1",
            "/?a=1&b=2",
            "/?b=2&a=1",
            "/?a=1&a=1",
            "/?a=1;b=2",
            "/?a=1&",
            "/?utm_source=x",
            "/?A=1",
            "/?a=%31",
            "/?a=1&a=2",
            "/?a[]=1",
            "/?%61=1",
        ];
        queries.map(get).into()
    })
    .await;
}

#[tokio::test]
async fn a_get_with_a_body_is_bypassed() {
    assert_bypassed(get("/").with("content-length", "4"), "body").await;
    assert_bypassed(get("/").with("transfer-encoding", "chunked"), "body").await;
    let (_open, body): (Pipe, Body) = pipe();
    let stream = absolute("http://example.com/").map(|_| body);
    assert_bypassed(stream, "body").await;
    assert_bypassed(get("/").map(|_| Body::from("fat")), "body").await;
}

#[tokio::test]
async fn an_empty_body_is_none() {
    let (_house, origin, service) = house();
    ask(&service, get("/").with("content-length", "0")).await;
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 1)
    );
}

#[tokio::test]
async fn other_methods_upgrades_and_endless_keys_are_bypassed() {
    for method in [
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::PATCH,
    ] {
        let (_house, _origin, service) = house();
        ask(&service, get("/")).await;
        let mut request = get("/");
        *request.method_mut() = method.clone();
        let answer = ask(&service, request).await;
        assert_eq!(answer.field("cache-status"), "tower-swr; fwd=method");
        assert!(
            answer.text().starts_with(method.as_str()),
            "{}",
            answer.text()
        );
    }
    assert_bypassed(get("/").with("upgrade", "websocket"), "upgrade").await;
    assert_bypassed(get(&format!("/{}", "x".repeat(20_000))), "key").await;
    assert_bypassed(get("/").with("x-forwarded-host", "x".repeat(20_000)), "key").await;
}

#[tokio::test]
async fn what_proxies_say_of_the_clients_address_is_part_of_the_key() {
    let names = [
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-prefix",
        "x-forwarded-port",
        "x-forwarded-scheme",
        "x-forwarded-ssl",
        "x-forwarded-server",
        "x-forwarded-path",
        "x-forwarded-uri",
        "x-host",
        "x-original-host",
    ];
    assert_apart(|| {
        let mut requests = vec![get("/")];
        requests.extend(names.map(|name| get("/").with(name, "a")));
        requests.extend(names.map(|name| get("/").with(name, "a").with(name, "b")));
        requests
    })
    .await;
}

#[tokio::test]
async fn a_purge_of_a_host_reaches_it_however_clients_write_it() {
    let (house, origin, service) = house();
    let mixed = || {
        let mut request = get("/");
        request.headers_mut().remove(HOST);
        request.with("host", "EXAMPLE.com")
    };
    ask(&service, mixed()).await;
    ask(&service, get("/")).await;
    assert_eq!(
        origin.calls(),
        2,
        "handlers may write the name as they see it"
    );
    for host in ["https://example.com/", "https://Example.Com/"] {
        let before = origin.calls();
        house.cache.purge("s", &host.parse().expect("a URI"));
        ask(&service, mixed()).await;
        ask(&service, get("/")).await;
        assert_eq!(origin.calls() - before, 2, "{host}");
    }
}

#[tokio::test]
async fn a_body_that_a_middleware_hides_is_not_shared() {
    let (_pipe, body) = pipe();
    let request = get("/").map(|_| body);
    assert_eq!(request.version(), Version::HTTP_11);
    assert_bypassed(request, "body").await;
}

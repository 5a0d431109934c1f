//! HTTP/2 in front, with prior knowledge.

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::support::{House, Step, beside, kept, said, within};

async fn connect<B>(house: &House) -> SendRequest<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let stream = TcpStream::connect(house.address).await.unwrap();
    let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.unwrap();
    beside(connection);
    sender
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

fn verb(response: &Response<Incoming>) -> &str {
    response.headers()["x-cache"].to_str().unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let body = within("a body", response.into_body().collect()).await;
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn both_protocols_share_what_is_kept() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let mut sender = connect(&house).await;
    let first = within("an answer", sender.send_request(get("/a?b")))
        .await
        .unwrap();
    assert_eq!((first.status(), verb(&first)), (StatusCode::OK, "MISS"));
    for name in ["connection", "transfer-encoding", "keep-alive"] {
        assert!(!first.headers().contains_key(name));
    }
    assert_eq!(text(first).await, "hello");
    assert_eq!(house.get("/a?b").await.verb(), "HIT");
    let received = house.origin.received(0);
    assert_eq!(
        (received.start.as_str(), received.field("host")),
        ("GET /a?b HTTP/1.1", "test")
    );
    assert!(received.field("via").starts_with("2 tower-swr-"));
}

#[tokio::test]
async fn its_clients_are_told_the_answer_without_early_hints() {
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let house = House::before(move |_, _| {
        let hint = Step::Say(hint.to_owned());
        [hint]
            .into_iter()
            .chain(kept("no-store", "hello"))
            .collect()
    })
    .await;
    let mut sender = connect(&house).await;
    for _ in 0..2 {
        let answer = within("an answer", sender.send_request(get("/"))).await;
        assert_eq!(text(answer.unwrap()).await, "hello");
    }
}

#[tokio::test]
async fn streams_of_one_connection_share_a_call() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let sender = connect(&house).await;
    let asking = (0..100).map(|_| {
        let mut sender = sender.clone();
        async move { text(sender.send_request(get("/")).await.unwrap()).await }
    });
    let texts = within("all answers", join_all(asking)).await;
    assert!(texts.iter().all(|text| text == "hello"));
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn a_body_is_handed_on() {
    let house = House::before(|_, _| kept("no-store", "thanks")).await;
    let mut sender = connect(&house).await;
    let request = Request::post("http://test/")
        .body(Full::from("hello"))
        .unwrap();
    let answer = within("an answer", sender.send_request(request))
        .await
        .unwrap();
    assert_eq!(text(answer).await, "thanks");
    let received = house.origin.received(0);
    assert_eq!(received.body, "hello");
}

/// RFC 9110 section 8.6.
#[tokio::test]
async fn a_length_that_is_said_twice_goes_on_once() {
    let house = House::before(|_, _| kept("no-store", "thanks")).await;
    let mut sender = connect(&house).await;
    let mut saying = async |lengths: [&str; 2]| {
        let mut request = Request::post("http://test/")
            .body(Full::from("abc"))
            .unwrap();
        for length in lengths {
            let length = length.parse().unwrap();
            request.headers_mut().append("content-length", length);
        }
        within("an answer", sender.send_request(request)).await
    };
    assert_eq!(saying(["3", "3"]).await.unwrap().status(), StatusCode::OK);
    let received = house.origin.received(0);
    assert_eq!(received.all("content-length"), ["3"]);
    assert_eq!(received.body, "abc");
    let refused = saying(["3", "4"]).await;
    assert!(refused.is_err() || refused.unwrap().status() == StatusCode::BAD_REQUEST);
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn an_answer_without_content_says_no_length_here_either() {
    for control in ["max-age=60", "no-store"] {
        let answer = format!(
            "HTTP/1.1 204 No Content\r\nCache-Control: {control}\r\nContent-Length: 0\r\n\r\n"
        );
        let house = House::before(move |_, _| said(answer.clone())).await;
        let mut sender = connect(&house).await;
        for method in ["GET", "GET", "HEAD"] {
            let mut request = get("/");
            *request.method_mut() = method.parse().unwrap();
            let answer = within("an answer", sender.send_request(request)).await;
            let answer = answer.unwrap();
            assert_eq!(answer.status(), StatusCode::NO_CONTENT);
            assert_eq!(answer.headers().get("content-length"), None, "{method}");
        }
    }
}

#[tokio::test]
async fn a_cut_answer_is_a_broken_stream() {
    let cut = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf ";
    let house = House::before(|_, _| vec![Step::Say(cut.to_owned()), Step::HangUp]).await;
    let mut sender = connect(&house).await;
    let answer = within("a head", sender.send_request(get("/")))
        .await
        .unwrap();
    let body = within("the end", answer.into_body().collect()).await;
    assert!(body.is_err());
}

#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_refused() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let mut sender = connect(&house).await;
    let mut request = get("/");
    request
        .headers_mut()
        .insert("host", "other".parse().unwrap());
    let answer = within("an answer", sender.send_request(request))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert_eq!(house.origin.calls(), 0);
}

#[tokio::test]
async fn cookies_in_fields_of_their_own_are_joined() {
    let house = House::before(|_, _| kept("no-store", "hello")).await;
    let mut sender = connect(&house).await;
    let mut request = get("/");
    for cookie in ["a=1", "b=2"] {
        request
            .headers_mut()
            .append("cookie", cookie.parse().unwrap());
    }
    let answer = within("an answer", sender.send_request(request)).await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(house.origin.received(0).field("cookie"), "a=1; b=2");
}

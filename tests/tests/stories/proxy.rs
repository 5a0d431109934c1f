//! The layer around a reverse proxy, on hyper alone: no axum on either side.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use futures_util::future::join_all;
use house_tests::Protocol::Http1;
use house_tests::{Answer, Arrivals, Arriving, Client, Crowd, Gate, get, is_incomplete, until};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::server::conn::http1::Builder;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer as _, Service as _, service_fn};
use tower_swr::HttpCache;

const WHOLE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nthe beginning and the end";
const BEGINNING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\nthe beginning";
const END: &str = " and the end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_costs_one_connection_to_the_origin() {
    let house = Proxied::by(&[["", WHOLE]]).await;
    let crowd = Crowd::over_connections(house.address, 100, "/report").await;
    house.arrivals.reached(100).await;
    house.gate.open();
    let told = crowd.told().await;
    assert_eq!(told.all(StatusCode::OK), "the beginning and the end");
    assert_eq!((told.count("MISS"), told.count("COLLAPSED")), (1, 99));
    house.assert_kept(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_read_what_the_origin_has_sent_so_far() {
    let house = Proxied::by(&[[BEGINNING, END]]).await;
    let readings = house.two_begin().await;
    house.gate.open();
    for reading in readings {
        assert_eq!(reading.whole().await.text(), END);
    }
    house.assert_kept(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_hangs_up_without_an_answer() {
    let house = Proxied::by(&[["", ""], ["", WHOLE]]).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(Client::connect(house.address, Http1).await);
    }
    let asked = clients.iter_mut().map(|client| client.send(get("/report")));
    let hanging_up = async {
        house.arrivals.reached(10).await;
        house.gate.open();
    };
    let (answers, ()) = tokio::join!(join_all(asked), hanging_up);

    // The one whose request it was sees what it would see without the cache, which is hyper's answer to an error of
    // the service's: none. The others' requests are not what failed.
    let (answered, broken): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(broken.len(), 1);
    for answer in answered {
        let answer = Arriving::new(answer.expect("it is one of those"))
            .whole()
            .await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert_eq!((answer.verb(), answer.field("retry-after")), ("ERROR", "1"));
    }
    assert_eq!(house.report().await.verb(), "MISS");
    house.assert_kept(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_origin_hangs_up_in_the_middle_of_the_body() {
    let house = Proxied::by(&[[BEGINNING, ""], ["", WHOLE]]).await;
    let readings = house.two_begin().await;
    house.gate.open();
    for reading in readings {
        let error = reading.rest().await.expect_err("half of an answer");
        assert!(is_incomplete(&error), "{error:?}");
    }
    assert_eq!(house.report().await.verb(), "MISS");
    house.assert_kept(2).await;
}

/// An origin that speaks byte by byte, a proxy before it, and the cache in the proxy.
struct Proxied {
    /// Where the proxy listens.
    address: SocketAddr,
    /// How far the proxy's requests have got.
    arrivals: Arrivals,
    cache: HttpCache,
    /// What the origin's connections pass between the two parts of what they send.
    gate: Gate,
}

impl Proxied {
    /// An origin that sends the first of `answers` on its first connection, and so on.
    async fn by(answers: &'static [[&'static str; 2]]) -> Self {
        let (gate, arrivals) = (Gate::default(), Arrivals::default());
        let cache = HttpCache::in_memory(1 << 20);
        let (origin, proxy) = (listener().await, listener().await);
        let house = Self {
            address: address(&proxy),
            arrivals: arrivals.clone(),
            cache: cache.clone(),
            gate: gate.clone(),
        };
        let origin_address = address(&origin);
        beside(answer_in_turn(origin, answers, gate));
        beside(proxy_to(origin_address, proxy, cache, arrivals));
        house
    }

    async fn report(&self) -> Answer {
        let mut client = Client::connect(self.address, Http1).await;
        client.get("/report").await
    }

    /// Leader and follower have read the beginning, while the origin holds back the end.
    async fn two_begin(&self) -> Vec<Arriving> {
        let mut readings = Vec::new();
        for verb in ["MISS", "COLLAPSED"] {
            let mut client = Client::connect(self.address, Http1).await;
            let mut reading = client.begin(get("/report")).await;
            assert_eq!(reading.verb(), verb);
            assert_eq!(reading.chunk().await, "the beginning");
            readings.push(reading);
        }
        readings
    }

    /// The answer is kept after `calls` calls; the origin would not know another one.
    async fn assert_kept(&self, calls: usize) {
        until("the flight to end", || self.cache.stats().flights == 0).await;
        let kept = self.report().await;
        assert_eq!((kept.verb(), kept.field("content-length")), ("HIT", "25"));
        assert_eq!(kept.text(), "the beginning and the end");
        assert_eq!(self.gate.begun(), calls);
        assert_eq!(self.cache.stats().stampede_violations, 0);
    }
}

/// The proxy: the cache around a service that hands requests on.
async fn proxy_to(origin: SocketAddr, proxy: TcpListener, cache: HttpCache, arrivals: Arrivals) {
    let forwarding = service_fn(move |request| forward(origin, request));
    let cached = cache.layer("proxy").layer(forwarding);
    let counted = service_fn(move |request| {
        let (answer, arrivals) = (cached.clone().call(request), arrivals.clone());
        async move { arrivals.counted(answer).await }
    });
    loop {
        let (socket, _) = proxy.accept().await.expect("a connection");
        let service = TowerToHyperService::new(counted.clone());
        beside(async move {
            let connection = Builder::new().serve_connection(TokioIo::new(socket), service);
            // An error is what the client sees, too.
            let _ = connection.await;
        });
    }
}

async fn forward(origin: SocketAddr, request: Request<Incoming>) -> io::Result<Response<Incoming>> {
    let socket = TokioIo::new(TcpStream::connect(origin).await?);
    let shaken = http1::handshake(socket).await;
    let (mut sender, connection) = shaken.map_err(io::Error::other)?;
    beside(async {
        let _ = connection.await;
    });
    let answer = sender.send_request(request).await;
    answer.map_err(io::Error::other)
}

/// The origin: on each connection one request, and one answer in two parts.
async fn answer_in_turn(origin: TcpListener, answers: &'static [[&'static str; 2]], gate: Gate) {
    for [first, second] in answers {
        let (socket, _) = origin.accept().await.expect("a connection");
        let mut socket = BufReader::new(socket);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            socket.read_line(&mut line).await.expect("a request");
        }
        socket.write_all(first.as_bytes()).await.expect("room");
        gate.enter().await;
        socket.write_all(second.as_bytes()).await.expect("room");
    }
}

async fn listener() -> TcpListener {
    let free = (Ipv4Addr::LOCALHOST, 0);
    TcpListener::bind(free).await.expect("a free port")
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("a bound listener has one")
}

#[allow(
    clippy::disallowed_methods,
    reason = "servers and connections run beside those who call on them"
)]
fn beside(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

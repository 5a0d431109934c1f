//! When the first byte arrives of an answer that is still being written.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::BodyExt as _;
use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_swr::HttpCache;

use super::stampede::{runtime, served};
use crate::support::message::{sent, usual_request};
use crate::support::report::Report;
use crate::support::rounds::median;

const ROUNDS: usize = 15;
/// The origin: so long to its head and first chunk, then a chunk as often as this.
const TO_THE_HEAD: Duration = Duration::from_millis(20);
const BETWEEN: Duration = Duration::from_millis(10);
const CHUNKS: usize = 10;

pub(crate) fn run(report: &mut Report) {
    let runtime = runtime();
    let rounds: Vec<_> = (0..ROUNDS).map(|_| runtime.block_on(round())).collect();
    for (who, place) in [
        ("the leader", 0),
        ("who waits with it", 1),
        ("who comes while it is written", 2),
    ] {
        let waits = rounds.iter().map(|waits| waits[place].as_secs_f64() * 1e3);
        let wait = median(waits.collect());
        report.at_most(
            format!("streamed miss: first byte behind the origin's, {who}"),
            wait,
            5.0,
            " ms",
        );
        println!("{who}: first byte {wait:.2} ms behind the origin's, median of {ROUNDS}");
    }
}

/// How far behind the origin's first byte that of the leader and that of who waits with it are; for who comes later,
/// how far behind its own request.
async fn round() -> [Duration; 3] {
    let began = Arc::new(Mutex::new(None));
    let app = app(&began);
    let leader = tokio::spawn(first_byte(app.clone()));
    sleep(TO_THE_HEAD / 2).await;
    let follower = tokio::spawn(first_byte(app.clone()));
    sleep(TO_THE_HEAD / 2 + 3 * BETWEEN).await;
    let came = Instant::now();
    let late = first_byte(app).await - came;
    let [leader, follower] = [leader.await, follower.await];
    let origin = began.lock().expect("nobody panics with it");
    let origin = origin.expect("the origin has answered");
    let behind = |client: Result<Instant, _>| {
        let client = client.expect("no client panics");
        client.saturating_duration_since(origin)
    };
    [behind(leader), behind(follower), late]
}

fn app(began: &Arc<Mutex<Option<Instant>>>) -> Router {
    let began = Arc::clone(began);
    let handler = get(move || stream(Arc::clone(&began)));
    let layer = HttpCache::in_memory(64 << 20).layer("stream");
    served(Router::new().route("/report/{region}", handler.layer(layer)))
}

async fn stream(began: Arc<Mutex<Option<Instant>>>) -> Response {
    sleep(TO_THE_HEAD).await;
    let chunks = unfold(0, move |written| {
        let began = Arc::clone(&began);
        async move {
            if written == 0 {
                *began.lock().expect("nobody panics with it") = Some(Instant::now());
            } else {
                sleep(BETWEEN).await;
            }
            let chunk = Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 1024]));
            (written < CHUNKS).then_some((chunk, written + 1))
        }
    });
    Response::new(Body::from_stream(chunks))
}

async fn first_byte(app: Router) -> Instant {
    let Ok(response) = app.oneshot(sent(usual_request())).await;
    let mut body = response.into_body();
    let frame = body.frame().await.expect("there is a body");
    assert!(frame.expect("it does not fail").is_data());
    let arrived = Instant::now();
    drop(body.collect().await);
    arrived
}

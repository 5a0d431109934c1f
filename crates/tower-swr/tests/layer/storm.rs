//! Purges of all kinds on all threads: nobody who asks after one gets what was there before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::house::{ask, get, reply};
use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{Layer as _, service_fn};
use tower_swr::{BoxError, CacheLayer, HttpCache};

const PAGES: usize = 4;
const CLIENTS: usize = 8;
const ROUNDS: usize = 400;

/// What the pages are made of, and what of it nobody may see any more.
#[derive(Default)]
struct Truth {
    versions: [AtomicU64; PAGES],
    /// What was there when the last purge of a page had ended.
    purged: [AtomicU64; PAGES],
}

/// A page says its version, in one piece or in several, after a while.
async fn page(truth: Arc<Truth>, request: Request<Body>) -> Result<Response<Body>, BoxError> {
    let number = number_of(request.uri());
    if request.method() == Method::POST {
        truth.versions[number].fetch_add(1, Ordering::SeqCst);
        let group = format!("\"group-{number}\"");
        return Ok(reply(204)
            .with("cache-group-invalidation", group)
            .around(Body::empty()));
    }
    let version = truth.versions[number].load(Ordering::SeqCst);
    for _ in 0..version % 5 {
        tokio::task::yield_now().await;
    }
    let said = reply(200)
        .with("cache-tag", format!("tag-{number}"))
        .with("cache-groups", format!("\"group-{number}\""));
    let said = match version % 3 {
        0 => said.with("vary", "accept"),
        _ => said,
    };
    let text = format!("{version:08}");
    Ok(said.around(match version % 2 {
        0 => Body::from(text),
        _ => Body::new(StreamBody::new(in_pieces(text))),
    }))
}

fn in_pieces(text: String) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, BoxError>> {
    let pieces = text.into_bytes().into_iter();
    futures_util::stream::iter(pieces).then(|byte| async move {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from(vec![byte])))
    })
}

fn number_of(uri: &Uri) -> usize {
    let digits = uri.path().trim_start_matches('/');
    digits.parse().expect("a page's number")
}

/// One way to make a change known; the last leaves it to the answer of the request that makes it.
async fn change(truth: &Truth, cache: &HttpCache, number: usize, way: usize) -> u64 {
    let version = truth.versions[number].fetch_add(1, Ordering::SeqCst) + 1;
    let uri: Uri = format!("/{number}").parse().expect("a path");
    match way {
        0 => cache.purge("s", &uri),
        1 => cache.purge_tag(&format!("tag-{number}")),
        2 => cache.purge_scope("s"),
        3 => cache.purge_all(),
        _ => cache.purge_tag(&format!("group-{number}")),
    };
    version
}

async fn rounds(truth: Arc<Truth>, cache: HttpCache, layer: CacheLayer, client: usize) {
    let handler_truth = Arc::clone(&truth);
    let service = layer.layer(service_fn(move |request| {
        page(Arc::clone(&handler_truth), request)
    }));
    for round in 0..ROUNDS {
        let number = (round * 7 + client) % PAGES;
        let path = format!("/{number}");
        match (round * 5 + client * 3) % 13 {
            12 => {
                let mut post = get(&path);
                *post.method_mut() = Method::POST;
                let before = truth.versions[number].load(Ordering::SeqCst);
                ask(&service, post).await;
                truth.purged[number].fetch_max(before + 1, Ordering::SeqCst);
            }
            way @ 0..5 => {
                let version = change(&truth, &cache, number, way).await;
                truth.purged[number].fetch_max(version, Ordering::SeqCst);
            }
            _ => {
                let least = truth.purged[number].load(Ordering::SeqCst);
                let answer = ask(&service, get(&path)).await;
                let version: u64 = answer.text().parse().expect("a version");
                assert!(
                    version >= least,
                    "{path} said {version} after {least} was purged: {answer:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[allow(
    clippy::disallowed_methods,
    reason = "the clients are tasks of their own"
)]
async fn nobody_who_asks_after_a_purge_gets_what_was_there_before() {
    let cache = HttpCache::in_memory(8 << 20);
    let truth = Arc::new(Truth::default());
    let clients = (0..CLIENTS).map(|client| {
        let layer = cache.layer("s");
        tokio::spawn(rounds(Arc::clone(&truth), cache.clone(), layer, client))
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("each client is answered rightly");
    }
    assert_eq!(cache.stats().stampede_violations, 0);
}

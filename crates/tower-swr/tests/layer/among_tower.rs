//! Below and above tower's own middleware: readiness is asked for where a call is made, and nowhere else.

use std::cell::Cell;
use std::future::{Pending, Ready, pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crate::house::{
    Answer, House, Origin, With as _, answers, ask, get, head, open, reply, secs, settle, start,
    start_all,
};
use axum::body::Body;
use futures_util::FutureExt as _;
use http::{Method, Request, Response, StatusCode};
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _};

/// Panics where it is called without having been ready just before: each clone, as tower has it, for itself.
struct Strict {
    origin: Origin,
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            ready: false,
        }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = tower_swr::BoxError;
    type Future = <Origin as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        self.origin.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called before it was ready"
        );
        self.origin.call(request)
    }
}

/// Counts its clones, which of a route of axum are several allocations each.
struct Counted {
    origin: Origin,
    clones: Arc<AtomicUsize>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, Ordering::Relaxed);
        Self {
            origin: self.origin.clone(),
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Service<Request<Body>> for Counted {
    type Response = Response<Body>;
    type Error = tower_swr::BoxError;
    type Future = <Origin as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.origin.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.origin.call(request)
    }
}

fn uncacheable() -> Origin {
    Origin::new(|call| {
        let reply = match call.parts.uri.path() {
            "/pass" => reply(200).with("cache-control", "no-store"),
            _ => reply(200),
        };
        Ok(reply.to_response(call.number))
    })
}

#[tokio::test]
async fn every_call_is_made_on_a_service_that_was_ready() {
    let (house, origin) = (House::new(), uncacheable());
    let service = house.layer().layer(Strict {
        origin: origin.clone(),
        ready: false,
    });
    let mut post = get("/");
    *post.method_mut() = Method::POST;
    ask(&service, get("/")).await;
    house.pass(secs(61)).await;
    for request in [get("/"), head("/new"), post, get("/").with("cookie", "a=1")] {
        assert_eq!(ask(&service, request).await.status, StatusCode::OK);
        settle().await;
    }
    for answer in answers(start_all(&service, (0..5).map(|_| get("/pass"))).await).await {
        assert_eq!((answer.status, answer.x_cache()), (StatusCode::OK, "PASS"));
    }
    assert_eq!(
        origin.calls(),
        1 + 4 + 5,
        "one of them behind the stale hit"
    );
}

/// Is ready when the test says so, which it never does.
#[derive(Clone)]
struct NeverReady;

impl Service<Request<Body>> for NeverReady {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pending<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        pending()
    }
}

#[tokio::test]
async fn a_service_that_never_gets_ready_is_a_timeout_for_a_miss_and_nothing_to_a_hit() {
    let house = House::new();
    let layer = || house.layer().origin_timeout(secs(10));
    ask(&layer().layer(Origin::always(reply(200))), get("/")).await;
    let service = layer().layer(NeverReady);
    let hit = service
        .clone()
        .call(get("/"))
        .now_or_never()
        .expect("a hit is ready in its first poll");
    assert_eq!(
        Answer::read(hit.expect("infallible")).await.x_cache(),
        "HIT"
    );
    let asking = start(&service, get("/new")).await;
    settle().await;
    house.pass(secs(10)).await;
    assert!(asking.await.expect("an answer").is_problem(504));
    house.pass(secs(51)).await;
    let stale = service
        .clone()
        .call(get("/"))
        .now_or_never()
        .expect("a stale hit, too");
    assert_eq!(
        Answer::read(stale.expect("infallible")).await.x_cache(),
        "STALE"
    );
}

/// A busy inner service, a miss that waits for it, and a hit that must not.
async fn hits_pass_by<S>(house: &House, origin: &Origin, service: S)
where
    S: Service<Request<Body>, Response = Response<tower_swr::CacheBody<Body>>>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    S::Error: std::fmt::Debug,
{
    assert_eq!(ask(&service, get("/")).await.x_cache(), "MISS");
    origin.hold();
    let slow = start_all(&service, [get("/a"), get("/b"), get("/a")]).await;
    let hit = open(&service, get("/"))
        .now_or_never()
        .expect("a hit waits for nobody");
    assert_eq!(hit.headers()["x-cache"], "HIT");
    origin.release();
    for answer in answers(slow).await {
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn over_a_concurrency_limit_hits_pass_by_who_waits_for_it() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let stack = ServiceBuilder::new()
        .layer(house.layer())
        .concurrency_limit(1);
    hits_pass_by(&house, &origin, stack.service(origin.clone())).await;
    assert_eq!((origin.calls(), origin.most_at_once()), (3, 1));
}

#[tokio::test]
async fn over_a_buffer_hits_pass_by_who_waits_for_it() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let stack = ServiceBuilder::new()
        .layer(house.layer())
        .buffer(1)
        .concurrency_limit(1);
    hits_pass_by(&house, &origin, stack.service(origin.clone())).await;
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn over_load_shedding_hits_pass_by_and_a_refused_call_is_answered() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let stack = ServiceBuilder::new()
        .layer(house.layer())
        .load_shed()
        .concurrency_limit(1);
    let service = stack.service(origin.clone());
    ask(&service, get("/")).await;
    origin.hold();
    let busy = start(&service, get("/a")).await;
    settle().await;
    let refused = service.clone().oneshot(get("/b")).await;
    let error = refused.expect_err("the service's own");
    assert_eq!(error.to_string(), "service overloaded");
    assert_eq!(ask(&service, get("/")).await.x_cache(), "HIT");
    origin.release();
    assert_eq!(busy.await.expect("an answer").x_cache(), "MISS");
}

#[tokio::test]
async fn below_a_limit_a_buffer_and_load_shedding_it_answers_as_ever() {
    let (house, origin) = (House::new(), Origin::always(reply(200)));
    let stack = ServiceBuilder::new()
        .buffer(10)
        .load_shed()
        .concurrency_limit(10)
        .layer(house.layer());
    let service = stack.service(origin.clone());
    origin.hold();
    let asking = start_all(&service, (0..8).map(|_| get("/"))).await;
    origin.release();
    assert_eq!(crate::house::count(&answers(asking).await, "COLLAPSED"), 7);
    assert_eq!(
        (ask(&service, get("/")).await.x_cache(), origin.calls()),
        ("HIT", 1)
    );
}

/// Neither the service nor its body can be shared between threads, and its error is none that is boxed already.
#[derive(Clone)]
struct Unshared(Cell<usize>);

impl Service<Request<Body>> for Unshared {
    type Response = Response<Body>;
    type Error = std::io::Error;
    type Future = Ready<Result<Response<Body>, std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        self.0.set(self.0.get() + 1);
        ready(Ok(Response::new(Body::from("unshared"))))
    }
}

#[tokio::test]
async fn a_service_and_a_body_that_are_not_sync_are_served() {
    let house = House::new();
    let service = house.layer().layer(Unshared(Cell::new(0)));
    for word in ["MISS", "HIT"] {
        let answer = start(&service, get("/")).await.await.expect("an answer");
        assert_eq!((answer.x_cache(), answer.text()), (word, "unshared"));
    }
}

/// A router clones its routes for each request: that, a wait and a hit cost nothing of the inner service.
#[tokio::test]
async fn the_inner_service_is_cloned_once_for_each_call_of_it() {
    let (house, clones) = (House::new(), Arc::<AtomicUsize>::default());
    let service = house.layer().layer(Counted {
        origin: Origin::always(reply(200)),
        clones: Arc::clone(&clones),
    });
    let waiting = start_all(&service.clone(), (0..100).map(|_| get("/"))).await;
    settle().await;
    assert_eq!(answers(waiting).await.len(), 100);
    assert_eq!(ask(&service.clone(), get("/")).await.x_cache(), "HIT");
    assert_eq!(clones.load(Ordering::Relaxed), 1);
}

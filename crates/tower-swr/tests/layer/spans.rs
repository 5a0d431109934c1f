//! What a trace shows: one span per fill, below the request that began it; one per refresh, beside the request that
//! asked for it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::house;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::get;
use tower::ServiceExt as _;
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_core::testing::ManualClock;
use tracing::span::{Attributes, Id};
use tracing::{Instrument as _, Subscriber, info_span};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Spans as `name < parent`, and links as `name ~ cause`.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, line: String) {
        self.0.lock().expect("no test panics with it").push(line);
    }

    fn about(&self, name: &str) -> Vec<String> {
        let lines = self.0.lock().expect("no test panics with it");
        lines
            .iter()
            .filter(|line| line.starts_with(name))
            .cloned()
            .collect()
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Seen {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let span = ctx.span(id).expect("it is new");
        let parent = span.parent().map_or("nothing", |parent| parent.name());
        self.note(format!("{} < {parent}", span.name()));
    }

    fn on_follows_from(&self, id: &Id, cause: &Id, ctx: Context<'_, S>) {
        let name = |id| ctx.span(id).map_or("nothing", |span| span.name());
        self.note(format!("{} ~ {}", name(id), name(cause)));
    }
}

async fn ask(app: &Router, span: tracing::Span) {
    let request = Request::get("/report")
        .body(Body::empty())
        .expect("a request");
    app.clone()
        .oneshot(request)
        .instrument(span)
        .await
        .expect("infallible");
}

#[tokio::test]
async fn a_fill_is_below_its_request_and_a_refresh_follows_from_its() {
    let seen = Seen::default();
    let _second = house::second_listener();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(seen.clone()));
    let clock = ManualClock::default();
    let cache = HttpCache::builder(MemorySettings::new(1 << 20))
        .clock(clock.clone())
        .build();
    let app = Router::new().route(
        "/report",
        get(|| async { "slow" }).layer(cache.layer("report")),
    );

    ask(&app, info_span!("first")).await;
    ask(&app, info_span!("hit")).await;
    clock.advance(Duration::from_secs(60));
    ask(&app, info_span!("stale")).await;
    // Its task is spawned; a drain waits for it.
    assert_eq!(cache.drain(Duration::from_secs(1)).await, 0);

    assert_eq!(seen.about("fill"), ["fill < first"]);
    assert_eq!(
        seen.about("refresh"),
        ["refresh < nothing", "refresh ~ stale"]
    );
}

//! What the log says aloud, and how often.

use std::sync::{Arc, Mutex};

use crate::house::{self, House, Origin, With as _, ask, get, reply};
use axum::body::Body;
use http::Request;
use tower::Layer as _;
use tower_swr::CacheLayer;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, SubscriberExt as _};

fn cookie(value: &str) -> Request<Body> {
    get("/").with("cookie", value)
}

fn authorized(value: &str) -> Request<Body> {
    get("/").with("authorization", value)
}

/// Keeps the text of every warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Warnings {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        if *event.metadata().level() == tracing::Level::WARN {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().expect("no test panics with it").push(text.0);
        }
    }
}

/// What is warned of while `requests` are asked.
async fn warned(
    layer: CacheLayer,
    requests: impl IntoIterator<Item = Request<Body>>,
) -> Vec<String> {
    let warnings = Warnings::default();
    let _second = house::second_listener();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(warnings.clone()));
    let service = layer.layer(Origin::always(reply(200)));
    for request in requests {
        ask(&service, request).await;
    }
    warnings.0.lock().expect("no test panics with it").clone()
}

#[tokio::test]
async fn one_warning_per_scope_and_field_says_what_to_do() {
    let house = House::new();
    let requests = || {
        [
            cookie("a=1"),
            cookie("a=2"),
            authorized("x"),
            authorized("y"),
            get("/"),
        ]
    };
    let heard = warned(house.layer(), requests()).await;
    assert_eq!(heard.len(), 2, "{heard:?}");
    for setter in [
        ".ignore_cookies()",
        ".bypass_on_cookies(",
        ".key_cookies(",
        "scope=\"s\"",
    ] {
        assert!(heard[0].contains(setter), "{}", heard[0]);
    }
    for setter in [
        ".ignore_authorization()",
        ".key_authorization()",
        "scope=\"s\"",
    ] {
        assert!(heard[1].contains(setter), "{}", heard[1]);
    }
    assert_eq!(
        warned(house.layer(), requests()).await,
        [""; 0],
        "a second layer of the scope"
    );
    assert_eq!(
        warned(house.cache.layer("other"), requests()).await.len(),
        2
    );
}

#[tokio::test]
async fn nobody_is_warned_of_what_the_layer_asked_for() {
    let house = House::new();
    let layer = house
        .layer()
        .bypass_on_cookies(["session"])
        .ignore_authorization();
    let requests = [cookie("session=1"), authorized("x"), cookie("a=1")];
    assert_eq!(warned(layer, requests).await, [""; 0]);
}

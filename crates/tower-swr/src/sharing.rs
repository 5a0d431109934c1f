//! What becomes of an answer that may be shared.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AGE, CONTENT_LENGTH, HeaderValue};
use http::{HeaderMap, Response};
use http_body::Body;
use http_body_util::Full;
use tokio::sync::oneshot;
use tower_swr_core::{Entry, Fetched, Keep, Key, Lifetime, Moment, Product};

use crate::body::BoxError;
use crate::fields;
use crate::gate::Admitted;
use crate::head::{Head, Making};
use crate::key;
use crate::origin::{Own, send};
use crate::place::Place;
use crate::question::Question;
use crate::recording::{Beginning, Gathered, Recording, gather};
use crate::response::{Held, Partial, StoredResponse};
use crate::revalidation;
use crate::route::Route;
use crate::tape::tape;

/// What sharing an answer takes, beside the answer.
pub(crate) struct Sharing {
    pub(crate) route: Arc<Route>,
    pub(crate) question: Question,
    /// The fields of the request that the answer is to.
    pub(crate) fields: HeaderMap,
    pub(crate) old: Option<Arc<Entry<Held>>>,
    pub(crate) flight: Key,
    /// Whom the request is for.
    pub(crate) host: Option<Box<[u8]>>,
    /// When the origin was asked.
    pub(crate) asked_at: Moment,
}

impl Sharing {
    /// What is kept, however old, where it is an answer.
    pub(crate) fn old_response(&self) -> Option<&StoredResponse> {
        match self.old.as_ref()?.value() {
            Held::Response(stored) => Some(stored),
            Held::Variants(_) => None,
        }
    }

    /// The origin has confirmed what is kept, as `told`: it begins anew. Where it spoke of something else,
    /// or of what may not be shared any more, what is kept goes to the client who asked and to nobody else; it is
    /// dropped, and the next request asks without a condition.
    pub(crate) async fn freshen<B, E>(
        mut self,
        told: &Response<()>,
        own: Option<oneshot::Sender<Own<B, E>>>,
    ) -> Fetched<Held, Partial> {
        let Some(kept) = self.old_response() else {
            return failed("the service answered 304 to a request without a condition");
        };
        let Some(confirmed) = revalidation::confirmed(kept, told) else {
            let mut as_kept = revalidation::as_kept(kept);
            let age = kept.head.age(self.route.shared.engine.now());
            as_kept.headers_mut().insert(AGE, fields::seconds(age));
            send(own, Own::Kept(as_kept, "etag"));
            return Fetched::Pass { remember: None };
        };
        let body = confirmed.body().clone();
        let gated = confirmed.map(Full::new);
        match self.admit(&gated) {
            Ok(admitted) => {
                let admitted = Admitted {
                    revalidated: true,
                    ..admitted
                };
                self.share(gated, admitted).await
            }
            Err(reason) => {
                let remember = reason.remembered().then(|| self.remember(gated.headers()));
                send(own, Own::Kept(gated.map(|_| body), reason.token()));
                Fetched::Pass { remember }
            }
        }
    }

    pub(crate) async fn share<B>(
        self,
        response: Response<B>,
        admitted: Admitted,
    ) -> Fetched<Held, Partial>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let arrived = self.route.shared.engine.now();
        let (mut parts, body) = response.into_parts();
        if let (Some(length), true) = (admitted.length, parts.headers.contains_key(CONTENT_LENGTH))
        {
            // Said once, however often the origin did.
            parts
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        let policy = parts.extensions.remove().map(Arc::new);
        let place = self.place(&admitted);
        let head = Making {
            settings: self.route.scope.settings(),
            key: key::public_form(place.key.as_ref().unwrap_or(&self.flight)),
            own_lifetime: admitted.own_lifetime,
            wall: self.route.shared.engine.clock().wall(),
            arrived,
            initial_age: admitted.initial_age,
            revalidated: admitted.revalidated,
            no_cache: admitted.no_cache,
            is_for_all: admitted.is_for_all,
            policy,
        };
        let head = Head::new(parts.status, parts.headers, head);
        match gather(Box::pin(body), self.route.scope.max_body).await {
            Gathered::Failed => failed("the body failed before its first bytes"),
            Gathered::Whole(body)
                if admitted
                    .length
                    .is_some_and(|length| length != body.len() as u64) =>
            {
                failed(WRONG_LENGTH)
            }
            Gathered::Whole(body) => whole(head, body, place, admitted),
            Gathered::Begun(beginning) => self.stream(head, beginning, place, admitted).await,
        }
    }

    /// Answers with the head; the body goes to all who read, and into the store when it is whole.
    async fn stream<B>(
        self,
        head: Head,
        beginning: Beginning<B>,
        place: Place,
        admitted: Admitted,
    ) -> Fetched<Held, Partial>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let clock = self.route.shared.engine.clock();
        let idle = self.route.scope.settings().body_idle;
        let (mut writer, reader) = tape(self.route.scope.max_body, Arc::clone(clock), idle);
        let Beginning {
            chunks,
            trailers,
            body,
        } = beginning;
        let written = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        if admitted.length.is_some_and(|length| written > length) {
            return failed(WRONG_LENGTH);
        }
        let has_trailers = trailers.is_some();
        if let Some(trailers) = trailers {
            writer.set_trailers(trailers);
        }
        for chunk in chunks {
            // Within the limit, so it does not wait, and our own reader is there.
            let _ = writer.write(chunk).await;
        }
        let partial = Partial {
            head: Arc::new(head.clone()),
            selection: place.selection.clone().map(Arc::new),
            body: reader,
            length: admitted.length,
            is_reusable: is_reusable(&admitted),
        };
        let (keep, initial_age) = (admitted.keep, admitted.initial_age);
        let (key, tags) = (place.key.clone(), admitted.tags.clone());
        let recording = Recording {
            body,
            writer,
            route: Arc::clone(&self.route),
            clock: Arc::clone(clock),
            idle,
            length: admitted.length,
            written,
            has_trailers,
            is_kept: matches!(keep, Keep::Store(_)),
            useful_until: useful_until(head.arrived, keep, initial_age),
        };
        let selection = place.selection;
        let finish = move |body| {
            let stored = StoredResponse::new(head, body, selection);
            product(stored, place.key, admitted)
        };
        Fetched::Stream {
            partial,
            key,
            tags,
            keep: open_to_newcomers(keep, initial_age),
            beside: place.beside,
            rest: Box::pin(recording.run(finish)),
        }
    }
}

/// For how long newcomers may join: as long as the head is fresh that came with `age`.
fn open_to_newcomers(keep: Keep, age: Duration) -> Keep {
    match keep {
        Keep::Store(lifetime) => {
            Keep::Store(Lifetime::fresh_for(lifetime.fresh().saturating_sub(age)))
        }
        unkept => unkept,
    }
}

fn useful_until(arrived: Moment, keep: Keep, age: Duration) -> Moment {
    let Keep::Store(lifetime) = keep else {
        return arrived;
    };
    let windows = lifetime.stale_window().max(lifetime.error_window());
    let span = lifetime.fresh().saturating_add(windows);
    arrived.after(span.saturating_sub(age))
}

/// Whether it may be served to anybody without asking the origin again.
fn is_reusable(admitted: &Admitted) -> bool {
    match admitted.keep {
        Keep::Store(lifetime) => lifetime.usable_on_error(admitted.initial_age),
        Keep::Share | Keep::Failure => false,
    }
}

fn whole(head: Head, body: Bytes, place: Place, admitted: Admitted) -> Fetched<Held, Partial> {
    let stored = StoredResponse::new(head, body, place.selection);
    Fetched::Whole {
        product: product(stored, place.key, admitted),
        beside: place.beside,
    }
}

fn product(stored: StoredResponse, key: Option<Key>, admitted: Admitted) -> Product<Held> {
    Product {
        weight: stored.weight(),
        value: Held::Response(stored),
        keep: admitted.keep,
        key,
        initial_age: admitted.initial_age,
        tags: admitted.tags,
    }
}

const WRONG_LENGTH: &str = "the body does not have the length that Content-Length says";

/// The service failed; its own error went to the client whose request this was.
#[derive(Debug)]
struct OriginFailed(&'static str);

pub(crate) fn failed(why: &'static str) -> Fetched<Held, Partial> {
    Fetched::Failed(Arc::new(OriginFailed(why)))
}

impl std::fmt::Display for OriginFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for OriginFailed {}

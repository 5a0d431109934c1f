//! The origin call that a key's answers come from, and the gate that every answer passes before it is shared.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use tokio::sync::oneshot;
use tower_service::Service;
use tower_swr_core::{Beside, Entry, Fetched, Freshness, Keep, Key, Lifetime, Moment, Product};

use crate::body::BoxError;
use crate::call::call;
use crate::head::{Head, Making};
use crate::key;
use crate::policy::{self, PassReason, Selection, VaryNames, Verdict};
use crate::question::Question;
use crate::recording::{Beginning, Gathered, Recording, gather};
use crate::response::{Held, Partial, StoredResponse, Variants};
use crate::route::Route;
use crate::tape::tape;

/// A call of the handler on behalf of all who wait for its answer.
pub(crate) struct Errand<S, A, B, E> {
    pub(crate) route: Arc<Route>,
    pub(crate) service: S,
    pub(crate) request: Request<A>,
    pub(crate) question: Question,
    /// What is kept of the key, however old.
    pub(crate) old: Option<Arc<Entry<Held>>>,
    /// The key that the flight has.
    pub(crate) flight: Key,
    /// The way to the client whose request this is, for what is nobody else's.
    pub(crate) own: Option<oneshot::Sender<Own<B, E>>>,
}

/// What only the client whose request reached the origin gets.
pub(crate) enum Own<B, E> {
    Response(Response<B>, PassReason),
    Error(E),
}

/// The service failed; its own error went to the client whose request this was.
#[derive(Debug)]
struct OriginFailed(&'static str);

/// What the gate let through.
struct Admitted {
    keep: Keep,
    own_lifetime: Option<Lifetime>,
    initial_age: Duration,
    /// The fields that answers of this key are known to vary by.
    names: VaryNames,
    length: Option<u64>,
}

/// Where an answer is kept, and for whom it is.
struct Place {
    key: Option<Key>,
    beside: Option<Beside<Held>>,
    selection: Option<Selection>,
}

impl<S, A, B> Errand<S, A, B, S::Error>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(crate) async fn run(self) -> Fetched<Held, Partial> {
        let Self {
            route,
            service,
            request,
            question,
            old,
            flight,
            own,
        } = self;
        let sharing = Sharing {
            fields: request.headers().clone(),
            route,
            question,
            old,
            flight,
        };
        let response = match call(&sharing.route, service, request).await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!("the service failed; who waits gets 502, or what is stale");
                send(own, Own::Error(error));
                return failed("the service returned an error");
            }
        };
        match sharing.gate(&response) {
            Ok(admitted) => sharing.share(response, admitted).await,
            // Frameworks put `no-store` on their error pages: an outage must neither cost the good copy nor switch
            // coalescing off.
            Err(_) if sharing.would_replace_a_good_copy(response.status()) => {
                failed("the service answered with a 5xx")
            }
            Err(reason) => {
                tracing::debug!(reason = reason.token(), "not to be shared");
                let remember = reason.remembered() && !response.status().is_server_error();
                send(own, Own::Response(response, reason));
                Fetched::Pass { remember }
            }
        }
    }
}

fn send<B, E>(own: Option<oneshot::Sender<Own<B, E>>>, what: Own<B, E>) {
    if let Some(own) = own {
        // Its client may have hung up.
        let _ = own.send(what);
    }
}

fn failed(why: &'static str) -> Fetched<Held, Partial> {
    Fetched::Failed(Arc::new(OriginFailed(why)))
}

/// What sharing an answer takes, beside the answer.
struct Sharing {
    route: Arc<Route>,
    question: Question,
    /// The fields of the request that the answer is to.
    fields: HeaderMap,
    old: Option<Arc<Entry<Held>>>,
    flight: Key,
}

impl Sharing {
    /// Whether the answer may be shared, by its head: what it may be shared as, or why not.
    fn gate<B: Body>(&self, response: &Response<B>) -> Result<Admitted, PassReason> {
        let scope = &self.route.scope;
        let wall = self.route.shared.engine.clock().wall();
        let names = VaryNames::parse(response.headers(), &scope.settled)?;
        let names = match self.question.variants() {
            Some(known) => known.names.union(&names),
            None => names,
        };
        let verdict = policy::judge(
            &scope.settings().lifetimes,
            response.status(),
            response.headers(),
            wall,
        );
        let (keep, own_lifetime, initial_age) = match verdict {
            Verdict::Pass(reason) => return Err(reason),
            Verdict::Store { .. } if self.would_replace_a_good_copy(response.status()) => {
                (Keep::Failure, None, Duration::ZERO)
            }
            Verdict::Store {
                lifetime,
                ours,
                initial_age,
            } => (Keep::Store(lifetime), ours.then_some(lifetime), initial_age),
            Verdict::Share => (Keep::Share, None, Duration::ZERO),
            Verdict::Failure => (Keep::Failure, None, Duration::ZERO),
        };
        let hint = response.body().size_hint();
        let length = declared_length(response).or(hint.exact());
        let at_least = length.unwrap_or(0).max(hint.lower());
        if at_least > scope.max_body as u64 {
            return Err(PassReason::TooLarge);
        }
        Ok(Admitted {
            keep,
            own_lifetime,
            initial_age,
            names,
            length,
        })
    }

    fn would_replace_a_good_copy(&self, status: StatusCode) -> bool {
        let now = self.route.shared.engine.now();
        let is_good = |old: &Arc<Entry<Held>>| {
            let age = old.age(now);
            old.lifetime().freshness(age) != Freshness::Expired
                || old.lifetime().usable_on_error(age)
        };
        status.is_server_error() && self.old.as_ref().is_some_and(is_good)
    }

    async fn share<B>(self, response: Response<B>, admitted: Admitted) -> Fetched<Held, Partial>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let arrived = self.route.shared.engine.now();
        let (parts, body) = response.into_parts();
        let place = self.place(&admitted);
        let head = self.head(parts.status, parts.headers, &admitted, &place, arrived);
        match gather(Box::pin(body), self.route.scope.max_body).await {
            Gathered::Failed => failed("the body failed before its first bytes"),
            Gathered::Whole(body)
                if admitted
                    .length
                    .is_some_and(|length| length != body.len() as u64) =>
            {
                failed("the body does not have the length that Content-Length says")
            }
            Gathered::Whole(body) => whole(head, body, place, &admitted),
            Gathered::Begun(beginning) => self.stream(head, beginning, place, &admitted).await,
        }
    }

    /// Where the answer belongs, by what it varies by.
    fn place(&self, admitted: &Admitted) -> Place {
        if admitted.names.is_empty() {
            return Place {
                key: None,
                beside: None,
                selection: None,
            };
        }
        let variant = self.question.variant(&admitted.names, &self.fields);
        let beside = match admitted.keep {
            Keep::Store(_) => self.index(&admitted.names, &variant),
            Keep::Share | Keep::Failure => None,
        };
        Place {
            key: (variant != self.flight).then_some(variant),
            beside,
            selection: Some(Selection::of(admitted.names.clone(), &self.fields)),
        }
    }

    /// Notes the variant, where an index is there that fits; what to write where there is none.
    fn index(&self, names: &VaryNames, variant: &Key) -> Option<Beside<Held>> {
        if let Some(known) = self.question.variants()
            && known.names == *names
        {
            if let Some(oldest) = known.note(variant) {
                self.route.shared.engine.remove(&oldest.borrowed());
            }
            return None;
        }
        let variants = Variants::new(names.clone(), variant.clone());
        Some(Beside {
            key: self.question.primary(),
            weight: variants.weight(),
            value: Held::Variants(variants),
        })
    }

    fn head(
        &self,
        status: StatusCode,
        fields: HeaderMap,
        admitted: &Admitted,
        place: &Place,
        arrived: Moment,
    ) -> Head {
        let making = Making {
            settings: self.route.scope.settings(),
            key: key::public_form(place.key.as_ref().unwrap_or(&self.flight)),
            own_lifetime: admitted.own_lifetime,
            wall: self.route.shared.engine.clock().wall(),
            arrived,
            initial_age: admitted.initial_age,
        };
        Head::new(status, fields, making)
    }

    /// Answers with the head; the body goes to all who read, and into the store when it is whole.
    async fn stream<B>(
        self,
        head: Head,
        beginning: Beginning<B>,
        place: Place,
        admitted: &Admitted,
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
        };
        let (keep, initial_age, key) = (admitted.keep, admitted.initial_age, place.key);
        let recording = Recording {
            body,
            writer,
            clock: Arc::clone(clock),
            idle,
            length: admitted.length,
            written,
            has_trailers,
            is_kept: matches!(keep, Keep::Store(_)),
        };
        let selection = place.selection;
        let finish = move |body| {
            product(
                StoredResponse {
                    head,
                    body,
                    selection,
                },
                keep,
                key,
                initial_age,
            )
        };
        Fetched::Stream {
            partial,
            keep,
            beside: place.beside,
            rest: Box::pin(recording.run(finish)),
        }
    }
}

fn whole(head: Head, body: Bytes, place: Place, admitted: &Admitted) -> Fetched<Held, Partial> {
    let selection = place.selection;
    let stored = StoredResponse {
        head,
        body,
        selection,
    };
    Fetched::Whole {
        product: product(stored, admitted.keep, place.key, admitted.initial_age),
        beside: place.beside,
    }
}

fn product(
    stored: StoredResponse,
    keep: Keep,
    key: Option<Key>,
    initial_age: Duration,
) -> Product<Held> {
    Product {
        weight: stored.weight(),
        value: Held::Response(stored),
        keep,
        key,
        initial_age,
    }
}

/// The length that the answer says its body has; the smallest where it says several.
fn declared_length<B>(response: &Response<B>) -> Option<u64> {
    let lengths = response.headers().get_all(CONTENT_LENGTH).into_iter();
    lengths
        .filter_map(|length| length.to_str().ok()?.parse().ok())
        .min()
}

impl std::fmt::Display for OriginFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for OriginFailed {}

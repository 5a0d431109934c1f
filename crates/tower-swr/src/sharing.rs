//! What becomes of an answer that may be shared.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use tower_swr_core::{Beside, Entry, Fetched, Keep, Key, Lifetime, Moment, Product, Remember};

use crate::body::BoxError;
use crate::gate::Admitted;
use crate::head::{Head, Making};
use crate::key;
use crate::policy::{Selection, VaryNames};
use crate::question::Question;
use crate::recording::{Beginning, Gathered, Recording, gather};
use crate::response::{Held, Partial, StoredResponse, Variants};
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
}

/// Where an answer is kept, and for whom it is.
struct Place {
    key: Option<Key>,
    beside: Option<Beside<Held>>,
    selection: Option<Selection>,
}

impl Sharing {
    /// What is kept, however old, where it is an answer.
    pub(crate) fn old_response(&self) -> Option<&StoredResponse> {
        match self.old.as_ref()?.value() {
            Held::Response(stored) => Some(stored),
            Held::Variants(_) => None,
        }
    }

    /// The origin has confirmed what is kept, with a head of `fields`: it begins anew. Where it said so of something
    /// else, or may not be shared any more, it is dropped, and the next request asks without a condition.
    pub(crate) async fn freshen(self, fields: &HeaderMap) -> Fetched<Held, Partial> {
        let confirmed = self
            .old_response()
            .and_then(|old| revalidation::confirmed(old, fields));
        let Some(response) = confirmed else {
            return Fetched::Pass { remember: None };
        };
        match self.gate(&response) {
            Ok(admitted) => {
                self.share(
                    response,
                    Admitted {
                        revalidated: true,
                        ..admitted
                    },
                )
                .await
            }
            Err(reason) => Fetched::Pass {
                remember: reason.remembered().then(Remember::default),
            },
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
            // What is shared is told apart like what is kept, or each of its variants would wait for all others.
            Keep::Store(_) | Keep::Share => self.index(&admitted.names, &variant),
            Keep::Failure => None,
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
            revalidated: admitted.revalidated,
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
        let whole_key = key.clone();
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
            keep: open_to_newcomers(keep, initial_age),
            key: whole_key,
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

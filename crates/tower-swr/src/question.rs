//! What a request asks the cache: its key, and how its answer is to look.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request};
use tower_swr_core::{Answer, Entry, Fate, Key, KeyRef, KeyText, Look, Moment, Outcome};

use crate::conditions::Conditions;
use crate::no_vary_search::{self, CallHead, Variation};
use crate::policy::{RequestControl, VaryNames};
use crate::response::{Held, Partial, Variants};
use crate::route::Route;

/// A request that was admitted to the cache, and that the store has no answer for.
///
/// A hit never makes one: it is done with the text of its key, which is written and looked up in place.
#[derive(Clone)]
pub(crate) struct Question {
    key: Key,
    /// How much of the key's text is without its variant.
    primary: usize,
    /// What leads to the variants, once it is known that there are any.
    index: Option<Arc<Entry<Held>>>,
    /// What of the query makes no difference to the key, where answers of its path have said so.
    pub(crate) under: Option<Arc<Variation>>,
    /// An answer to an equivalent URI was none to this one: from then on it flies under the URI's own key.
    is_by_uri: bool,
    /// What its answer's place depends on, once it is to be called for, and where that is not the key alone.
    pub(crate) call: Option<Arc<CallHead>>,
    pub(crate) asked: Asked,
}

/// What an answer needs to know of its request.
#[derive(Clone)]
pub(crate) struct Asked {
    /// A `HEAD`: the fields alone.
    pub(crate) head_only: bool,
    pub(crate) began: Moment,
    /// Under which conditions it wants an answer, or which part of it. Most want all of it.
    pub(crate) conditions: Option<Arc<Conditions>>,
    /// What it will take, where that counts.
    pub(crate) control: Option<Arc<RequestControl>>,
}

/// What a look-up found, and where.
pub(crate) struct Found {
    pub(crate) look: Look<Held>,
    /// How much of the key's text is without its variant.
    primary: usize,
    index: Option<Arc<Entry<Held>>>,
    under: Option<Arc<Variation>>,
}

impl Found {
    /// Whether there may be something for this request under another key. Never without the feature for it.
    #[inline]
    pub(crate) fn is_nothing(&self) -> bool {
        no_vary_search::IS_ON && matches!(self.look, Look::Fetch { old: None, .. })
    }

    /// The same, found by what makes no difference `under` that.
    pub(crate) fn by(self, under: Option<Arc<Variation>>) -> Self {
        Self { under, ..self }
    }

    pub(crate) fn is_served(&self) -> bool {
        matches!(self.look, Look::Serve { .. })
    }

    /// Whether nothing at all is kept there.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_nothing() && self.index.is_none()
    }
}

/// Looks the answer up for a request with `fields`: under the key that is written, and where that leads to variants,
/// under the variant's, which is written behind it.
pub(crate) fn look(text: &mut KeyText, route: &Route, fields: &HeaderMap, now: Moment) -> Found {
    follow(route.look(text, now), text, route, fields, now)
}

/// Where a first look-up leads, the one of the key that is written.
pub(crate) fn follow(
    look: Look<Held>,
    text: &mut KeyText,
    route: &Route,
    fields: &HeaderMap,
    now: Moment,
) -> Found {
    let primary = text.len();
    let index = match look {
        Look::Serve { entry, .. } if matches!(entry.value(), Held::Variants(_)) => entry,
        look => {
            return Found {
                look,
                primary,
                index: None,
                under: None,
            };
        }
    };
    if let Held::Variants(variants) = index.value() {
        write_variant(text, &variants.names, fields);
    }
    Found {
        look: route.look(text, now),
        primary,
        index: Some(index),
        under: None,
    }
}

impl Question {
    /// What was asked under the key `text`, with what was found there: its look is the caller's.
    pub(crate) fn new(text: &KeyText, found: Found, asked: Asked) -> (Self, Look<Held>) {
        let question = Self {
            key: text.key().to_key(),
            primary: found.primary,
            index: found.index,
            under: found.under,
            is_by_uri: false,
            call: None,
            asked,
        };
        (question, found.look)
    }

    /// Looks again.
    pub(crate) fn look<A>(
        &mut self,
        route: &Route,
        request: &Request<A>,
        now: Moment,
    ) -> Look<Held> {
        let by_uri = self
            .under
            .as_ref()
            .and_then(|_| no_vary_search::sent(route, request, None));
        let mut text = by_uri.unwrap_or_else(|| self.primary_text());
        let mut found = look(&mut text, route, request.headers(), now);
        if found.is_nothing()
            && let Some(there) = no_vary_search::look(route, request, now)
            && (!self.is_by_uri || there.1.is_served())
        {
            (text, found) = there;
        }
        self.key = text.key().to_key();
        self.primary = found.primary;
        self.index = found.index;
        self.under = found.under;
        found.look
    }

    /// Looks again under the very same key.
    pub(crate) fn look_there(&self, route: &Route, fields: &HeaderMap, now: Moment) -> Look<Held> {
        look(&mut self.primary_text(), route, fields, now).look
    }

    /// Whether its key is that of all URIs that an answer says to be equivalent.
    pub(crate) fn is_by_equivalence(&self) -> bool {
        self.under.is_some()
    }

    /// The same question about another key, `text`, of which is known what was `found` there.
    pub(crate) fn moved(&self, text: &KeyText, found: Found) -> Self {
        Self {
            key: text.key().to_key(),
            primary: found.primary,
            index: found.index,
            under: found.under,
            ..self.clone()
        }
    }

    /// Whether what landed is an answer to the URI of `request`, too: one to an equivalent URI is, if it says so itself. If it
    /// is not, the question flies under the URI's own key from now on.
    pub(crate) fn takes<A>(
        &mut self,
        route: &Route,
        request: &Request<A>,
        outcome: &Outcome<Held, Partial>,
    ) -> bool {
        let Outcome::Landed(landed) = outcome else {
            return true;
        };
        let head = match &landed.answer {
            Answer::Partial(partial) => &*partial.head,
            Answer::Whole(entry) => match entry.value() {
                Held::Response(stored) => &stored.head,
                Held::Variants(_) => return true,
            },
        };
        if matches!(landed.fate, Fate::Found { .. }) {
            no_vary_search::heed(route, request, head);
        }
        let under = self.under.as_deref();
        let is_covered =
            under.is_none_or(|under| head.variation().is_some_and(|said| said == *under));
        self.is_by_uri |= !is_covered;
        is_covered
    }

    /// The key that is looked up, and flown for.
    pub(crate) fn key(&self) -> KeyRef<'_> {
        self.key.borrowed()
    }

    /// The key of the variant that a request with `fields` selects by `names`.
    pub(crate) fn variant(&self, names: &VaryNames, fields: &HeaderMap) -> Key {
        let mut text = self.primary_text();
        write_variant(&mut text, names, fields);
        text.key().to_key()
    }

    /// The key without its variant.
    pub(crate) fn primary(&self) -> Key {
        self.primary_text().key().to_key()
    }

    /// The key without its variant, where it is about another one than that of the `flight`.
    pub(crate) fn moved_from(&self, flight: &Key) -> Option<Key> {
        (self.key != *flight).then(|| self.primary())
    }

    fn primary_text(&self) -> KeyText {
        let mut text = self.key.borrowed().to_text();
        text.truncate(self.primary);
        text
    }

    /// The variants that are known of.
    pub(crate) fn variants(&self) -> Option<&Variants> {
        match self.index.as_ref()?.value() {
            Held::Variants(variants) => Some(variants),
            Held::Response(_) => None,
        }
    }
}

impl Asked {
    /// How long the request has been with us.
    pub(crate) fn took(&self, now: Moment) -> Duration {
        now.since(self.began)
    }
}

fn write_variant(text: &mut KeyText, names: &VaryNames, fields: &HeaderMap) {
    text.end_primary();
    names.write_selection(fields, |piece| text.push(piece));
}

//! What a request asks the cache: its key, and how its answer is to look.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tower_swr_core::{Entry, Key, KeyRef, KeyText, Look, Moment};

use crate::conditions::Conditions;
use crate::policy::{RequestControl, VaryNames};
use crate::response::{Held, Variants};
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
}

/// Looks the answer up for a request with `fields`: under the key that is written, and where that leads to variants,
/// under the variant's, which is written behind it.
#[inline]
pub(crate) fn look(text: &mut KeyText, route: &Route, fields: &HeaderMap, now: Moment) -> Found {
    let (engine, mode, primary) = (&route.shared.engine, route.mode(), text.len());
    let index = match engine.look(&text.key(), mode, now) {
        Look::Serve { entry, .. } if matches!(entry.value(), Held::Variants(_)) => entry,
        look => {
            return Found {
                look,
                primary,
                index: None,
            };
        }
    };
    if let Held::Variants(variants) = index.value() {
        write_variant(text, &variants.names, fields);
    }
    Found {
        look: engine.look(&text.key(), mode, now),
        primary,
        index: Some(index),
    }
}

impl Question {
    /// What was asked under the key `text`, with what was found there: its look is the caller's.
    pub(crate) fn new(text: &KeyText, found: Found, asked: Asked) -> (Self, Look<Held>) {
        let question = Self {
            key: text.key().to_key(),
            primary: found.primary,
            index: found.index,
            asked,
        };
        (question, found.look)
    }

    /// Looks again.
    pub(crate) fn look(&mut self, route: &Route, fields: &HeaderMap, now: Moment) -> Look<Held> {
        let mut text = self.primary_text();
        let found = look(&mut text, route, fields, now);
        self.key = text.key().to_key();
        self.index = found.index;
        found.look
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

//! What a request asks the cache: its key, and how its answer is to look.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tower_swr_core::{Entry, Key, KeyRef, KeyText, Look, Moment, Refresh};

use crate::policy::VaryNames;
use crate::response::{Held, Variants};
use crate::route::Route;

/// A request that was admitted to the cache.
#[derive(Clone)]
pub(crate) struct Question {
    text: KeyText,
    /// How much of the text is the key without its variant.
    primary: usize,
    /// What leads to the variants, once it is known that there are any.
    index: Option<Arc<Entry<Held>>>,
    /// A `HEAD`: the fields alone.
    pub(crate) head_only: bool,
    pub(crate) began: Moment,
}

impl Question {
    pub(crate) fn new(text: KeyText, head_only: bool, began: Moment) -> Self {
        Self {
            primary: text.len(),
            text,
            index: None,
            head_only,
            began,
        }
    }

    /// Looks the answer up for a request with `fields`: under its own key, and where that leads to variants, under the
    /// variant's.
    pub(crate) fn look(&mut self, route: &Route, fields: &HeaderMap, now: Moment) -> Look<Held> {
        self.text.truncate(self.primary);
        self.index = None;
        let engine = &route.shared.engine;
        let mode = route.mode();
        let entry = match engine.look(&self.text.key(), mode, now) {
            Look::Serve { entry, .. } if matches!(entry.value(), Held::Variants(_)) => entry,
            found => return found,
        };
        if let Held::Variants(variants) = entry.value() {
            write_variant(&mut self.text, &variants.names, fields);
        }
        self.index = Some(entry);
        engine.look(&self.text.key(), mode, now)
    }

    /// The right to refresh what the question was answered with, unless somebody has it. A `HEAD` never gets it: it
    /// cannot stand in for a `GET`, for which a route may have another handler.
    pub(crate) fn reserve_refresh(&self, route: &Route) -> Option<Refresh> {
        if self.head_only {
            return None;
        }
        (route.shared.engine).reserve_refresh(&self.key(), &route.scope.policy)
    }

    /// The key that is looked up, and flown for.
    pub(crate) fn key(&self) -> KeyRef<'_> {
        self.text.key()
    }

    /// The key of the variant that a request with `fields` selects by `names`.
    pub(crate) fn variant(&self, names: &VaryNames, fields: &HeaderMap) -> Key {
        let mut text = self.text.clone();
        text.truncate(self.primary);
        write_variant(&mut text, names, fields);
        text.key().to_key()
    }

    /// The key without its variant.
    pub(crate) fn primary(&self) -> Key {
        let mut text = self.text.clone();
        text.truncate(self.primary);
        text.key().to_key()
    }

    /// The variants that are known of.
    pub(crate) fn variants(&self) -> Option<&Variants> {
        match self.index.as_ref()?.value() {
            Held::Variants(variants) => Some(variants),
            Held::Response(_) => None,
        }
    }

    /// How long the request has been with us.
    pub(crate) fn took(&self, now: Moment) -> Duration {
        now.since(self.began)
    }
}

fn write_variant(text: &mut KeyText, names: &VaryNames, fields: &HeaderMap) {
    names.write_selection(fields, |piece| text.push(piece));
}

//! What the store holds for HTTP, and what flies.

use std::sync::Arc;

use bytes::Bytes;
use tower_swr_core::Key;

use crate::head::Head;
use crate::policy::{Selection, VaryNames};
use crate::tape::TapeReader;

/// What one look-up finds.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are answers, and a box would be one hop more for each hit"
)]
pub(crate) enum Held {
    /// An answer.
    Response(StoredResponse),
    /// Answers to this key differ by request fields: look again, with their values.
    Variants(Variants),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct StoredResponse {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
    /// What the request that brought it said in the fields that it varies by.
    pub(crate) selection: Option<Selection>,
}

/// An answer whose body is still on its way.
#[derive(Clone)]
pub(crate) struct Partial {
    pub(crate) head: Arc<Head>,
    pub(crate) selection: Option<Arc<Selection>>,
    pub(crate) body: TapeReader,
    /// The body's length, where the origin said it.
    pub(crate) length: Option<u64>,
    /// It may be served again without asking the origin.
    pub(crate) is_reusable: bool,
}

/// Which fields the answers of a key vary by (RFC 9111 section 4.1), and which variants are kept.
#[derive(Debug)]
pub(crate) struct Variants {
    pub(crate) names: VaryNames,
    /// The one that was kept last comes last.
    kept: Vec<Key>,
}

/// The variants that are kept of one key: a client can make up as many as it likes.
const MAX_VARIANTS: usize = 64;

impl Variants {
    pub(crate) fn new(names: VaryNames) -> Self {
        Self {
            names,
            kept: Vec::new(),
        }
    }

    /// The same with `key` as the one that was kept last, and the one that makes room for it where there are too many.
    pub(crate) fn with(&self, key: &Key) -> (Self, Option<Key>) {
        let others = self.kept.iter().filter(|known| *known != key);
        let mut kept: Vec<Key> = others.chain([key]).cloned().collect();
        let oldest = (kept.len() > MAX_VARIANTS).then(|| kept.remove(0));
        let names = self.names.clone();
        (Self { names, kept }, oldest)
    }

    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        let keys = self.kept.iter();
        let keys: usize = keys.map(|key| size_of::<Key>() + key.text().len()).sum();
        keys + self.names.weight()
    }
}

impl StoredResponse {
    pub(crate) fn new(mut head: Head, body: Bytes, selection: Option<Selection>) -> Self {
        head.describe(&body);
        Self {
            head,
            body,
            selection,
        }
    }

    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        let selection = self.selection.as_ref().map_or(0, Selection::weight);
        self.head.weight() + self.body.len() + selection
    }
}

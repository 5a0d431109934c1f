//! What the store holds for HTTP, and what flies.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tower_swr_core::Key;

use crate::head::Head;
use crate::policy::{Selection, VaryNames};
use crate::tape::TapeReader;

/// What one look-up finds.
#[derive(Debug)]
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
}

/// Which fields the answers of a key vary by (RFC 9111 section 4.1), and which variants are there.
#[derive(Debug)]
pub(crate) struct Variants {
    pub(crate) names: VaryNames,
    known: Mutex<VecDeque<Key>>,
}

/// The variants that are kept of one key: a client can make up as many as it likes.
const MAX_VARIANTS: usize = 64;

impl Variants {
    pub(crate) fn new(names: VaryNames, first: Key) -> Self {
        Self {
            names,
            known: Mutex::new(VecDeque::from([first])),
        }
    }

    /// Notes that `key` is one of them. The oldest makes room where there are too many, and is handed back.
    pub(crate) fn note(&self, key: &Key) -> Option<Key> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(key) {
            return None;
        }
        known.push_back(key.clone());
        if known.len() > MAX_VARIANTS {
            known.pop_front()
        } else {
            None
        }
    }

    /// The bytes it counts for, once all variants are known.
    pub(crate) fn weight(&self) -> usize {
        MAX_VARIANTS * size_of::<Key>() + 256
    }
}

impl StoredResponse {
    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        self.head.weight() + self.body.len()
    }
}

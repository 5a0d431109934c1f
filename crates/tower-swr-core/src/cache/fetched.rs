//! What an origin call brings, and what becomes of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::entry::Entry;
use crate::flight::SharedError;
use crate::key::Key;
use crate::lifetime::Lifetime;
use crate::tags::Tags;

/// What an origin call brought, after the gate: only what may be shared is in here.
pub enum Fetched<V, P> {
    /// All of it.
    Whole {
        /// The value.
        product: Product<V>,
        /// What is written along with it.
        beside: Option<Beside<V>>,
    },
    /// The beginning of it: those who wait are answered now, the rest follows.
    Stream {
        /// What those who wait receive.
        partial: P,
        /// What will become of the whole.
        keep: Keep,
        /// Where the whole will be kept, where that is not the flight's own key: who asks for this key joins the stream.
        key: Option<Key>,
        /// What the whole is tagged with.
        tags: Tags,
        /// What is written before those who wait are answered.
        beside: Option<Beside<V>>,
        /// Brings the rest to its end.
        rest: Rest<V>,
    },
    /// It may not be shared: everybody who waits makes a call of their own.
    Pass {
        /// Where to remember that, so that the next ones are not held up to learn it again; nowhere, where this answer
        /// says nothing of the next. An older value is removed in any case, like with [`Keep::Share`].
        remember: Option<Remember<V>>,
    },
    /// Nothing.
    Failed(SharedError),
}

/// A value that is complete.
#[derive(Debug)]
pub struct Product<V> {
    /// The value.
    pub value: V,
    /// What becomes of it.
    pub keep: Keep,
    /// Where it is kept, where that is not the flight's own key.
    pub key: Option<Key>,
    /// The age that it already has.
    pub initial_age: Duration,
    /// Its bytes.
    pub weight: usize,
    /// What it is tagged with.
    pub tags: Tags,
}

/// That answers may not be shared, for [`FlightPolicy::uncacheable_for`](crate::FlightPolicy::uncacheable_for).
///
/// ```
/// use tower_swr_core::{Fetched, NoPartial, Remember};
///
/// let of_the_flights_key: Fetched<u32, NoPartial> = Fetched::Pass { remember: Some(Remember::default()) };
/// ```
#[derive(Debug)]
pub struct Remember<V> {
    /// Whose answers, where not those of the flight's own key.
    pub key: Option<Key>,
    /// What is written along with it.
    pub beside: Option<Beside<V>>,
}

/// An entry that leads to others: kept until it is invalidated or makes room. Written before those who wait are
/// answered, and after what it leads to is kept or can be joined.
#[derive(Debug)]
pub struct Beside<V> {
    /// Where it is kept.
    pub key: Key,
    /// What is kept.
    pub value: V,
    /// Its bytes.
    pub weight: usize,
}

/// What becomes of a value that may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is kept.
    Store(Lifetime),
    /// Only those who already wait receive it. An older value is removed, under the key where this one would be kept
    /// and under the flight's own: it has been superseded.
    Share,
    /// Likewise, but it tells of a failure: an older value stays, and the origin is left alone for a while. What would
    /// be written beside it is written only where nothing is kept.
    Failure,
}

impl Keep {
    /// The same, but that nothing is kept.
    #[must_use]
    pub fn unkept(self) -> Self {
        match self {
            Self::Store(_) => Self::Share,
            unkept => unkept,
        }
    }

    /// Whether it is kept and fresh when it comes.
    pub(super) fn is_fresh(&self) -> bool {
        matches!(self, Self::Store(lifetime) if !lifetime.fresh().is_zero())
    }
}

/// Brings a streamed answer to its end.
pub type Rest<V> = Pin<Box<dyn Future<Output = Ending<V>> + Send>>;

/// How a streamed answer ends.
pub enum Ending<V> {
    /// Complete. Readers see the end once `tell` is called, which is after the value was stored.
    Complete {
        /// The whole value; nothing where it turned out that it cannot be kept.
        product: Option<Product<V>>,
        /// Lets the readers see the end.
        tell: Box<dyn FnOnce() + Send>,
    },
    /// Broken off. Readers see it once this is called, which is after nobody can join any more.
    Cut(Box<dyn FnOnce() + Send>),
    /// Larger than what is kept: the key of the whole is remembered as uncacheable, nobody joins any more, and this goes
    /// on for those who read.
    Overflow(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// What all who wait for a flight receive.
#[derive(Debug)]
pub enum Answer<V, P> {
    /// A value.
    Whole(Arc<Entry<V>>),
    /// A value that is still under way.
    Partial(P),
}

/// An answer, and what became of it.
#[derive(Debug)]
pub struct Landed<V, P> {
    /// The answer.
    pub answer: Answer<V, P>,
    /// What became of it.
    pub fate: Fate,
    pub(crate) tags: Tags,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is kept, or will be when it is complete.
    Stored,
    /// It was given to those who waited.
    Shared,
    /// It was given to those who waited, and tells of a failure.
    Failed,
    /// It was found on the far side: no origin was called here. It is kept.
    Found {
        /// Another process was calling the origin, and this is what that brought.
        waited: bool,
    },
}

// Written by hand: a derived one would ask for `V: Default`.
impl<V> Default for Remember<V> {
    /// The flight's own key, and nothing beside it.
    fn default() -> Self {
        Self {
            key: None,
            beside: None,
        }
    }
}

// Written by hand: derived ones would ask for `V: Clone`.
impl<V, P: Clone> Clone for Answer<V, P> {
    fn clone(&self) -> Self {
        match self {
            Self::Whole(entry) => Self::Whole(Arc::clone(entry)),
            Self::Partial(partial) => Self::Partial(partial.clone()),
        }
    }
}

impl<V, P: Clone> Clone for Landed<V, P> {
    fn clone(&self) -> Self {
        Self {
            answer: self.answer.clone(),
            fate: self.fate,
            tags: self.tags.clone(),
        }
    }
}

impl<V: fmt::Debug, P: fmt::Debug> fmt::Debug for Fetched<V, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { product, .. } => f.debug_tuple("Whole").field(product).finish(),
            Self::Stream { partial, .. } => f.debug_tuple("Stream").field(partial).finish(),
            Self::Pass { remember } => f.debug_struct("Pass").field("remember", remember).finish(),
            Self::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<V> fmt::Debug for Ending<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete { .. } => "Complete",
            Self::Cut(_) => "Cut",
            Self::Overflow(_) => "Overflow",
        })
    }
}

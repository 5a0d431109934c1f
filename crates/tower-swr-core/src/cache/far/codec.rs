use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;

use crate::clock::Moment;
use crate::key::Key;

/// How values of type `V` are written for other processes, and read back.
///
/// What it writes is read by other releases, too: begin with a version of your own, and take whatever you do not know for
/// no value. A value that cannot be written (`None`) stays in this process.
///
/// ```
/// use bytes::Bytes;
/// use tower_swr_core::{Decoded, Encoded, FarCodec, Received};
///
/// #[derive(Debug)]
/// struct Names;
///
/// impl FarCodec<String> for Names {
///     fn encode(&self, name: &String) -> Option<Encoded> {
///         Some(Encoded { kind: 1, head: Bytes::new(), body: name.clone().into() })
///     }
///
///     fn decode(&self, received: Received<'_>) -> Option<Decoded<String>> {
///         let name = String::from_utf8(received.body.to_vec()).ok()?;
///         let weight = name.len();
///         (received.kind == 1).then_some(Decoded { value: name, weight, leads: false })
///     }
/// }
/// ```
pub trait FarCodec<V>: Debug + Send + Sync + 'static {
    /// What to write of `value`; nothing where it is for this process alone.
    fn encode(&self, value: &V) -> Option<Encoded>;

    /// What was written; nothing where it was not by this codec, or is damaged. That is a miss, never an error.
    fn decode(&self, received: Received<'_>) -> Option<Decoded<V>>;
}

/// What is written of a value. Its lifetime, its age and its tags are written beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// What it is, in the codec's own numbers. The last one, 65,535, is the engine's: nothing of that kind is written.
    pub kind: u16,
    /// Whatever the codec keeps beside the body.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
}

/// What was written of a value.
#[derive(Debug)]
#[non_exhaustive]
pub struct Received<'a> {
    /// What it is kept under.
    pub key: &'a Key,
    /// As it was written.
    pub kind: u16,
    /// As it was written: a slice of what came over the wire, which it keeps in memory as a whole.
    pub head: Bytes,
    /// Likewise.
    pub body: Bytes,
    /// How old the value is.
    pub age: Duration,
    /// When it was read.
    pub now: Moment,
}

impl<'a> Received<'a> {
    /// What was written under `key`, not aged at all: for the tests of a codec.
    #[must_use]
    pub fn new(key: &'a Key, kind: u16, head: Bytes, body: Bytes) -> Self {
        Self {
            key,
            kind,
            head,
            body,
            age: Duration::ZERO,
            now: Moment::ORIGIN,
        }
    }

    /// The same, of `age`.
    #[must_use]
    pub fn aged(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// The same, read at the time `now`.
    #[must_use]
    pub fn at(mut self, now: Moment) -> Self {
        self.now = now;
        self
    }
}

/// A value that was read.
#[derive(Debug)]
pub struct Decoded<V> {
    /// The value.
    pub value: V,
    /// Its bytes.
    pub weight: usize,
    /// It leads to others, as what is written [`Beside`](crate::Beside) an answer: soft purges are for those.
    pub leads: bool,
}

/// The kind of a frame that says of a key that its answers may not be shared.
pub(super) const MARK: u16 = u16::MAX;

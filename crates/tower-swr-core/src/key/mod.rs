//! Keys: what two requests must have in common to share an answer.
//!
//! A key is the text of its parts, each written with its length in front, so that no part can run into the next
//! (`"ab" + "c"` is not `"a" + "bc"`). It is hashed once, for the store, the flights and the queue alike; equal hashes
//! prove nothing, the texts are compared in full.

mod digest;
mod subject;
mod written;

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use equivalent::Equivalent;

pub use digest::Digest;
pub use subject::Subject;
use written::Written;

/// One hash for the whole process, keyed at random: nobody outside can choose keys that collide.
static HASHER: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);

/// Writes a key part by part.
///
/// The first part is the scope. [`KeyText::end_resource`] marks which leading parts name a resource: what a purge may
/// name. It may be marked twice, from wide to narrow (a path on any host, then on one); of more marks the first and the
/// last count. Parts after it tell answers of one resource apart (a scheme, a variant). [`KeyText::end_primary`] marks where
/// those begin that tell variants apart.
///
/// ```
/// use tower_swr_core::KeyText;
///
/// let mut text = KeyText::new("stocks");
/// text.push(b"example.com");
/// text.push(b"/stocks/7");
/// text.end_resource();
/// text.push(b"https");
/// let key = text.key().to_key();
/// assert_eq!(key.scope(), "stocks");
/// ```
#[derive(Clone)]
pub struct KeyText {
    written: Written,
    ends: Ends,
}

/// How many leading bytes name a subject: the scope, a wide resource, a narrow one, the primary key.
type Ends = [usize; SUBJECTS];

/// How many subjects a key belongs to.
pub(crate) const SUBJECTS: usize = 4;

/// Where the primary key ends that is not marked: with the key.
const UNMARKED: usize = usize::MAX;

impl KeyText {
    /// Begins a key in `scope`.
    #[must_use]
    pub fn new(scope: &str) -> Self {
        let mut text = Self {
            written: Written::new(),
            ends: Ends::default(),
        };
        text.push(scope.as_bytes());
        let end = text.len();
        text.ends = [end, end, end, UNMARKED];
        text
    }

    /// Appends a part.
    #[inline]
    pub fn push(&mut self, part: &[u8]) {
        self.written.append(length_prefix(part), part);
    }

    /// Appends a part that may be missing; missing and empty differ.
    #[inline]
    pub fn push_optional(&mut self, part: Option<&[u8]>) {
        match part {
            None => self.written.append([u8::MAX; PREFIX], &[]),
            Some(part) => self.push(part),
        }
    }

    /// Everything pushed so far names a resource, within the one that was marked before. A third mark takes the place of
    /// the second, so that a purge of what that one named does not find the key; a mark right after the scope marks
    /// nothing.
    #[inline]
    pub fn end_resource(&mut self) {
        let end = self.len();
        let [scope, wide, narrow, _] = &mut self.ends;
        if wide == scope {
            *wide = end;
        }
        *narrow = end;
    }

    /// Everything pushed so far is the primary key: what follows tells its variants apart. Without this mark the whole key
    /// is; of several the last counts.
    #[inline]
    pub fn end_primary(&mut self) {
        let end = self.len();
        let [.., primary] = &mut self.ends;
        *primary = end;
    }

    /// Takes back what was pushed after the text had `length` bytes, but never the scope. The marks of resources stay,
    /// except in what is taken back: those move to the new end.
    #[inline]
    pub fn truncate(&mut self, length: usize) {
        let [scope, ..] = self.ends;
        let length = length.max(scope);
        self.written.truncate(length);
        let [.., primary] = self.ends;
        self.ends = self.ends.map(|end| end.min(length));
        if primary >= length {
            let [.., primary] = &mut self.ends;
            *primary = UNMARKED;
        }
    }

    /// How many bytes the text has.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.written.as_slice().len()
    }

    /// Never: a key has its scope at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key as written, hashed.
    #[must_use]
    #[inline]
    pub fn key(&self) -> KeyRef<'_> {
        let [scope, wide, narrow, primary] = self.ends;
        // Where no part was marked, the whole key is the resource.
        let (wide, narrow) = if wide == scope {
            (self.len(), self.len())
        } else {
            (wide, narrow)
        };
        let text = self.written.as_slice();
        KeyRef {
            hash: HASHER.hash_one(text),
            text,
            ends: [scope, wide, narrow, primary.min(self.len())],
        }
    }
}

/// Bytes of a length in front of a part: parts are below 4 GiB, since requests are.
const PREFIX: usize = 4;

fn length_prefix(part: &[u8]) -> [u8; PREFIX] {
    let [a, b, c, d, ..] = (part.len() as u64).to_le_bytes();
    [a, b, c, d]
}

/// Shows scope and length only: a key may hold a user's cookie.
impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = scope_of(self.written.as_slice(), &self.ends);
        write!(f, "KeyText({scope}, {} bytes)", self.len())
    }
}

fn scope_of<'a>(text: &'a [u8], [scope, ..]: &Ends) -> Cow<'a, str> {
    String::from_utf8_lossy(&text[PREFIX..*scope])
}

/// A borrowed key: enough to look up, nothing allocated.
#[derive(Clone, Copy)]
pub struct KeyRef<'a> {
    hash: u64,
    text: &'a [u8],
    ends: Ends,
}

impl KeyRef<'_> {
    /// An owned copy, which carries the hash along.
    #[must_use]
    pub fn to_key(self) -> Key {
        Key {
            hash: self.hash,
            text: self.text.into(),
            ends: self.ends,
        }
    }

    /// A text that goes on where this key ends. What is pushed tells answers of the key's resource apart.
    #[must_use]
    pub fn to_text(self) -> KeyText {
        let mut written = Written::new();
        written.set(self.text);
        let [scope, wide, narrow, primary] = self.ends;
        // What is pushed behind a primary key is part of it, unless a mark says otherwise.
        let primary = match primary == self.text.len() {
            true => UNMARKED,
            false => primary,
        };
        KeyText {
            written,
            ends: [scope, wide, narrow, primary],
        }
    }

    /// The canonical text: length-prefixed parts.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.text
    }

    /// The subject of purges of this key's resource, as narrow as it is marked; the whole key where nothing is.
    #[must_use]
    pub fn resource(&self) -> Subject {
        let [_, _, narrow, _] = self.ends;
        Subject::Resource(Digest::of(&self.text[..narrow]))
    }

    /// The subject of purges of this key's scope.
    #[must_use]
    pub fn scope_subject(&self) -> Subject {
        let [scope, ..] = self.ends;
        Subject::Scope(Digest::of(&self.text[..scope]))
    }

    /// The text of the primary key: all of it, unless this is a variant's.
    pub(crate) fn primary(&self) -> &[u8] {
        let [.., primary] = self.ends;
        &self.text[..primary]
    }

    /// All that this key is purged with, from wide to narrow.
    pub(crate) fn subjects(&self) -> [Subject; SUBJECTS] {
        let digest = |end: usize| Digest::of(&self.text[..end]);
        let [scope, wide, narrow, primary] = self.ends;
        let of_wide = digest(wide);
        // Where nothing is marked all three are the same.
        let of_narrow = if narrow == wide {
            of_wide
        } else {
            digest(narrow)
        };
        let of_primary = if primary == narrow {
            of_narrow
        } else {
            digest(primary)
        };
        [
            Subject::Scope(digest(scope)),
            Subject::Resource(of_wide),
            Subject::Resource(of_narrow),
            Subject::Key(of_primary),
        ]
    }
}

/// Shows scope and hash only: a key may hold a user's cookie.
impl fmt::Debug for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = scope_of(self.text, &self.ends);
        write!(f, "KeyRef({scope}:{:016x})", self.hash)
    }
}

impl From<&KeyRef<'_>> for Key {
    fn from(key: &KeyRef<'_>) -> Self {
        key.to_key()
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && self.text == &*key.text
    }
}

/// An owned key. Cheap to clone.
#[derive(Clone)]
pub struct Key {
    hash: u64,
    text: Arc<[u8]>,
    ends: Ends,
}

impl Key {
    /// The borrowed form.
    #[must_use]
    pub fn borrowed(&self) -> KeyRef<'_> {
        KeyRef {
            hash: self.hash,
            text: &self.text,
            ends: self.ends,
        }
    }

    /// The canonical text: length-prefixed parts.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The name of the key's scope.
    #[must_use]
    pub fn scope(&self) -> Cow<'_, str> {
        scope_of(&self.text, &self.ends)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Shows scope and hash only: a key may hold a user's cookie.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}:{:016x})", self.scope(), self.hash)
    }
}

/// Hands a hash on, so that no table hashes it again: a key's own, or that of a subject.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

pub(crate) type BuildKeyHasher = std::hash::BuildHasherDefault<KeyHasher>;

impl Hasher for KeyHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not reached: keys and subjects are the only ones in our tables, and both are hashed already.
    fn write(&mut self, bytes: &[u8]) {
        self.0 = HASHER.hash_one((self.0, bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::written::SHORT;
    use super::*;
    use proptest::prelude::*;

    fn written(parts: &[Vec<u8>]) -> Vec<u8> {
        let mut text = KeyText::new("s");
        parts.iter().for_each(|part| text.push(part));
        text.key().text().to_vec()
    }

    proptest! {
        #[test]
        fn different_parts_never_write_the_same_text(
            a in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..5),
            b in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6), 0..5),
        ) {
            prop_assert_eq!(a == b, written(&a) == written(&b));
        }
    }

    #[test]
    fn a_text_too_long_for_its_place_is_the_same_text() {
        for length in 0..3 * SHORT {
            let (part, mut text) = (vec![b'x'; length], KeyText::new("s"));
            let scope = text.len();
            text.push(&part);
            text.push(b"end");
            let expected = [
                &length_prefix(&part),
                &part[..],
                &length_prefix(b"end"),
                b"end",
            ];
            assert_eq!(text.key().text()[scope..], expected.concat(), "{length}");
            let mut again = text.key().to_text();
            assert_eq!(again.key().text(), text.key().text());
            for text in [&mut text, &mut again] {
                text.truncate(scope + PREFIX + length);
                text.push(b"END");
            }
            assert_eq!(again.key().text(), text.key().text());
            let expected = [
                &length_prefix(&part),
                &part[..],
                &length_prefix(b"END"),
                b"END",
            ];
            assert_eq!(text.key().text()[scope..], expected.concat(), "{length}");
        }
    }

    #[test]
    fn missing_and_empty_parts_differ() {
        let (mut missing, mut empty) = (KeyText::new("s"), KeyText::new("s"));
        missing.push_optional(None);
        empty.push_optional(Some(b""));
        assert_ne!(missing.key().text(), empty.key().text());
    }

    #[test]
    fn parts_behind_the_resource_leave_its_subject_alone() {
        let mut text = KeyText::new("s");
        text.push(b"/a");
        text.end_resource();
        let plain = text.key().to_key();
        text.push(b"gzip");
        let [scope, wide, narrow, _] = plain.borrowed().subjects();
        let other = text.key().to_key();
        assert_ne!(plain, other);
        let [other_scope, other_wide, other_narrow, _] = other.borrowed().subjects();
        assert_eq!(
            [scope, wide, narrow],
            [other_scope, other_wide, other_narrow]
        );
    }

    #[test]
    fn a_variant_is_concerned_by_what_its_primary_key_is() {
        let mut text = KeyText::new("s");
        text.push(b"/a");
        let primary = text.key().to_key();
        text.end_primary();
        text.push(b"gzip");
        let variant = text.key().to_key();
        assert_eq!(
            Subject::key(variant.borrowed()),
            Subject::key(primary.borrowed())
        );
        assert_eq!(variant.borrowed().primary(), primary.text());
        let mut again = variant.borrowed().to_text();
        again.push(b"br");
        assert_eq!(again.key().primary(), primary.text(), "the mark stays");
        again.truncate(primary.text().len());
        again.push(b"more");
        assert_eq!(
            again.key().primary(),
            again.key().text(),
            "it was taken back"
        );
    }

    #[test]
    fn of_three_marks_the_first_and_the_last_count() {
        let mut text = KeyText::new("s");
        let mut resources = Vec::new();
        for part in [b"wide", b"lost", b"then"] {
            text.push(part);
            text.end_resource();
            resources.push(Subject::Resource(Digest::of(text.written.as_slice())));
        }
        let [_, wide, narrow, _] = text.key().subjects();
        assert_eq!([wide, narrow], [resources[0], resources[2]]);
    }

    #[test]
    fn what_is_taken_back_leaves_a_key_that_can_be_used() {
        let mut text = KeyText::new("s");
        let scope = text.len();
        text.push(b"/a");
        text.end_resource();
        text.push(b"host");
        text.end_resource();
        for length in (0..=text.len() + 1).rev() {
            text.truncate(length);
            let key = text.key().to_key();
            assert_eq!((key.scope().as_ref(), key.text().len()), ("s", text.len()));
            let [_, _, narrow, primary] = key.borrowed().subjects();
            let digest = Digest::of(text.written.as_slice());
            assert_eq!(narrow, Subject::Resource(digest), "at {length}");
            assert_eq!(primary, Subject::Key(digest), "at {length}");
        }
        assert_eq!(text.len(), scope);
    }

    #[test]
    fn debug_shows_no_part_of_the_key_but_the_scope() {
        let mut text = KeyText::new("s");
        text.push(b"session=secret");
        assert_eq!(format!("{text:?}"), "KeyText(s, 23 bytes)");
        let (borrowed, owned) = (text.key(), text.key().to_key());
        let hash = format!("(s:{:016x})", borrowed.hash);
        assert_eq!(format!("{borrowed:?}"), format!("KeyRef{hash}"));
        assert_eq!(format!("{owned:?}"), format!("Key{hash}"));
    }
}

//! What one request said for the fields of a `Vary` (RFC 9111 section 4.1).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::header::{COOKIE, HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::cache_control::is_space;
use super::vary::VaryNames;

/// What one request said for the fields of a [`VaryNames`]: whether an answer chosen for it fits another request.
///
/// An absent field and an empty one differ. Of what section 4.1 lets a cache normalise only the harmless part is: several
/// lines are one list, and the white space around its commas is dropped. Case, order and everything else count.
#[derive(Clone)]
pub(crate) struct Selection {
    names: VaryNames,
    values: Arc<[Option<Box<[u8]>>]>,
}

impl Selection {
    /// What `request` says for `names`.
    pub(crate) fn of(names: VaryNames, request: &HeaderMap) -> Self {
        let value = |name| Value::of(name, request).map(|value| Box::from(&*value));
        let values = names.iter().map(value).collect();
        Self { names, values }
    }

    /// Whether `request` says the same.
    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        let mut pairs = self.names.iter().zip(&*self.values);
        pairs.all(|(name, ours)| ours.as_deref() == Value::of(name, request).as_deref())
    }

    pub(crate) fn names(&self) -> &VaryNames {
        &self.names
    }
}

/// Names only: a value may be a cookie or a token, and has no business in a log.
impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selection")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A field's value in normal form.
pub(super) enum Value<'a> {
    /// One line, which is in normal form as it is.
    Line(&'a [u8]),
    Joined(Joined),
}

/// Long enough for the `Accept` of a browser without an allocation.
type Joined = SmallVec<[u8; 256]>;

impl<'a> Value<'a> {
    /// What `request` says for the field `name`, if anything.
    pub(super) fn of(name: &HeaderName, request: &'a HeaderMap) -> Option<Self> {
        let lines = request.get_all(name).into_iter();
        let mut lines = lines.map(|line| line.as_bytes().trim_ascii());
        let (first, second) = (lines.next()?, lines.next());
        let is_cookie = *name == COOKIE;
        if second.is_none() && (is_cookie || !has_spaced_comma(first)) {
            return Some(Self::Line(first));
        }
        let lines = [first].into_iter().chain(second).chain(lines);
        Some(Self::Joined(if is_cookie {
            crumbs(lines)
        } else {
            list(lines)
        }))
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Line(line) => line,
            Self::Joined(joined) => joined,
        }
    }
}

fn has_spaced_comma(line: &[u8]) -> bool {
    line.windows(2).any(|pair| {
        (pair[0] == b',' && is_space(pair[1])) || (is_space(pair[0]) && pair[1] == b',')
    })
}

/// The one line that HTTP/2 clients split `Cookie` into several from (RFC 9113 section 8.2.3). Its commas separate nothing.
fn crumbs<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Joined {
    let mut joined = Joined::new();
    for (position, line) in lines.enumerate() {
        if position > 0 {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(line);
    }
    joined
}

fn list<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Joined {
    let mut list = List::default();
    for (position, line) in lines.enumerate() {
        if position > 0 {
            list.push(b',');
        }
        line.iter().for_each(|byte| list.push(*byte));
    }
    list.text
}

/// A list while it is put together. Inside a quoted string (RFC 9110 section 5.6.4) commas and white space are somebody's
/// data: to drop a space there would take two different requests for the same.
#[derive(Default)]
struct List {
    text: Joined,
    quoted: bool,
    escaped: bool,
}

impl List {
    fn push(&mut self, byte: u8) {
        if self.quoted {
            self.quoted = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
        } else if is_space(byte) && matches!(self.text.last(), None | Some(b',')) {
            return;
        } else {
            self.quoted = byte == b'"';
            if byte == b',' {
                self.drop_spaces();
            }
        }
        self.text.push(byte);
    }

    fn drop_spaces(&mut self) {
        while self.text.last().copied().is_some_and(is_space) {
            self.text.pop();
        }
    }
}

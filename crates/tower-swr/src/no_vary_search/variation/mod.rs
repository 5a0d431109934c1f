//! What of a query makes no difference to an answer: its `No-Vary-Search`.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use tower_swr_core::Digest;

use crate::query;

const NO_VARY_SEARCH: HeaderName = HeaderName::from_static("no-vary-search");

/// A longer field counts as none: handlers name a few parameters, and each answer's is read.
const LONGEST: usize = 8 << 10;

/// What an answer says of the queries that it is good for: a "URL variation config" other than the default one
/// (draft-ietf-httpbis-no-vary-search-10 section 4). Names are sorted, so that what means the same is the same.
#[derive(Clone, Debug)]
pub(crate) struct Variation {
    counted: Counted,
    /// Whether the order of parameters of different names counts.
    is_ordered: bool,
    /// What tells it from others, the same in every process.
    digest: Digest,
    /// What was kept under it in other rounds is not found in this one: see [`Variation::again`].
    round: u64,
}

/// Which parameters make a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Counted {
    AllBut(Vec<String>),
    Only(Vec<String>),
}

impl Variation {
    /// What an answer with these `fields` says (section 5.2). Nothing where that is the default, by which the query counts
    /// as it is: where the field is missing, where it is no dictionary, and where a member of it has not the type that it
    /// should have. Members of other names and parameters say nothing.
    pub(crate) fn of(fields: &HeaderMap) -> Option<Self> {
        if !fields.contains_key(NO_VARY_SEARCH) {
            return None;
        }
        let lines = fields.get_all(NO_VARY_SEARCH).into_iter();
        let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
        let text = lines.join(&b", "[..]);
        if text.len() > LONGEST {
            return None;
        }
        let members: Dictionary = Parser::new(&text).parse().ok()?;
        let is_ordered = match members.get("key-order") {
            None => true,
            Some(ListEntry::Item(item)) => match item.bare_item {
                BareItem::Boolean(ignored) => !ignored,
                _ => return None,
            },
            Some(ListEntry::InnerList(_)) => return None,
        };
        let counted = match (members.get("params"), members.get("except")) {
            (Some(_), Some(_)) => return None,
            (None, None) => Counted::AllBut(Vec::new()),
            (Some(ignored), None) => Counted::AllBut(names(ignored)?),
            (None, Some(counted)) => Counted::Only(names(counted)?),
        };
        Self::new(counted, is_ordered)
    }

    fn new(counted: Counted, is_ordered: bool) -> Option<Self> {
        if is_ordered && counted == Counted::AllBut(Vec::new()) {
            return None;
        }
        let (kind, names) = match &counted {
            Counted::AllBut(names) => (0, names),
            Counted::Only(names) => (1, names),
        };
        let mut text = vec![kind, u8::from(is_ordered)];
        names.iter().for_each(|name| push(&mut text, name));
        let digest = Digest::of(&text);
        Some(Self {
            counted,
            is_ordered,
            digest,
            round: 0,
        })
    }

    /// The same, in another `round`: equal, and yet no query has a canonical form in both.
    pub(super) fn again(self, round: u64) -> Self {
        Self { round, ..self }
    }

    /// What counts of `query`, under which variation and in which round: two queries have this in common if they are
    /// equivalent modulo this variation (section 6), and under no other variation has any query this.
    pub(crate) fn canonical(&self, query: Option<&str>) -> Vec<u8> {
        let pairs = query::parameters(query.unwrap_or_default());
        let mut pairs: Vec<_> = pairs.filter(|(name, _)| self.counts(name)).collect();
        if !self.is_ordered {
            // Values of one name stay in their order.
            pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        }
        // No URI has this byte, so no query that is written as it is can be taken for this.
        let mut text = vec![0];
        text.extend_from_slice(self.digest.as_bytes());
        text.extend_from_slice(&self.round.to_le_bytes());
        for (name, value) in &pairs {
            push(&mut text, name);
            push(&mut text, value);
        }
        text
    }

    fn counts(&self, name: &str) -> bool {
        let is_in = |names: &[String]| names.binary_search_by(|it| it.as_str().cmp(name)).is_ok();
        match &self.counted {
            Counted::AllBut(names) => !is_in(names),
            Counted::Only(names) => is_in(names),
        }
    }
}

/// The names are all there is to it.
impl PartialEq for Variation {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
            && self.is_ordered == other.is_ordered
            && self.counted == other.counted
    }
}

impl Eq for Variation {}

/// The strings of an inner list, as the names of parameters are read (section 5.3); nothing where it is none.
fn names(member: &ListEntry) -> Option<Vec<String>> {
    let ListEntry::InnerList(list) = member else {
        return None;
    };
    let name = |item: &sfv::Item| match &item.bare_item {
        BareItem::String(text) => Some(query::decoded(text.as_str()).into_owned()),
        _ => None,
    };
    let mut names = list.items.iter().map(name).collect::<Option<Vec<_>>>()?;
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Writes `part` with its length in front, so that no part can run into the next.
fn push(text: &mut Vec<u8>, part: &str) {
    text.extend_from_slice(&(part.len() as u64).to_le_bytes()[..4]);
    text.extend_from_slice(part.as_bytes());
}

#[cfg(test)]
mod tests;

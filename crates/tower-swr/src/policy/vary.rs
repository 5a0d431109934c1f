//! `Vary`: which fields of a request an answer was selected by (RFC 9110 section 12.5.5).

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, VARY};

use super::pass_reason::PassReason;
use super::selection::Value;

/// An answer that depends on more fields than this is not kept: every one multiplies the variants, and a handler that
/// names so many has most likely copied a whole request into `Vary`.
const MAX_NAMES: usize = 16;

/// The request fields a response was selected by: lower-case, sorted, without duplicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VaryNames(Arc<[HeaderName]>);

impl VaryNames {
    /// The names in a response's `Vary` lines, without those in `ignored`, which the handler never saw.
    ///
    /// # Errors
    ///
    /// [`PassReason::VaryStar`] if any member is `*`; [`PassReason::VaryTooLong`] if one is no field name or more than
    /// 16 remain. A name that we cannot read is a difference between requests that we would not see.
    pub(crate) fn parse(response: &HeaderMap, ignored: &[HeaderName]) -> Result<Self, PassReason> {
        if names_star(response) {
            return Err(PassReason::VaryStar);
        }
        let names: Result<Vec<_>, _> = members(response).map(HeaderName::from_bytes).collect();
        let mut names = names.map_err(|_| PassReason::VaryTooLong)?;
        names.retain(|name| !ignored.contains(name));
        let names = Self::sorted(names);
        if names.0.len() > MAX_NAMES {
            return Err(PassReason::VaryTooLong);
        }
        Ok(names)
    }

    /// Whether every request gets the same answer.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of both, in whatever number.
    pub(crate) fn union(&self, other: &Self) -> Self {
        if other.iter().all(|name| self.0.contains(name)) {
            return self.clone();
        }
        Self::sorted(self.iter().chain(other.iter()).cloned().collect())
    }

    /// Hands `out` three pieces for every name: the name, whether `request` has it, and its value as [`Selection`]
    /// compares it.
    ///
    /// If each piece is written with its length, two requests that write the same are selected alike, and two that are
    /// not write something else. Allocates nothing unless a field comes in several lines or in odd spacing and is long.
    ///
    /// [`Selection`]: super::Selection
    pub(crate) fn write_selection(&self, request: &HeaderMap, mut out: impl FnMut(&[u8])) {
        for name in self.iter() {
            let value = Value::of(name, request);
            out(name.as_str().as_bytes());
            out(if value.is_some() { b"1" } else { b"0" });
            out(value.as_deref().unwrap_or_default());
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter()
    }

    fn sorted(mut names: Vec<HeaderName>) -> Self {
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self(names.into())
    }
}

/// Whether a response depends on more than its request's fields: `Vary: *`, alone or among names.
pub(super) fn names_star(response: &HeaderMap) -> bool {
    members(response).any(|member| member == b"*")
}

/// The members of all `Vary` lines but the empty ones, which RFC 9110 section 5.6.1 tells recipients to skip.
fn members(response: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = response.get_all(VARY).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

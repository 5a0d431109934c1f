//! `Vary`: which fields of a request an answer was selected by (RFC 9110 section 12.5.5).

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HeaderName, VARY};

use super::pass_reason::PassReason;
use super::selection::Value;
use crate::far::{Pen, Reader};

/// An answer that depends on more fields than this is not kept: every one multiplies the variants, and a handler that
/// names so many has most likely copied a whole request into `Vary`.
const MAX_NAMES: usize = 16;

/// The request fields a response was selected by: lower-case, sorted, without duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

    /// The names of both; nothing where they are too many.
    pub(crate) fn union(&self, other: &Self) -> Option<Self> {
        if other.iter().all(|name| self.0.contains(name)) {
            return Some(self.clone());
        }
        let union = Self::sorted(self.iter().chain(other.iter()).cloned().collect());
        (union.0.len() <= MAX_NAMES).then_some(union)
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

    pub(crate) fn write(&self, pen: &mut Pen) {
        pen.list(&self.0, |pen, name| pen.text(name.as_str().as_bytes()));
    }

    /// Takes back what [`VaryNames::write`] wrote; nothing where it wrote no such thing.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let names = reader.list(|reader| HeaderName::from_bytes(&reader.text()?).ok())?;
        let is_sorted = names.is_sorted_by(|a, b| a.as_str() < b.as_str());
        (is_sorted && names.len() <= MAX_NAMES).then(|| Self(names.into()))
    }

    /// The bytes it counts for: many share them, but the last one holds them.
    pub(crate) fn weight(&self) -> usize {
        self.iter()
            .map(|name| size_of::<HeaderName>() + name.as_str().len())
            .sum()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &HeaderName> {
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
    members
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, ACCEPT_ENCODING, COOKIE};
    use proptest::prelude::*;

    use super::super::testing;
    use super::*;

    fn parse(lines: &[&str]) -> Result<VaryNames, PassReason> {
        parse_without(lines, &[])
    }

    fn parse_without(lines: &[&str], ignored: &[HeaderName]) -> Result<VaryNames, PassReason> {
        let pairs = lines.iter().map(|line| ("vary", *line));
        VaryNames::parse(&testing::headers(pairs), ignored)
    }

    fn names(lines: &[&str]) -> VaryNames {
        parse(lines).expect("the test writes names only")
    }

    fn text(names: &VaryNames) -> Vec<&str> {
        names.iter().map(HeaderName::as_str).collect()
    }

    #[test]
    fn names_are_lower_case_sorted_and_without_duplicates() {
        for lines in [
            &["Accept-Encoding, accept,x-b"][..],
            &["x-b", "ACCEPT", "accept-encoding, Accept"],
            &[" , x-b ,,\taccept\t, accept-encoding,"],
        ] {
            assert_eq!(
                text(&names(lines)),
                ["accept", "accept-encoding", "x-b"],
                "{lines:?}"
            );
        }
    }

    #[test]
    fn nothing_named_is_empty() {
        for lines in [&[][..], &[""], &[" , ,"]] {
            assert!(names(lines).is_empty(), "{lines:?}");
        }
        assert!(!names(&["accept"]).is_empty());
    }

    #[test]
    fn a_star_anywhere_is_a_star() {
        for lines in [
            &["*"][..],
            &["*, *"],
            &["", "*"],
            &[", *"],
            &["accept,*"],
            &["*", "no name"],
            &["no name", "*"],
        ] {
            assert_eq!(parse(lines), Err(PassReason::VaryStar), "{lines:?}");
        }
    }

    #[test]
    fn a_member_that_is_no_field_name_is_refused() {
        for line in [
            "accept encoding",
            "accept;q=1",
            "\"accept\"",
            ":path",
            "\u{e9}",
            "accept, **(",
        ] {
            assert_eq!(parse(&[line]), Err(PassReason::VaryTooLong), "{line}");
        }
        assert_eq!(parse(&[&"a".repeat(70_000)]), Err(PassReason::VaryTooLong));
    }

    #[test]
    fn sixteen_names_are_kept_apart_and_seventeen_are_not() {
        let list = |count| {
            (0..count)
                .map(|n| format!("x-{n}"))
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(text(&names(&[&list(16), &list(16)])).len(), 16);
        assert_eq!(parse(&[&list(17)]), Err(PassReason::VaryTooLong));
        let ignored = [HeaderName::from_static("x-3")];
        assert!(parse_without(&[&list(17)], &ignored).is_ok());
    }

    #[test]
    fn ignored_names_are_left_out() {
        let names = parse_without(&["Cookie, Accept"], &[COOKIE]);
        assert_eq!(names.as_ref().map(text), Ok(vec!["accept"]));
        let names = parse_without(&["Cookie"], &[COOKIE]);
        assert_eq!(names.map(|names| names.is_empty()), Ok(true));
    }

    #[test]
    fn a_union_has_the_names_of_both() {
        let (some, others) = (names(&["b, a"]), names(&["c, b"]));
        assert_eq!(some.union(&others), Some(names(&["a, b, c"])));
        assert_eq!(some.union(&others), others.union(&some));
        assert_eq!(some.union(&names(&[])).as_ref(), Some(&some));
        assert_eq!(names(&[]).union(&some).as_ref(), Some(&some));
        assert_eq!(some.union(&some).as_ref(), Some(&some));
    }

    #[test]
    fn a_selection_is_written_as_name_presence_and_value() {
        let names = names(&["accept, accept-encoding, cookie"]);
        let request = testing::headers([("accept-encoding", "gzip, br"), ("accept", "")]);
        let mut written = Vec::new();
        names.write_selection(&request, |piece| written.push(piece.to_vec()));
        let pieces: Vec<&[u8]> = vec![
            ACCEPT.as_str().as_bytes(),
            b"1",
            b"",
            ACCEPT_ENCODING.as_str().as_bytes(),
            b"1",
            b"gzip,br",
            COOKIE.as_str().as_bytes(),
            b"0",
            b"",
        ];
        assert_eq!(written, pieces);
    }

    proptest! {
        #[test]
        fn any_response_is_read_without_panic(headers in testing::header_lists()) {
            if let Ok(names) = VaryNames::parse(&headers, &[ACCEPT]) {
                prop_assert!(names.0.is_sorted_by_key(HeaderName::as_str));
                prop_assert!(names.0.len() <= MAX_NAMES && !names.0.contains(&ACCEPT));
            }
        }

        #[test]
        fn a_further_line_never_removes_a_name(headers in testing::header_lists(), line in testing::values()) {
            let mut longer = headers.clone();
            longer.append(VARY, line);
            if let Ok(after) = VaryNames::parse(&longer, &[]) {
                let before = VaryNames::parse(&headers, &[]);
                prop_assert_eq!(before.map(|before| before.union(&after)), Ok(Some(after)));
            }
        }
    }
}

//! Conditional requests (RFC 9110 section 13), answered from what is kept (RFC 9111 section 4.3.2).

use std::time::SystemTime;

use http::HeaderMap;
use http::header::{
    DATE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED, RANGE,
};

use crate::date;
use crate::ranges::Ranges;

/// Under which conditions a request wants an answer, and how much of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    if_match: Vec<HeaderValue>,
    if_none_match: Vec<HeaderValue>,
    if_unmodified_since: Option<SystemTime>,
    if_modified_since: Option<SystemTime>,
    range: Option<HeaderValue>,
    if_range: Option<HeaderValue>,
}

/// What the conditions come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They hold.
    Met,
    /// The client has it already: 304.
    NotModified,
    /// They do not hold: 412.
    Failed,
}

impl Conditions {
    pub(crate) fn of(request: &HeaderMap) -> Self {
        let lines = |name| request.get_all(name).into_iter().cloned().collect();
        Self {
            if_match: lines(IF_MATCH),
            if_none_match: lines(IF_NONE_MATCH),
            if_unmodified_since: only_date(request, IF_UNMODIFIED_SINCE),
            if_modified_since: only_date(request, IF_MODIFIED_SINCE),
            // Nobody can tell which of two conditions is meant: then the whole is right in any case.
            range: only(request, RANGE)
                .filter(|_| only(request, IF_RANGE).is_some() || !request.contains_key(IF_RANGE))
                .cloned(),
            if_range: only(request, IF_RANGE).cloned(),
        }
    }

    /// What they come to for an answer with the fields `kept`, in the order of RFC 9110 section 13.2.2.
    pub(crate) fn outcome(&self, kept: &HeaderMap) -> Outcome {
        let etag = kept.get(ETAG).map(HeaderValue::as_bytes);
        let holds = match self.if_match.is_empty() {
            false => names(&self.if_match, etag, is_strongly),
            true => self
                .if_unmodified_since
                .is_none_or(|since| last_modified(kept).is_none_or(|modified| modified <= since)),
        };
        let is_known = match self.if_none_match.is_empty() {
            false => names(&self.if_none_match, etag, is_weakly),
            true => self
                .if_modified_since
                .zip(last_modified(kept).or_else(|| only_date(kept, DATE)))
                .is_some_and(|(since, modified)| modified <= since),
        };
        match (holds, is_known) {
            (false, _) => Outcome::Failed,
            (true, true) => Outcome::NotModified,
            (true, false) => Outcome::Met,
        }
    }

    /// The parts that are wanted of a body of `length` bytes, whose answer has the fields `kept`; nothing where all of it
    /// is.
    pub(crate) fn ranges(&self, kept: &HeaderMap, length: u64) -> Option<Ranges> {
        let range = self.range.as_ref()?;
        let may = self
            .if_range
            .as_ref()
            .is_none_or(|validator| is_the_same(validator, kept));
        may.then(|| Ranges::parse(range, length)).flatten()
    }
}

/// RFC 9110 section 13.1.5: a strong entity tag, or the exact date of the last change where that is a strong validator,
/// at least a second before the answer's own.
fn is_the_same(validator: &HeaderValue, kept: &HeaderMap) -> bool {
    let validator = validator.as_bytes().trim_ascii();
    if validator.ends_with(b"\"") {
        let etag = kept.get(ETAG).map(HeaderValue::as_bytes);
        return etag.is_some_and(|etag| is_strongly(validator, etag));
    }
    let exact = kept.get(LAST_MODIFIED).map(HeaderValue::as_bytes) == Some(validator);
    let is_older = |modified| only_date(kept, DATE).is_some_and(|date| modified < date);
    exact && last_modified(kept).is_some_and(is_older)
}

/// Whether a list of entity tags names `etag` by `compare`. `*` names whatever there is.
fn names(lists: &[HeaderValue], etag: Option<&[u8]>, compare: fn(&[u8], &[u8]) -> bool) -> bool {
    lists.iter().any(|list| {
        let list = list.as_bytes().trim_ascii();
        list == b"*" || etag.is_some_and(|etag| tags(list).any(|tag| compare(tag, etag)))
    })
}

/// The members of a list of entity tags. A comma may be part of a tag (RFC 9110 section 8.8.3).
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let begin = rest.iter().position(|byte| !b", \t".contains(byte))?;
        rest = &rest[begin..];
        let prefix = if rest.starts_with(b"W/") { 2 } else { 0 };
        if rest.get(prefix) != Some(&b'"') {
            return None; // No tag: nothing behind it can be read.
        }
        let end = rest[prefix + 1..].iter().position(|byte| *byte == b'"')?;
        let (tag, behind) = rest.split_at(prefix + 1 + end + 1);
        rest = behind;
        Some(tag)
    })
}

/// RFC 9110 section 8.8.3.2.
fn is_strongly(tag: &[u8], other: &[u8]) -> bool {
    tag == other && !tag.starts_with(b"W/")
}

fn is_weakly(tag: &[u8], other: &[u8]) -> bool {
    opaque(tag) == opaque(other)
}

/// An entity tag without its mark of weakness.
pub(crate) fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

fn last_modified(kept: &HeaderMap) -> Option<SystemTime> {
    only_date(kept, LAST_MODIFIED)
}

/// A condition that is no date is none (RFC 9110 section 13.1.3).
fn only_date(fields: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    date::parse(only(fields, name)?)
}

/// The value of a field that must not be there twice: nobody can tell which one is meant.
fn only(fields: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut lines = fields.get_all(name).into_iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "Tue, 14 Nov 2023 22:13:00 GMT";
    const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
    const AFTER: &str = "Tue, 14 Nov 2023 22:14:00 GMT";

    fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let value = HeaderValue::from_str(value).expect("a value");
                (HeaderName::from_static(name), value)
            })
            .collect()
    }

    fn outcome(request: &[(&'static str, &str)], kept: &[(&'static str, &str)]) -> Outcome {
        Conditions::of(&fields(request)).outcome(&fields(kept))
    }

    #[test]
    fn if_none_match_compares_weakly_through_whole_lists() {
        for (list, kept) in [
            ("\"a\"", "\"a\""),
            ("W/\"a\"", "\"a\""),
            ("\"a\"", "W/\"a\""),
            ("\"b\", \"a\"", "\"a\""),
            (",, \"b\" ,\t\"a\",", "\"a\""),
            ("\"a,b\", \"c\"", "\"c\""),
            ("*", "\"a\""),
        ] {
            let outcome = outcome(&[("if-none-match", list)], &[("etag", kept)]);
            assert_eq!(outcome, Outcome::NotModified, "{list} {kept}");
        }
        for list in ["\"b\"", "", "a", "\"a", "\"A\"", "w/\"a\"", "\"b,\"a\""] {
            let outcome = outcome(&[("if-none-match", list)], &[("etag", "\"a\"")]);
            assert_eq!(outcome, Outcome::Met, "{list}");
        }
    }

    #[test]
    fn all_lines_of_if_none_match_are_one_list() {
        let request = [("if-none-match", "\"a\""), ("if-none-match", "\"b\"")];
        assert_eq!(
            outcome(&request, &[("etag", "\"b\"")]),
            Outcome::NotModified
        );
    }

    #[test]
    fn if_match_compares_strongly() {
        let kept = [("etag", "\"a\"")];
        assert_eq!(outcome(&[("if-match", "\"a\"")], &kept), Outcome::Met);
        assert_eq!(outcome(&[("if-match", "*")], &kept), Outcome::Met);
        assert_eq!(outcome(&[("if-match", "\"b\"")], &kept), Outcome::Failed);
        assert_eq!(outcome(&[("if-match", "W/\"a\"")], &kept), Outcome::Failed);
        let weak = [("etag", "W/\"a\"")];
        assert_eq!(outcome(&[("if-match", "W/\"a\"")], &weak), Outcome::Failed);
        assert_eq!(outcome(&[("if-match", "\"a\"")], &[]), Outcome::Failed);
    }

    #[test]
    fn dates_count_where_there_are_no_tags() {
        let kept = [("last-modified", MODIFIED)];
        for (date, expected) in [
            (BEFORE, Outcome::Met),
            (MODIFIED, Outcome::NotModified),
            (AFTER, Outcome::NotModified),
            ("yesterday", Outcome::Met),
        ] {
            assert_eq!(
                outcome(&[("if-modified-since", date)], &kept),
                expected,
                "{date}"
            );
        }
        for (date, expected) in [
            (BEFORE, Outcome::Failed),
            (MODIFIED, Outcome::Met),
            ("", Outcome::Met),
        ] {
            assert_eq!(
                outcome(&[("if-unmodified-since", date)], &kept),
                expected,
                "{date}"
            );
        }
        let dated = [("date", MODIFIED)];
        assert_eq!(
            outcome(&[("if-modified-since", MODIFIED)], &dated),
            Outcome::NotModified
        );
        assert_eq!(
            outcome(&[("if-unmodified-since", BEFORE)], &dated),
            Outcome::Met
        );
    }

    #[test]
    fn tags_go_before_dates() {
        let kept = [("etag", "\"a\""), ("last-modified", MODIFIED)];
        let request = [("if-none-match", "\"b\""), ("if-modified-since", AFTER)];
        assert_eq!(outcome(&request, &kept), Outcome::Met);
        let request = [("if-match", "\"a\""), ("if-unmodified-since", BEFORE)];
        assert_eq!(outcome(&request, &kept), Outcome::Met);
        let request = [("if-match", "\"b\""), ("if-none-match", "\"a\"")];
        assert_eq!(outcome(&request, &kept), Outcome::Failed);
    }

    #[test]
    fn a_part_is_given_only_of_the_same_answer() {
        let kept = [
            ("etag", "\"a\""),
            ("last-modified", MODIFIED),
            ("date", AFTER),
        ];
        let given = |validator: &str, kept: &[(&'static str, &str)]| {
            let request = fields(&[("range", "bytes=0-1"), ("if-range", validator)]);
            Conditions::of(&request).ranges(&fields(kept), 10).is_some()
        };
        assert!(given("\"a\"", &kept));
        assert!(given(MODIFIED, &kept));
        for validator in ["\"b\"", "W/\"a\"", BEFORE, AFTER, "", "*"] {
            assert!(!given(validator, &kept), "{validator}");
        }
        assert!(!given("W/\"a\"", &[("etag", "W/\"a\"")]));
        let same_second = [("last-modified", MODIFIED), ("date", MODIFIED)];
        assert!(!given(MODIFIED, &same_second), "it may have changed twice");
    }
}

//! The names, beside its URI, by which an answer can be purged.

use std::collections::HashSet;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Response};
use sfv::{BareItem, List, ListEntry, Parser};
use tower_swr_core::{Subject, Tags};

use crate::cache_policy::CachePolicy;

/// Names between spaces.
static SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Names between commas.
static CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// A list of strings (RFC 9875 section 2).
static CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// Likewise (RFC 9875 section 3).
static CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// How many an answer may have: each is kept with it. RFC 9875 section 2 asks for 32 at least.
const MOST: usize = 1024;

/// More tags than are kept with an answer: it could not be found by all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

/// What `response` of the server at `host` is tagged with, beside what it is `also`. A group is one of its origin's (RFC
/// 9875 section 2.1), and a tag of the same name besides, for whoever purges tags.
pub(crate) fn of<B>(
    response: &Response<B>,
    host: Option<&[u8]>,
    also: Option<Subject>,
) -> Result<Tags, TooMany> {
    let fields = response.headers();
    let own = response.extensions().get::<CachePolicy>();
    let own = own.into_iter().flat_map(|policy| &policy.tags);
    let groups = groups(fields, &CACHE_GROUPS);
    let named = own.map(String::as_bytes);
    let named = named
        .chain(members(fields, &SURROGATE_KEY, u8::is_ascii_whitespace))
        .chain(members(fields, &CACHE_TAG, |byte| *byte == b','))
        .chain(groups.iter().map(String::as_bytes))
        .map(Subject::tag);
    let mut tags: HashSet<Subject> = also.into_iter().collect();
    for tag in named.chain(groups.iter().map(|group| of_group(host, group))) {
        tags.insert(tag);
        if tags.len() > MOST {
            return Err(TooMany);
        }
    }
    Ok(tags.into_iter().collect())
}

/// The groups that an answer of the server at `host` to an unsafe request says have changed.
pub(crate) fn invalidated_groups(fields: &HeaderMap, host: Option<&[u8]>) -> Vec<Subject> {
    let groups = groups(fields, &CACHE_GROUP_INVALIDATION);
    groups.iter().map(|group| of_group(host, group)).collect()
}

fn of_group(host: Option<&[u8]>, group: &str) -> Subject {
    // Neither a tag nor a host has this between its parts.
    Subject::tag(
        &[
            b"\0group\0",
            host.unwrap_or_default(),
            b"\0",
            group.as_bytes(),
        ]
        .concat(),
    )
}

fn members<'f>(
    fields: &'f HeaderMap,
    name: &HeaderName,
    separates: impl Fn(&u8) -> bool + Copy,
) -> impl Iterator<Item = &'f [u8]> {
    let lines = fields.get_all(name).into_iter().map(HeaderValue::as_bytes);
    let members = lines.flat_map(move |line| line.split(separates));
    members
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// The strings of a list. One with anything else in it is no list of groups, and says nothing.
fn groups(fields: &HeaderMap, name: &HeaderName) -> Vec<String> {
    if !fields.contains_key(name) {
        return Vec::new();
    }
    let lines = fields.get_all(name).into_iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    let list = Parser::new(&lines.join(&b", "[..])).parse::<List>();
    let strings = list.unwrap_or_default().into_iter().map(string);
    strings.collect::<Option<_>>().unwrap_or_default()
}

fn string(member: ListEntry) -> Option<String> {
    match member {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(text) => Some(text.into()),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOST: Option<&[u8]> = Some(b"example.com");

    fn response(lines: &[(&'static str, &str)]) -> Response<()> {
        let mut response = Response::new(());
        for (name, value) in lines {
            let value = HeaderValue::try_from(*value).expect("a value");
            response
                .headers_mut()
                .append(HeaderName::from_static(name), value);
        }
        response
    }

    fn tags(lines: &[(&'static str, &str)]) -> Result<usize, TooMany> {
        of(&response(lines), HOST, None).map(|tags| tags.len())
    }

    fn invalidated(lines: &[(&'static str, &str)]) -> Vec<Subject> {
        invalidated_groups(response(lines).headers(), HOST)
    }

    #[test]
    fn all_lines_of_all_fields_count_and_each_name_once() {
        assert_eq!(tags(&[]), Ok(0));
        assert_eq!(
            tags(&[("surrogate-key", " a  b\tc "), ("surrogate-key", "d a")]),
            Ok(4)
        );
        assert_eq!(
            tags(&[("cache-tag", "a, b,,c d ,"), ("cache-tag", "a")]),
            Ok(3)
        );
        assert_eq!(tags(&[("cache-tag", "a"), ("surrogate-key", "a")]), Ok(1));
    }

    #[test]
    fn a_group_is_a_tag_too() {
        assert_eq!(tags(&[("cache-groups", "\"a\", \"b\";x=1")]), Ok(4));
        assert_eq!(
            tags(&[("cache-groups", "\"a\""), ("cache-tag", "a")]),
            Ok(2)
        );
    }

    #[test]
    fn what_is_no_list_of_strings_says_nothing() {
        for line in [
            "",
            "a",
            "\"a\", b",
            "(\"a\")",
            "\"a",
            "\"a\" \"b\"",
            "1",
            "\"\u{e9}\"",
        ] {
            assert_eq!(tags(&[("cache-groups", line)]), Ok(0), "{line:?}");
            assert!(invalidated(&[("cache-group-invalidation", line)]).is_empty());
        }
    }

    #[test]
    fn groups_are_of_their_origin_and_tell_case_apart() {
        let line = [("cache-group-invalidation", "\"a\"")];
        let here = invalidated(&line);
        assert_ne!(
            here,
            invalidated_groups(response(&line).headers(), Some(b"example.org"))
        );
        assert_ne!(here, invalidated(&[("cache-group-invalidation", "\"A\"")]));
        assert_ne!(here, [Subject::tag(b"a")]);
    }

    #[test]
    fn hundreds_of_long_names_are_heeded_and_thousands_are_too_many() {
        let names = |count: usize| {
            let names = (0..count).map(|name| format!("\"{name:0>64}\""));
            names.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(tags(&[("cache-groups", &names(512))]), Ok(1024));
        assert_eq!(tags(&[("cache-groups", &names(513))]), Err(TooMany));
        assert_eq!(tags(&[("cache-tag", &names(1025))]), Err(TooMany));
        let repeated = "a ".repeat(3000);
        assert_eq!(
            tags(&[("surrogate-key", &repeated), ("cache-tag", "b")]),
            Ok(2)
        );
    }

    proptest! {
        #[test]
        fn any_fields_are_read_without_panic(line in proptest::collection::vec(32u8..127, 0..60)) {
            let line = String::from_utf8(line).expect("printable");
            for name in ["surrogate-key", "cache-tag", "cache-groups"] {
                let _ = tags(&[(name, &line)]);
            }
            let _ = invalidated(&[("cache-group-invalidation", &line)]);
        }
    }
}

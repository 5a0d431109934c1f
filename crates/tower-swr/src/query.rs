//! What of a query tells answers apart.

use std::borrow::Cow;

use http::Uri;
use http::uri::{Parts, PathAndQuery};
use percent_encoding::percent_decode;
use tower_swr_core::KeyText;

use crate::no_vary_search::{self, Variation};

/// What a route makes of the query of a URI. The handler sees no more of it than the key has, so that nothing else can
/// find its way into an answer that others get.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum QueryRule {
    /// All of it, as it is.
    #[default]
    AsIs,
    /// All of it, in the order of the names; values of one name stay in theirs.
    Sorted,
    /// The parameters of these names, sorted.
    Only(Vec<String>),
    /// Nothing.
    Ignore,
}

impl QueryRule {
    /// What counts of the query of `uri`. One that is written as it counts is not copied.
    #[inline]
    pub(crate) fn of<'u>(&self, uri: &'u Uri) -> Option<Cow<'u, str>> {
        let query = uri.query()?;
        match self {
            Self::AsIs => Some(Cow::Borrowed(query)),
            rule if rule.is_normal(query) => Some(Cow::Borrowed(query)),
            rule => rule.normalised(query).map(Cow::Owned),
        }
    }

    /// `uri` with nothing in its query but what counts; nothing where that is so already.
    pub(crate) fn rewritten(&self, uri: &Uri) -> Option<Uri> {
        let query = self.of(uri);
        if query.as_deref() == uri.query() {
            return None;
        }
        let path_and_query = match query {
            None => Cow::Borrowed(uri.path()),
            Some(query) => Cow::Owned(format!("{}?{query}", uri.path())),
        };
        let mut parts: Parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(&*path_and_query).ok()?);
        Uri::from_parts(parts).ok()
    }

    fn is_normal(&self, query: &str) -> bool {
        let names = || query.split('&').map(name);
        !query.is_empty()
            && query.split('&').all(|parameter| !parameter.is_empty())
            && names().all(|name| self.counts(&name))
            && names().is_sorted()
    }

    fn counts(&self, name: &str) -> bool {
        match self {
            Self::AsIs | Self::Sorted => true,
            Self::Only(names) => names.iter().any(|counted| counted == name),
            Self::Ignore => false,
        }
    }

    fn normalised(&self, query: &str) -> Option<String> {
        let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
        let named = parameters.map(|parameter| (name(parameter), parameter));
        let mut counted: Vec<_> = named.filter(|(name, _)| self.counts(name)).collect();
        counted.sort_by(|(one, _), (other, _)| one.cmp(other));
        let counted: Vec<&str> = counted
            .into_iter()
            .map(|(_, parameter)| parameter)
            .collect();
        (!counted.is_empty()).then(|| counted.join("&"))
    }
}

/// How a query is written into a key.
#[derive(Clone, Copy)]
pub(crate) struct Counting<'a> {
    /// What of it counts at all on the route.
    pub(crate) rule: &'a QueryRule,
    /// What of that makes no difference, where an answer has said so.
    pub(crate) under: Option<&'a Variation>,
}

impl Counting<'_> {
    #[inline]
    pub(crate) fn push(self, text: &mut KeyText, uri: &Uri) {
        let counted = self.rule.of(uri);
        match self.under {
            Some(under) if no_vary_search::IS_ON => text.push(&under.canonical(counted.as_deref())),
            _ => text.push_optional(counted.as_deref().map(str::as_bytes)),
        }
    }
}

/// The names and values of a query (the parser of `application/x-www-form-urlencoded`).
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let parameters = query.split('&').filter(|parameter| !parameter.is_empty());
    parameters.map(|parameter| {
        let value = parameter.split_once('=').map(|(_, value)| value);
        (name(parameter), decoded(value.unwrap_or_default()))
    })
}

/// The name of a parameter as handlers read it (`application/x-www-form-urlencoded`).
fn name(parameter: &str) -> Cow<'_, str> {
    decoded(parameter.split('=').next().unwrap_or_default())
}

/// A name or a value as it is meant: `+` is a space, and what is no UTF-8 behind its percent signs is U+FFFD.
pub(crate) fn decoded(raw: &str) -> Cow<'_, str> {
    if !raw.contains(['%', '+']) {
        return Cow::Borrowed(raw);
    }
    let spaced = raw.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes());
    Cow::Owned(decoded.decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn only(names: &[&str]) -> QueryRule {
        QueryRule::Only(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn counts(rule: &QueryRule, uri: &str) -> Option<String> {
        let uri: Uri = uri.parse().expect("a URI");
        rule.of(&uri).map(Cow::into_owned)
    }

    #[test]
    fn as_it_is_none_and_an_empty_one_differ() {
        assert_eq!(counts(&QueryRule::AsIs, "/a"), None);
        assert_eq!(counts(&QueryRule::AsIs, "/a?"), Some(String::new()));
        assert_eq!(
            counts(&QueryRule::AsIs, "/a?b&a&&"),
            Some("b&a&&".to_owned())
        );
    }

    #[test]
    fn sorted_by_name_and_values_stay_in_order() {
        let sorted = |query: &str| counts(&QueryRule::Sorted, &format!("/a?{query}"));
        assert_eq!(sorted("b=2&a=1").as_deref(), Some("a=1&b=2"));
        assert_eq!(sorted("a=2&b&a=1&&").as_deref(), Some("a=2&a=1&b"));
        assert_eq!(sorted("a=b=c&a-b=1").as_deref(), Some("a=b=c&a-b=1"));
        assert_eq!(
            sorted("page=1&%70age=2&a").as_deref(),
            Some("a&page=1&%70age=2")
        );
        assert_eq!(sorted("&&"), None);
        assert_eq!(
            sorted("a=1;b=2").as_deref(),
            Some("a=1;b=2"),
            "no separator"
        );
    }

    #[test]
    fn only_what_is_allowed_however_it_is_written() {
        let rule = only(&["page", "a b"]);
        let counted = |query: &str| counts(&rule, &format!("/a?{query}"));
        assert_eq!(counted("utm_source=x&page=2").as_deref(), Some("page=2"));
        assert_eq!(counted("%70age=2").as_deref(), Some("%70age=2"));
        assert_eq!(counted("a+b=1&a%20b=2").as_deref(), Some("a+b=1&a%20b=2"));
        assert_eq!(counted("Page=2"), None);
        assert_eq!(counted("x=page=2"), None);
    }

    #[test]
    fn nothing_at_all() {
        assert_eq!(counts(&QueryRule::Ignore, "/a?b"), None);
    }

    #[test]
    fn the_handler_sees_what_counts() {
        let rewritten = |rule: &QueryRule, uri: &str| {
            let uri: Uri = uri.parse().expect("a URI");
            rule.rewritten(&uri).map(|uri| uri.to_string())
        };
        let sorted = QueryRule::Sorted;
        assert_eq!(
            rewritten(&sorted, "https://a.b/c?y=1&x=2").as_deref(),
            Some("https://a.b/c?x=2&y=1")
        );
        assert_eq!(rewritten(&sorted, "/c?x=2&y=1"), None);
        assert_eq!(
            rewritten(&QueryRule::Ignore, "/c?x=2").as_deref(),
            Some("/c")
        );
        assert_eq!(rewritten(&QueryRule::Ignore, "/c"), None);
        assert_eq!(rewritten(&QueryRule::AsIs, "/c?"), None);
    }

    proptest! {
        #[test]
        fn what_counts_counts_again_as_it_is(query in "[a-c=&%0-9+;]{0,24}") {
            for rule in [QueryRule::AsIs, QueryRule::Sorted, only(&["a", "b"]), QueryRule::Ignore] {
                let Ok(uri) = format!("/p?{query}").parse::<Uri>() else { continue };
                let once = rule.rewritten(&uri).unwrap_or_else(|| uri.clone());
                prop_assert_eq!(rule.rewritten(&once), None);
                prop_assert_eq!(rule.of(&uri), rule.of(&once));
            }
        }
    }
}

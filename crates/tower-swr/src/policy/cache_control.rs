//! `Cache-Control` of a response (RFC 9111 section 5.2), read so that a doubt never makes an answer more cacheable.

use std::time::Duration;

use http::header::{CACHE_CONTROL, EXPIRES};
use http::{HeaderMap, HeaderName};

use super::targeted;

/// What a response's `Cache-Control` lines say, taken together.
///
/// Several lines are one list. Where the list contradicts itself or the grammar, the most conservative reading wins:
///
/// * a number given twice: the smaller; one that is missing, negative or no number: zero (RFC 9111 section 4.2.1
///   encourages "stale" for both);
/// * `private="set-cookie"` and `no-cache="set-cookie"` count as the bare directive, as RFC 9111 sections 5.2.2.4 and
///   5.2.2.7 allow: most caches read them so, and handlers know it;
/// * a member that cannot be read at all counts as `no-store`, see [`CacheControl::read_line`].
///
/// Well-formed directives that this cache does not know are ignored (section 5.2.3).
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CacheControl {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) s_maxage: Option<Duration>,
    /// RFC 5861 section 3.
    pub(crate) stale_while_revalidate: Option<Duration>,
    /// RFC 5861 section 4.
    pub(crate) stale_if_error: Option<Duration>,
    /// It is of a targeted field, beside which `Expires` does not count either.
    pub(crate) is_targeted: bool,
}

impl CacheControl {
    /// What `headers` say to a cache that heeds the fields `targets` before `Cache-Control` (RFC 9213).
    pub(crate) fn of(headers: &HeaderMap, targets: &[HeaderName]) -> Self {
        targeted::select(headers, targets).unwrap_or_else(|| Self::parse(headers))
    }

    /// Reads every `Cache-Control` line of `headers`.
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        for line in headers.get_all(CACHE_CONTROL) {
            control.read_line(line.as_bytes());
        }
        control
    }

    /// Adds one line to what the earlier ones said.
    ///
    /// A member outside the grammar (`private; max-age=60`, `max-age=60 private`, a typographic hyphen, a quote that
    /// never closes) may be a prohibition that we fail to recognise. To skip it could show one user's answer to
    /// another; to say `no-store` costs cache hits and is visible in `Cache-Status`. The rest of the line no longer
    /// matters then: its commas may stand inside a broken string, and nothing it says could loosen `no-store`.
    fn read_line(&mut self, line: &[u8]) {
        for member in Members::of(line) {
            match member {
                Ok(directive) => self.apply(&directive),
                Err(Unreadable) => {
                    self.no_store = true;
                    return;
                }
            }
        }
    }

    pub(super) fn apply(&mut self, directive: &Directive<'_>) {
        let argument = directive.argument;
        match directive.name.to_ascii_lowercase().as_slice() {
            b"no-store" => self.no_store = true,
            b"no-cache" => self.no_cache = true,
            b"private" => self.private = true,
            // The only flag that permits something, hence the only one that an argument it should not have undoes.
            b"public" => self.public |= argument.is_none(),
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"max-age" => shorten(&mut self.max_age, argument),
            b"s-maxage" => shorten(&mut self.s_maxage, argument),
            b"stale-while-revalidate" => shorten(&mut self.stale_while_revalidate, argument),
            b"stale-if-error" => shorten(&mut self.stale_if_error, argument),
            _ => {}
        }
    }
}

/// What the lines of `headers` say beside lifetimes, member by member as it was written.
pub(crate) fn beside_lifetimes(headers: &HeaderMap) -> Vec<u8> {
    let mut beside = Vec::new();
    for line in headers.get_all(CACHE_CONTROL) {
        let mut members = Members::of(line.as_bytes());
        let mut before = members.rest;
        while let Some(Ok(directive)) = members.next() {
            let (text, rest) = before.split_at(before.len() - members.rest.len());
            if !is_lifetime(directive.name) {
                let between = |byte: &u8| is_space(*byte) || *byte == b',';
                let start = text.iter().position(|byte| !between(byte));
                beside.push(text[start.unwrap_or_default()..].trim_ascii_end());
            }
            before = rest;
        }
    }
    beside.join(&b", "[..])
}

fn is_lifetime(name: &[u8]) -> bool {
    let lifetimes: [&[u8]; 4] = [
        b"max-age",
        b"s-maxage",
        b"stale-while-revalidate",
        b"stale-if-error",
    ];
    lifetimes.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// Whether `headers` tell other caches how long the answer is fresh.
pub(crate) fn states_lifetime(headers: &HeaderMap) -> bool {
    let control = CacheControl::parse(headers);
    headers.contains_key(EXPIRES) || control.max_age.or(control.s_maxage).is_some()
}

/// Delta-seconds (RFC 9111 section 1.2.2): digits only; more than 2^31 counts as 2^31. In a string each of them may be
/// escaped, which changes nothing (RFC 9110 section 5.6.4); nowhere else can there be a backslash.
pub(super) fn delta_seconds(text: &[u8]) -> Option<Duration> {
    const MOST: u64 = 1 << 31;
    let mut digits = text.iter().filter(|byte| **byte != b'\\').peekable();
    digits.peek()?;
    let seconds = digits.try_fold(0, |sum: u64, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some((sum * 10 + digit).min(MOST))
    })?;
    Some(Duration::from_secs(seconds))
}

fn shorten(slot: &mut Option<Duration>, argument: Option<&[u8]>) {
    let span = argument.and_then(delta_seconds).unwrap_or_default();
    *slot = Some(slot.map_or(span, |earlier| earlier.min(span)));
}

pub(super) struct Directive<'a> {
    pub(super) name: &'a [u8],
    pub(super) argument: Option<&'a [u8]>,
}

/// A member outside the grammar.
pub(super) struct Unreadable;

/// The members of one line: `token [ "=" ( token / quoted-string ) ]`, between commas.
pub(super) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = Result<Directive<'a>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take_while(|byte| is_space(byte) || byte == b',');
        if self.rest.is_empty() {
            return None;
        }
        let member = self.member();
        if member.is_err() {
            // Nobody can tell where the next one begins.
            self.rest = &[];
        }
        Some(member)
    }
}

impl<'a> Members<'a> {
    pub(super) fn of(line: &'a [u8]) -> Self {
        Self { rest: line }
    }

    fn member(&mut self) -> Result<Directive<'a>, Unreadable> {
        let name = self.take_while(is_token);
        let argument = self.argument()?;
        self.take_while(is_space);
        let ended = matches!(self.rest.first(), None | Some(b','));
        if name.is_empty() || !ended {
            return Err(Unreadable);
        }
        Ok(Directive { name, argument })
    }

    /// The argument without its quotes. Section 5.2 asks recipients to take both forms of every argument.
    fn argument(&mut self) -> Result<Option<&'a [u8]>, Unreadable> {
        let before = self.take_while(is_space);
        if !self.skip(b'=') {
            return Ok(None);
        }
        let after = self.take_while(is_space);
        let value = if self.skip(b'"') {
            self.quoted()?
        } else {
            self.take_while(is_token)
        };
        // The grammar has no white space around "=". The name still counts; the value is not believed.
        let spaced = !before.is_empty() || !after.is_empty();
        Ok(Some(if spaced { b"" } else { value }))
    }

    /// What stands before the closing quote, escapes left as they are.
    fn quoted(&mut self) -> Result<&'a [u8], Unreadable> {
        let mut escaped = false;
        let text = self.take_while(|byte| {
            let inside = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            inside
        });
        self.skip(b'"').then_some(text).ok_or(Unreadable)
    }

    fn take_while(&mut self, mut wanted: impl FnMut(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|byte| !wanted(*byte));
        let (taken, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        self.rest = &self.rest[usize::from(found)..];
        found
    }
}

/// Optional white space, RFC 9110 section 5.6.3.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// RFC 9110 section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{self, secs};
    use super::*;

    fn parse(lines: &[&str]) -> CacheControl {
        let pairs = lines.iter().map(|line| ("cache-control", *line));
        CacheControl::parse(&testing::headers(pairs))
    }

    fn max_age(line: &str) -> Option<Duration> {
        let control = parse(&[line]);
        assert!(!control.no_store, "{line} was unreadable");
        control.max_age
    }

    #[test]
    fn no_line_says_nothing() {
        assert_eq!(parse(&[]), CacheControl::default());
        assert_eq!(parse(&["", " ", ",", "\t, ,,"]), CacheControl::default());
    }

    #[test]
    fn every_directive_is_known() {
        let line = "no-store, no-cache, private, public, must-revalidate, proxy-revalidate, must-understand, \
                    max-age=1, s-maxage=2, stale-while-revalidate=3, stale-if-error=4";
        let all = CacheControl {
            no_store: true,
            no_cache: true,
            private: true,
            public: true,
            must_revalidate: true,
            proxy_revalidate: true,
            must_understand: true,
            max_age: Some(secs(1)),
            s_maxage: Some(secs(2)),
            stale_while_revalidate: Some(secs(3)),
            stale_if_error: Some(secs(4)),
            is_targeted: false,
        };
        assert_eq!(parse(&[line]), all);
        assert_eq!(parse(&[&line.to_uppercase()]), all);
        assert_eq!(parse(&[&line.replace(", ", ",")]), all);
        assert_eq!(parse(&[&line.replace(", ", " ,\t, ")]), all);
        assert_eq!(parse(&line.split(',').collect::<Vec<_>>()), all);
    }

    #[test]
    fn a_number_is_digits_bare_or_quoted() {
        for (line, seconds) in [
            ("max-age=60", 60),
            ("max-age=\"60\"", 60),
            ("max-age=0060", 60),
            ("max-age=\"6\\0\"", 60),
            ("max-age=\"\\6\\0\"", 60),
            ("max-age=0", 0),
            ("max-age=2147483647", 2_147_483_647),
        ] {
            assert_eq!(max_age(line), Some(secs(seconds)), "{line}");
        }
    }

    #[test]
    fn a_number_over_two_to_the_31_saturates() {
        for digits in ["2147483648", "2147483649", "99999999999", &"9".repeat(500)] {
            let line = format!("max-age={digits}");
            assert_eq!(max_age(&line), Some(secs(1 << 31)), "{line}");
        }
    }

    #[test]
    fn delta_seconds_need_a_digit_and_nothing_else() {
        assert_eq!(delta_seconds(b"07"), Some(secs(7)));
        for text in ["", " ", "-1", "+1", "1 ", "1.0", "x"] {
            assert_eq!(delta_seconds(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_number_is_zero() {
        for value in [
            "",
            "=",
            "=-1",
            "=+60",
            "=60.0",
            "=6e1",
            "=a60",
            "=60a",
            "='60'",
            "=\"\"",
            "=\"-1\"",
            "=\" 60\"",
            "=\"\\6x\"",
            "=\"\\\\\"",
            " =60",
            "= 60",
            " = \"60\"",
            "\t=60",
        ] {
            for name in [
                "max-age",
                "s-maxage",
                "stale-while-revalidate",
                "stale-if-error",
            ] {
                let control = parse(&[&format!("{name}{value}")]);
                let spans = [
                    control.max_age,
                    control.s_maxage,
                    control.stale_while_revalidate,
                    control.stale_if_error,
                ];
                let said: Vec<_> = spans.into_iter().flatten().collect();
                assert_eq!(said, [Duration::ZERO], "{name}{value}");
                assert!(!control.no_store, "{name}{value}");
            }
        }
    }

    #[test]
    fn of_a_number_given_twice_the_smaller_counts() {
        for lines in [
            &["max-age=60, max-age=10"][..],
            &["max-age=10, max-age=60"],
            &["max-age=60", "max-age=10"],
            &["max-age=10", "MAX-AGE=\"60\""],
        ] {
            assert_eq!(parse(lines).max_age, Some(secs(10)), "{lines:?}");
        }
        assert_eq!(max_age("max-age=60, max-age=x"), Some(Duration::ZERO));
        assert_eq!(max_age("max-age, max-age=60"), Some(Duration::ZERO));
    }

    #[test]
    fn a_prohibition_holds_whatever_its_argument() {
        for argument in [
            "",
            "=",
            "=\"set-cookie, x\"",
            "=set-cookie",
            " = \"x\"",
            "=\"\"",
            "=0",
        ] {
            assert!(parse(&[&format!("private{argument}")]).private);
            assert!(parse(&[&format!("no-cache{argument}")]).no_cache);
            assert!(parse(&[&format!("no-store{argument}")]).no_store);
            assert!(parse(&[&format!("must-revalidate{argument}")]).must_revalidate);
        }
    }

    #[test]
    fn a_permission_with_an_argument_is_none() {
        assert!(parse(&["public"]).public);
        assert!(parse(&["public=\"x\", public"]).public);
        assert!(!parse(&["public=1"]).public);
    }

    #[test]
    fn commas_and_names_inside_quotes_are_no_members() {
        for line in [
            "ext=\"no-store, private, max-age=0\", max-age=60",
            "max-age=60, ext=\"a \\\" , no-store\"",
            "ext=\"\\\\\", max-age=60",
        ] {
            let read = CacheControl {
                max_age: Some(secs(60)),
                ..CacheControl::default()
            };
            assert_eq!(parse(&[line]), read, "{line}");
        }
        assert!(parse(&["private=\"set-cookie, x\", max-age=60"]).max_age == Some(secs(60)));
    }

    #[test]
    fn unknown_well_formed_members_are_ignored() {
        let line =
            "immutable, max_age=5, x-no-store, no_store, ext=\"\u{e9}\", a=, b=\"\", nostore";
        assert_eq!(parse(&[line]), CacheControl::default());
    }

    #[test]
    fn a_member_that_cannot_be_read_is_no_store() {
        for line in [
            "private; max-age=60",
            "public; max-age=60",
            "max-age=60;",
            "max-age=60 private",
            "public max-age=60",
            "max-age:60",
            "max-age=60=60",
            "max-age=\"60\"0",
            "max-age=\"60",
            "ext=\"",
            "ext=\"\\\"",
            "\"no-store\"",
            "=60",
            "no\u{2011}store",
            "max-age=6\u{e9}",
            "max-age=60, {private}",
        ] {
            assert!(parse(&[line]).no_store, "{line}");
            assert!(parse(&["max-age=60", line]).no_store, "{line}");
        }
    }

    #[test]
    fn an_unreadable_line_does_not_hide_the_next() {
        let control = parse(&["max-age=\"60", "private, max-age=5"]);
        assert!(control.no_store && control.private);
        assert_eq!(control.max_age, Some(secs(5)));
    }

    /// Whether `after` allows nothing that `before` forbids.
    fn no_looser(before: &CacheControl, after: &CacheControl) -> bool {
        let flags = |control: &CacheControl| {
            [
                control.no_store,
                control.no_cache,
                control.private,
                control.must_revalidate,
                control.proxy_revalidate,
                control.must_understand,
            ]
        };
        let spans = |control: &CacheControl| {
            [
                control.max_age,
                control.s_maxage,
                control.stale_while_revalidate,
                control.stale_if_error,
            ]
        };
        let flags_kept = flags(before)
            .into_iter()
            .zip(flags(after))
            .all(|(b, a)| b <= a);
        let spans_kept = spans(before)
            .into_iter()
            .zip(spans(after))
            .all(|(b, a)| b.is_none_or(|b| a.is_some_and(|a| a <= b)));
        flags_kept && spans_kept
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(headers in testing::header_lists()) {
            CacheControl::parse(&headers);
        }

        #[test]
        fn a_further_line_never_loosens(headers in testing::header_lists(), line in testing::values()) {
            let before = CacheControl::parse(&headers);
            let mut longer = headers;
            longer.append(CACHE_CONTROL, line);
            let after = CacheControl::parse(&longer);
            prop_assert!(no_looser(&before, &after), "{before:?} {after:?}");
        }

        #[test]
        fn neither_case_nor_the_order_of_lines_matters(lines in proptest::collection::vec(testing::values(), 0..5)) {
            let parse = |lines: &mut dyn Iterator<Item = Vec<u8>>| {
                let mut headers = HeaderMap::new();
                for line in lines {
                    headers.append(CACHE_CONTROL, testing::value(line));
                }
                CacheControl::parse(&headers)
            };
            let read = parse(&mut lines.iter().map(|line| line.as_bytes().to_vec()));
            prop_assert_eq!(&read, &parse(&mut lines.iter().rev().map(|line| line.as_bytes().to_vec())));
            prop_assert_eq!(&read, &parse(&mut lines.iter().map(|line| line.as_bytes().to_ascii_uppercase())));
        }

        #[test]
        fn members_joined_on_one_line_are_members_on_several(
            members in proptest::collection::vec(proptest::sample::select(testing::MEMBERS), 0..6),
        ) {
            prop_assert_eq!(parse(&[&members.join(" , ")]), parse(&members));
        }
    }
}

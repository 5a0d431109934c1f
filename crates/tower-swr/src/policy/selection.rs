//! What one request said for the fields of a `Vary` (RFC 9111 section 4.1).

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::header::{COOKIE, HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::cache_control::is_space;
use super::vary::VaryNames;
use crate::far::{Pen, Reader};
use crate::scan;

/// What one request said for the fields of a [`VaryNames`]: whether an answer chosen for it fits another request.
///
/// An absent field and an empty one differ. Of what section 4.1 lets a cache normalise only the harmless part is:
/// several lines are one list, and the white space around its commas is dropped. Case, order and everything else
/// count.
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

    /// The bytes it counts for.
    pub(crate) fn weight(&self) -> usize {
        let values = self.values.iter();
        let lengths = values.map(|value| value.as_ref().map_or(0, |value| value.len()));
        size_of_val(&*self.values) + lengths.sum::<usize>() + self.names.weight()
    }

    pub(crate) fn write(&self, pen: &mut Pen) {
        self.names.write(pen);
        pen.list(&self.values, |pen, value| {
            pen.optional(value.as_deref(), Pen::text);
        });
    }

    /// Takes back what [`Selection::write`] wrote; nothing where it wrote no such thing.
    pub(crate) fn read(reader: &mut Reader) -> Option<Self> {
        let names = VaryNames::read(reader)?;
        let value =
            |reader: &mut Reader| reader.optional(|reader| Some(Box::from(&*reader.text()?)));
        let values = reader.list(value)?;
        (names.iter().count() == values.len()).then(|| Self {
            names,
            values: values.into(),
        })
    }

    /// Whether `request` says the same.
    pub(crate) fn matches(&self, request: &HeaderMap) -> bool {
        let mut pairs = self.names.iter().zip(&*self.values);
        pairs.all(|(name, ours)| ours.as_deref() == Value::of(name, request).as_deref())
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

/// Long enough for what browsers write in odd spacing (`gzip, deflate, br`) without an allocation.
type Joined = SmallVec<[u8; 128]>;

impl<'a> Value<'a> {
    /// What `request` says for the field `name`, if anything.
    ///
    /// Lines of `Cookie` are the pieces into which HTTP/2 clients split one (RFC 9113 section 8.2.3), and its commas
    /// separate nothing.
    pub(super) fn of(name: &HeaderName, request: &'a HeaderMap) -> Option<Self> {
        let lines = request.get_all(name).into_iter();
        let mut lines = lines.map(|line| line.as_bytes().trim_ascii());
        let (first, second) = (lines.next()?, lines.next());
        let is_cookie = *name == COOKIE;
        if second.is_none() {
            let as_it_is = is_cookie || !has_spaced_comma(first);
            return Some(if as_it_is {
                Self::Line(first)
            } else {
                Self::Joined(tight(first))
            });
        }
        let lines = [first].into_iter().chain(second).chain(lines);
        Some(Self::Joined(if is_cookie {
            joined(lines, b"; ")
        } else {
            tight(&joined(lines, b","))
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
    scan::any(line, is_space)
        && line.windows(2).any(|pair| {
            let [left, right] = [pair[0], pair[1]];
            (left == b',' && is_space(right)) || (is_space(left) && right == b',')
        })
}

fn joined<'a>(lines: impl Iterator<Item = &'a [u8]>, separator: &[u8]) -> Joined {
    let mut joined = Joined::new();
    for (position, line) in lines.enumerate() {
        if position > 0 {
            joined.extend_from_slice(separator);
        }
        joined.extend_from_slice(line);
    }
    // An empty last line leaves the separator's: as one line it would not end in white space.
    let len = joined.trim_ascii_end().len();
    joined.truncate(len);
    joined
}

/// `list` without the white space around its commas.
fn tight(list: &[u8]) -> Joined {
    let mut text = Joined::new();
    let mut quotes = Quotes::default();
    for (place, member) in list.split(|byte| quotes.separates(*byte)).enumerate() {
        if place > 0 {
            text.push(b',');
        }
        text.extend_from_slice(member.trim_ascii());
    }
    text
}

/// Where a list stands while it is read. Inside a quoted string (RFC 9110 section 5.6.4) commas and white space are
/// somebody's data: to drop a space there would take two different requests for the same.
#[derive(Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Whether `byte`, the next one, is a comma between two members.
    fn separates(&mut self, byte: u8) -> bool {
        if self.open {
            self.open = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
            return false;
        }
        self.open = byte == b'"';
        byte == b','
    }
}

#[cfg(test)]
mod tests {
    use http::header::VARY;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::testing;
    use super::*;

    fn names(line: &'static str) -> VaryNames {
        let response = testing::headers([("vary", line)]);
        VaryNames::parse(&response, &[]).expect("the test writes names only")
    }

    fn request(name: &'static str, lines: &[&str]) -> HeaderMap {
        testing::headers(lines.iter().map(|line| (name, *line)))
    }

    /// Whether two requests that differ in the lines of one field get the same answer, asked in both ways.
    fn alike(name: &'static str, some: &[&str], others: &[&str]) -> bool {
        let (some, others) = (request(name, some), request(name, others));
        let matches = Selection::of(names(name), &some).matches(&others);
        assert_eq!(matches, Selection::of(names(name), &others).matches(&some));
        assert_eq!(
            matches,
            written(&names(name), &some) == written(&names(name), &others)
        );
        matches
    }

    fn written(names: &VaryNames, request: &HeaderMap) -> Vec<u8> {
        let mut key = Vec::new();
        names.write_selection(request, |piece| {
            key.extend_from_slice(&piece.len().to_le_bytes());
            key.extend_from_slice(piece);
        });
        key
    }

    #[test]
    fn lines_are_one_list_and_white_space_around_its_commas_is_nothing() {
        let list: &[&str] = &["gzip, br"];
        for lines in [
            &["gzip,br"][..],
            &["gzip ,\tbr"],
            &["  gzip  ,  br  "],
            &["gzip", "br"],
            &["gzip ", " br"],
        ] {
            assert!(alike("accept-encoding", list, lines), "{lines:?}");
        }
    }

    #[test]
    fn everything_else_counts() {
        let list: &[&str] = &["gzip, br"];
        for lines in [
            &["br, gzip"][..],
            &["GZIP, br"],
            &["gzip br"],
            &["gz ip, br"],
            &["gzip,, br"],
            &["gzip, br,"],
            &["gzip, br", ""],
            &["gzip", "br", "x"],
            &["gzip;br"],
            &[""],
            &[],
        ] {
            assert!(!alike("accept-encoding", list, lines), "{lines:?}");
        }
        assert!(!alike("accept", &["a  b"], &["a b"]));
    }

    #[test]
    fn absent_and_empty_differ() {
        assert!(!alike("accept", &[], &[""]));
        assert!(alike("accept", &[], &[]));
        assert!(alike("accept", &[""], &[" "]));
        assert!(!alike("accept", &[""], &["", ""]));
    }

    #[test]
    fn white_space_inside_quotes_counts() {
        assert!(!alike("x", &["a=\"1, 2\""], &["a=\"1,2\""]));
        assert!(!alike("x", &["a=\"\\\", 2\""], &["a=\"\\\",2\""]));
        assert!(alike("x", &["a=\"1, 2\" , b"], &["a=\"1, 2\",b"]));
        assert!(alike("x", &["a=\"\\\\\" , b"], &["a=\"\\\\\",b"]));
        assert!(!alike("x", &["a=\"1 , b"], &["a=\"1,b"]));
    }

    #[test]
    fn cookie_lines_are_the_crumbs_of_one_and_its_commas_are_data() {
        assert!(alike("cookie", &["a=1", "b=2"], &["a=1; b=2"]));
        assert!(!alike("cookie", &["a=1", "b=2"], &["a=1,b=2"]));
        assert!(!alike("cookie", &["a=1, b"], &["a=1,b"]));
        assert!(!alike("cookie", &["a=1, b", "c"], &["a=1,b", "c"]));
    }

    #[test]
    fn fields_that_are_not_named_do_not_count() {
        let some = testing::headers([("accept", "a"), ("x", "1")]);
        let other = testing::headers([("accept", "a"), ("x", "2")]);
        assert!(Selection::of(names("accept"), &some).matches(&other));
        assert!(!Selection::of(names("accept, x"), &some).matches(&other));
        assert!(Selection::of(names(""), &some).matches(&HeaderMap::new()));
        assert_eq!(
            Selection::of(names("x, accept"), &some).names,
            names("accept, x")
        );
    }

    #[test]
    fn a_value_that_moves_between_fields_is_another_selection() {
        let some = testing::headers([("a", "1"), ("b", "")]);
        let other = testing::headers([("a", ""), ("b", "1")]);
        assert!(!Selection::of(names("a, b"), &some).matches(&other));
        assert_ne!(
            written(&names("a, b"), &some),
            written(&names("a, b"), &other)
        );
    }

    #[test]
    fn a_line_in_normal_form_is_not_copied_and_a_browsers_list_needs_no_allocation() {
        let spaced = "gzip, deflate, br, zstd";
        let long = "a,".repeat(1000);
        let request = testing::headers([
            ("accept", &*long),
            ("accept-encoding", spaced),
            ("cookie", "a=1, b"),
        ]);
        let value = |name| Value::of(&HeaderName::from_static(name), &request);
        assert!(matches!(value("accept"), Some(Value::Line(_))));
        assert!(matches!(value("cookie"), Some(Value::Line(_))));
        assert!(
            matches!(value("accept-encoding"), Some(Value::Joined(joined)) if !joined.spilled())
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let request = request("cookie", &["session=secret"]);
        let shown = format!("{:?}", Selection::of(names("cookie"), &request));
        assert!(
            shown.contains("cookie") && !shown.contains("secret"),
            "{shown}"
        );
    }

    /// Requests out of so few values that two are often alike.
    fn requests() -> impl Strategy<Value = HeaderMap> {
        let field = select(&["accept", "x", "cookie"][..]);
        let line = vec(select(&["a", "b", ",", " ", "\"", "\\"][..]), 0..4);
        let lines = vec((field, line.prop_map(|pieces| pieces.concat())), 0..4);
        lines.prop_map(|lines| testing::headers(lines.iter().map(|(name, line)| (*name, &**line))))
    }

    proptest! {
        #[test]
        fn a_request_matches_its_own_selection(request in testing::header_lists()) {
            if let Ok(names) = VaryNames::parse(&request, &[]) {
                prop_assert!(Selection::of(names, &request).matches(&request));
            }
            let all = names("accept, accept-encoding, cookie, cache-control");
            prop_assert!(Selection::of(all, &request).matches(&request));
        }

        #[test]
        fn requests_write_the_same_exactly_if_they_match(some in requests(), other in requests()) {
            let all = names("accept, x, cookie");
            let same = written(&all, &some) == written(&all, &other);
            prop_assert_eq!(same, Selection::of(all.clone(), &some).matches(&other));
            prop_assert_eq!(same, Selection::of(all, &other).matches(&some));
        }

        #[test]
        fn the_normal_form_is_its_own_normal_form(request in requests()) {
            let all = names("accept, x, cookie");
            let mut normal = HeaderMap::new();
            for name in all.iter() {
                if let Some(value) = Value::of(name, &request) {
                    normal.insert(name, testing::value(&*value));
                }
            }
            prop_assert!(Selection::of(all, &request).matches(&normal));
        }

        #[test]
        fn a_list_is_the_same_on_one_line_and_on_many(members in vec("[a-z]{0,3}(;q=0\\.[0-9])?", 1..6)) {
            let mut lines = HeaderMap::new();
            for member in &members {
                lines.append(VARY, testing::value(member));
            }
            let mut line = HeaderMap::new();
            line.append(VARY, testing::value(members.join(" , ")));
            prop_assert!(Selection::of(names("vary"), &lines).matches(&line));
        }
    }
}

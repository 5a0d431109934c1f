use proptest::prelude::*;

use super::*;

/// What an answer says that has these lines of the field.
fn said(lines: &[&str]) -> Option<Variation> {
    let mut fields = HeaderMap::new();
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).expect("a value");
        fields.append(NO_VARY_SEARCH, value);
    }
    Variation::of(&fields)
}

fn of(line: &str) -> Variation {
    said(&[line]).unwrap_or_else(|| panic!("{line} says something"))
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn all_but(names: &[&str]) -> Counted {
    Counted::AllBut(strings(names))
}

fn only(names: &[&str]) -> Counted {
    Counted::Only(strings(names))
}

fn are_equivalent(line: &str, one: &str, other: &str) -> bool {
    let variation = of(line);
    let query = |text: &str| text.strip_prefix('?').map(str::to_owned);
    let canonical = |text: &str| variation.canonical(query(text).as_deref());
    canonical(one) == canonical(other)
}

/// The first table of section 5.2.1.
#[test]
fn what_the_draft_shows_is_read_as_it_says() {
    for (line, counted, is_ordered) in [
        ("key-order", all_but(&[]), false),
        ("params=(\"a\")", all_but(&["a"]), true),
        ("except=(\"x\")", only(&["x"]), true),
        ("except=()", only(&[]), true),
    ] {
        let variation = of(line);
        assert_eq!(variation.counted, counted, "{line}");
        assert_eq!(variation.is_ordered, is_ordered, "{line}");
    }
    assert_eq!(said(&["params=()"]), None, "that is what is so without it");
}

/// The second table of section 5.2.1.
#[test]
fn what_the_draft_calls_invalid_says_nothing() {
    for line in [
        "key-order=\"not a boolean\"",
        "params=\"not an inner list\"",
        "params=(not-a-string)",
        "params=?0",
        "params=?1",
        "params=?1, except=(\"x\")",
        "params=(\"a\"), except=(\"x\")",
        "params=(), except=()",
        "except=\"not an inner list\"",
        "except=(not-a-string)",
        "except=?1",
    ] {
        assert_eq!(said(&[line]), None, "{line}");
    }
}

/// The third table of section 5.2.1.
#[test]
fn what_the_draft_calls_unconventional_is_read() {
    assert_eq!(of("key-order=?1"), of("key-order"));
    let conventional = of("key-order, except=(\"x\")");
    assert_eq!(of("except=(\"x\"), key-order"), conventional);
    assert_eq!(said(&["params=()"]), None);
    assert_eq!(said(&["key-order=?0"]), None);
}

/// The tables of the web platform tests and of browsers were written for earlier drafts, whose `params` could be a boolean
/// beside `except`: those spellings are invalid now, and the query counts.
#[test]
fn spellings_of_earlier_drafts_say_nothing() {
    for line in [
        "params",
        "params, except=(\"productId\")",
        "params=?1, key-order",
        "params;unknown",
        "params, except=()",
        "unknown-key",
        "key-order=?1;a, params=(\"a\" b)",
        "params=(\"a\" 1)",
        "except=(\"a\" ())",
        "key-order=()",
        "key-order=1",
    ] {
        assert_eq!(said(&[line]), None, "{line}");
    }
}

#[test]
fn lines_are_one_dictionary_and_what_is_unknown_is_ignored() {
    assert_eq!(said(&[]), None);
    assert_eq!(
        said(&["params=(\"a\")", "params=(\"b\")"]),
        Some(of("params=(\"b\")"))
    );
    assert_eq!(said(&["params=(\"a\")", "except=(\"b\")"]), None);
    assert_eq!(
        of("params=(\"a\"), color=red, size=(1 2)"),
        of("params=(\"a\")")
    );
    assert_eq!(
        of("params=(\"a\";x \"b\");y"),
        of("params=(\"b\" \"a\" \"b\")")
    );
    assert_eq!(of("key-order;x=1"), of("key-order"));
    for broken in [
        "",
        " ",
        "params=(\"a\"",
        "params=(\"a\"),",
        "Params=(\"a\")",
        "\u{e9}",
        "key-order,,",
    ] {
        assert_eq!(said(&[broken]), None, "{broken:?}");
    }
    let long = format!("params=(\"{}\")", "a".repeat(LONGEST));
    assert_eq!(said(&[&long]), None);
}

/// Section 5.3.1.
#[test]
fn names_are_read_as_those_of_queries_are() {
    let line = "params=(\"%C3%A9+%E6%B0%97\")";
    assert_eq!(of(line).counted, all_but(&["é 気"]));
    for query in [
        "?%C3%A9%20%E6%B0%97=3",
        "?%C3%A9+%E6%B0%97=4",
        "?é+気=2",
        "?é%20気=1",
    ] {
        assert!(are_equivalent(line, query, ""), "{query}");
    }
    assert!(
        !are_equivalent(line, "?e%CC%81+%E6%B0%97=4", ""),
        "no normalisation"
    );
    assert_eq!(of("params=(\"%f6\")"), of("params=(\"%ef%bf%bd\")"));
    assert_eq!(
        of("params=(\"%\" \"%4\" \"%zz\")").counted,
        all_but(&["%", "%4", "%zz"])
    );
}

/// Section 6.1.
#[test]
fn the_drafts_examples_are_equivalent() {
    for (one, other) in [
        ("", "?"),
        ("?a=x", "?%61=%78"),
        ("?a=é", "?a=%C3%A9"),
        ("?a=%f6", "?a=%ef%bf%bd"),
        ("?a=x&&&&", "?a=x"),
        ("?a=", "?a"),
        ("?a=%20", "?a= &"),
        ("?a=+", "?a= &"),
        ("?b=1&a=2", "?a=2&b=1"),
    ] {
        assert!(are_equivalent("key-order", one, other), "{one} {other}");
    }
    for (one, other) in [
        ("?a=%C3%A9", "?a=e%CC%81"),
        ("?a=1&a=2", "?a=2&a=1"),
        ("?a=1", "?a=1&a=1"),
        ("?a=1", "?A=1"),
        ("?a=b%26c", "?a=b&c"),
        ("?a%3Db", "?a=b"),
        ("?%EF%BB%BFa", "?a"),
    ] {
        assert!(!are_equivalent("key-order", one, other), "{one} {other}");
    }
}

/// After the table of the web platform's `no-vary-search` tests, in today's spelling.
#[test]
fn urls_match_as_browsers_have_it() {
    for (line, one, other, expected) in [
        ("params=(\"a\")", "", "?a=2", true),
        ("params=(\"a\")", "?a=2&b=3", "?b=3", true),
        ("params=(\"a\")", "?a=2", "?b=3", false),
        ("params=(\"a\" \"b\")", "?a=3&b=4&c=5", "?c=5&a=8&b=9", true),
        ("params=(\"a\")", "?a=2&b=3&c=4", "?c=4&b=3", false),
        ("except=()", "?a=2&b=3", "", true),
        ("except=(\"a\" \"b\")", "?a=2&b=3&c=4", "?a=2&b=3&d=5", true),
        ("except=(\"a\" \"b\")", "?a=2&b=3", "?b=3&a=2", false),
        (
            "key-order, except=(\"a\" \"b\")",
            "?a=2&b=3",
            "?b=3&c=1&a=2",
            true,
        ),
        ("key-order", "?a=1&b=2&c=3", "?c=3&b=2&a=1", true),
        ("key-order", "?a=1&b=2&c=3", "?c=3&b=2", false),
        (
            "key-order, params=(\"c\")",
            "?c=9&b=2&a=1",
            "?a=1&b=2",
            true,
        ),
        ("key-order", "?a=1&b=2&a=3", "?b=2&a=1&a=3", true),
        ("key-order", "?a=1&b=2&a=3", "?b=2&a=3&a=1", false),
    ] {
        assert_eq!(
            are_equivalent(line, one, other),
            expected,
            "{line} {one} {other}"
        );
    }
}

#[test]
fn under_another_variation_nothing_is_the_same() {
    let lines = [
        "key-order",
        "params=(\"a\")",
        "params=(\"b\")",
        "except=(\"a\")",
        "except=()",
    ];
    let mut forms: Vec<_> = lines.iter().map(|line| of(line).canonical(None)).collect();
    forms.sort_unstable();
    forms.dedup();
    assert_eq!(forms.len(), lines.len());
}

#[test]
fn queries_beyond_all_measure_are_read() {
    let many: String = (0..20_000).map(|number| format!("{number}&")).collect();
    let percents = "%".repeat(60_000);
    let long = format!("id=1&u={}", "x".repeat(60_000));
    for line in ["key-order", "params=(\"u\")", "except=(\"id\")"] {
        for query in [&many, &percents, &long] {
            of(line).canonical(Some(query));
        }
    }
    assert!(are_equivalent(
        "except=(\"id\")",
        &format!("?{long}"),
        "?id=1"
    ));
}

/// What is written for it, in the spelling that is conventional.
fn written(variation: &Variation) -> String {
    let list = |names: &[String]| {
        let escaped = names.iter().map(|name| {
            let bytes = name.bytes().map(|byte| format!("%{byte:02x}"));
            format!("\"{}\"", bytes.collect::<String>())
        });
        escaped.collect::<Vec<_>>().join(" ")
    };
    let counted = match &variation.counted {
        Counted::AllBut(names) => format!("params=({})", list(names)),
        Counted::Only(names) => format!("except=({})", list(names)),
    };
    match variation.is_ordered {
        true => counted,
        false => format!("key-order, {counted}"),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        names in prop::collection::btree_set("\\PC{0,5}", 0..5),
        is_only: bool,
        is_ordered: bool,
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let counted = if is_only { Counted::Only(names) } else { Counted::AllBut(names) };
        let variation = Variation::new(counted, is_ordered);
        let text = variation.as_ref().map_or("params=()".to_owned(), written);
        prop_assert_eq!(said(&[&text]), variation);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..3),
        query in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut fields = HeaderMap::new();
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                fields.append(NO_VARY_SEARCH, value);
            }
        }
        Variation::of(&fields);
        let query = String::from_utf8_lossy(&query);
        of("key-order, params=(\"a\")").canonical(Some(&query));
    }

    #[test]
    fn almost_dictionaries_are_read_without_panic(line in "(key-order|params|except|=|\\(|\\)|\"a\"|\\?1|,| |;){0,12}") {
        said(&[&line]);
    }
}

//! Conditions and ranges over an answer of ten bytes (RFC 9110 sections 13 and 14).

use http::{HeaderMap, Method};

use super::dates;
use super::lists::{combined, ows, split};
use super::rfc::Made;
use crate::house::Answer;

/// The body of every answer.
pub(crate) const BODY: &str = "0123456789";

/// What is wrong with the status and body of `answer`, made of `made`.
pub(crate) fn wrong(
    made: &Made,
    method: &Method,
    request: &HeaderMap,
    answer: &Answer,
) -> Option<&'static str> {
    let status = answer.status.as_u16();
    if status == made.status {
        return same(made, method, request, answer);
    }
    if !(200..300).contains(&made.status) {
        return Some("only what succeeded is put under conditions: RFC 9110 section 13.2.1");
    }
    match status {
        304 => not_modified(made, request, answer),
        412 if is_failed(made, request) => None,
        412 => Some("no condition fails: RFC 9110 section 13.1.1"),
        206 => partial(made, method, request, answer),
        416 => unsatisfiable(request, answer),
        _ => Some("a status that nobody gave"),
    }
}

fn same(
    made: &Made,
    method: &Method,
    request: &HeaderMap,
    answer: &Answer,
) -> Option<&'static str> {
    let whole = if method == Method::HEAD || [204, 304].contains(&made.status) {
        ""
    } else {
        BODY
    };
    if made.method == Method::GET && answer.body.as_deref() != Ok(whole) {
        return Some("a body that is not whole: RFC 9111 section 3.3");
    }
    let is_kept = ["HIT", "STALE"].contains(&answer.x_cache()) && (200..300).contains(&made.status);
    if is_kept && !request.contains_key("if-match") && !request.contains_key("if-unmodified-since")
    {
        let tag = tag(&made.fields);
        let listed = combined(request, "if-none-match");
        let is_listed = |text: String| tags(&text).is_some_and(|tags| tags.contains(&opaque(&tag)));
        if !tag.is_empty() && listed.is_some_and(is_listed) {
            return Some("If-None-Match matches: RFC 9111 section 4.3.2");
        }
    }
    None
}

fn not_modified(made: &Made, request: &HeaderMap, answer: &Answer) -> Option<&'static str> {
    if answer.body.as_deref() != Ok("") {
        return Some("a 304 with a body: RFC 9110 section 15.4.5");
    }
    let says = [
        "cache-control",
        "content-location",
        "date",
        "etag",
        "expires",
        "vary",
    ];
    let is_missing =
        |name: &&str| made.fields.contains_key(*name) && !answer.fields.contains_key(*name);
    if says.iter().any(is_missing) {
        return Some("a field that a 200 would have is missing: RFC 9110 section 15.4.5");
    }
    let good = match combined(request, "if-none-match") {
        Some(listed) => {
            let tag = tag(&made.fields);
            ows(&listed) == "*" || (!tag.is_empty() && listed.contains(&opaque(&tag)))
        }
        None => {
            let since = combined(request, "if-modified-since").and_then(|text| dates::parse(&text));
            since.is_some_and(|since| changed(made) <= since)
        }
    };
    (!good).then_some("no condition holds: RFC 9110 section 13.1.2, 13.1.3")
}

fn is_failed(made: &Made, request: &HeaderMap) -> bool {
    let tag = tag(&made.fields);
    match combined(request, "if-match") {
        Some(listed) if ows(&listed) == "*" => false,
        Some(listed) => {
            let members = split(&listed, ',').0;
            tag.is_empty() || !tag.starts_with('"') || !members.contains(&tag)
        }
        None => {
            let since =
                combined(request, "if-unmodified-since").and_then(|text| dates::parse(&text));
            since.is_some_and(|since| changed(made) > since)
        }
    }
}

fn partial(
    made: &Made,
    method: &Method,
    request: &HeaderMap,
    answer: &Answer,
) -> Option<&'static str> {
    let range = combined(request, "range");
    let parts = range.and_then(|text| parts(&text)).unwrap_or_default();
    if parts.is_empty() || method != Method::GET || made.status != 200 {
        return Some("no part was asked for: RFC 9110 section 14.2");
    }
    if !combined(request, "if-range").is_none_or(|text| is_same(made, &text)) {
        return Some("a part of another answer: RFC 9110 section 13.1.5");
    }
    if answer
        .field("content-type")
        .starts_with("multipart/byteranges")
    {
        return (parts.len() < 2)
            .then_some("one part needs no multipart: RFC 9110 section 15.3.7.2");
    }
    let said = answer.field("content-range");
    let mut expected = parts.iter().map(|(first, last)| {
        let slice = &BODY[*first..=*last];
        said == format!("bytes {first}-{last}/{}", BODY.len())
            && answer.body.as_deref() == Ok(slice)
    });
    // Parts that meet may be given as one, and a single line says which.
    let good = if parts.len() == 1 {
        expected.any(|is| is)
    } else {
        said.starts_with("bytes ")
    };
    (!good).then_some("not the part that was asked for: RFC 9110 section 14.4")
}

fn unsatisfiable(request: &HeaderMap, answer: &Answer) -> Option<&'static str> {
    let range = combined(request, "range");
    let given = range
        .and_then(|text| parts(&text))
        .is_some_and(|parts| !parts.is_empty());
    if given || !request.contains_key("range") {
        return Some("there is such a part: RFC 9110 section 15.5.17");
    }
    let said = answer.field("content-range");
    (said != "bytes */10").then_some("a 416 says the length: RFC 9110 section 14.4")
}

/// The first and last byte of each part that is there; nothing for what is no range of bytes.
fn parts(text: &str) -> Option<Vec<(usize, usize)>> {
    let (unit, listed) = text.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut found = Vec::new();
    for spec in listed.split(',').map(ows).filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(first) || !digits(last) || (first.is_empty() && last.is_empty()) {
            return None;
        }
        let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
        let end = BODY.len() - 1;
        let part = match (first.is_empty(), last.is_empty()) {
            (true, _) if number(last) == 0 => continue,
            (true, _) => (BODY.len().saturating_sub(number(last)), end),
            (false, true) => (number(first), end),
            (false, false) if number(last) < number(first) => return None,
            (false, false) => (number(first), number(last).min(end)),
        };
        if part.0 <= end {
            found.push(part);
        }
    }
    Some(found)
}

/// RFC 9110 section 13.1.5: by a strong tag or a strong date.
fn is_same(made: &Made, text: &str) -> bool {
    let by_tag = text.starts_with('"') && text == tag(&made.fields);
    let modified = combined(&made.fields, "last-modified").and_then(|text| dates::parse(&text));
    let by_date =
        modified.is_some() && modified == dates::parse(text) && changed(made) < made.date();
    by_tag || by_date
}

fn changed(made: &Made) -> i64 {
    let modified = combined(&made.fields, "last-modified").and_then(|text| dates::parse(&text));
    modified.unwrap_or_else(|| made.date())
}

fn tag(fields: &HeaderMap) -> String {
    combined(fields, "etag").unwrap_or_default()
}

fn opaque(tag: &str) -> String {
    tag.strip_prefix("W/").unwrap_or(tag).to_owned()
}

/// The opaque parts of a well-formed list of tags.
fn tags(text: &str) -> Option<Vec<String>> {
    let members = text.split(',').map(ows).filter(|member| !member.is_empty());
    let opaques = members.map(|member| {
        let tag = opaque(member);
        let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let good =
            inner.is_some_and(|inner| inner.chars().all(|c| c.is_ascii_graphic() && c != '"'));
        good.then_some(tag)
    });
    opaques.collect()
}

use std::collections::HashSet;

use http::HeaderMap;

use crate::{Answer, Input};

/// What must hold of every answer: its body is whole, or the part that it says it is.
///
/// # Panics
///
/// Where it does not: that is the fuzzer's finding.
pub fn check(answer: &Answer, whole: &str) {
    let body = answer.body.as_ref().expect("no body breaks here");
    match answer.status.as_u16() {
        200 => assert_eq!(body, whole, "{answer:?}"),
        206 => check_part(answer, whole),
        304 | 412 => assert!(body.is_empty() || answer.status == 412, "{answer:?}"),
        416 => assert_eq!(
            answer.fields["content-range"],
            format!("bytes */{}", whole.len())
        ),
        // Problems of the layer's own: only-if-cached.
        status => assert_eq!(status, 504, "{answer:?}"),
    }
}

fn check_part(answer: &Answer, whole: &str) {
    let body = answer.body.as_ref().expect("no body breaks here");
    let Some(said) = answer.fields.get("content-range") else {
        let kind = answer.fields["content-type"].as_bytes();
        assert!(kind.starts_with(b"multipart/byteranges"), "{answer:?}");
        return;
    };
    let said = said.to_str().expect("text");
    let (part, length) = said
        .strip_prefix("bytes ")
        .and_then(|said| said.split_once('/'))
        .expect("a part");
    let (first, last) = part.split_once('-').expect("a part");
    let number = |text: &str| text.parse::<usize>().expect("a number");
    assert_eq!(number(length), whole.len(), "{answer:?}");
    assert_eq!(body, &whole[number(first)..=number(last)], "{answer:?}");
}

/// Whether an answer with these fields is one client's alone, in words so plain that nobody can read them otherwise.
pub fn is_one_clients(fields: &HeaderMap) -> bool {
    let lines: Vec<&[u8]> = fields
        .get_all("cache-control")
        .iter()
        .map(|line| line.as_bytes())
        .collect();
    let text = String::from_utf8_lossy(&lines.join(&b',')).to_ascii_lowercase();
    let is_plain = !text.contains(['"', '\\']) && !text.contains("must-understand");
    let mut members = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    let says = members.any(|member| ["no-store", "private", "no-cache"].contains(&member));
    (is_plain && says) || fields.contains_key("set-cookie")
}

/// What is one client's is given to one client.
pub(crate) fn alone(input: &Input, answers: &[Answer]) {
    // A targeted field may say otherwise, and then it is right.
    if !is_one_clients(&input.answer) || input.answer.contains_key("cdn-cache-control") {
        return;
    }
    let mut given = HashSet::new();
    for call in answers.iter().filter_map(Answer::call) {
        assert!(
            given.insert(call),
            "call {call} is given twice: {answers:#?}"
        );
    }
}

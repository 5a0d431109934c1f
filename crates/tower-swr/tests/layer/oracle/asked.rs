//! What a request says that it will take (RFC 9111 section 5.2.1), where that counts.

use http::HeaderMap;

use super::lists::{Directives, combined};
use super::rfc::{Kind, Made};

/// Why what is kept may not be given to a request with these fields at that time.
pub(crate) fn forbids(made: &Made, request: &HeaderMap, now: u64, failing: bool) -> Option<String> {
    let text = combined(request, "cache-control");
    let said = Directives::parse(text.as_deref().unwrap_or_default());
    // What is odd in a request is anybody's guess: it is taken as no word at all.
    // And these are wishes, which a cache need not keep where the origin fails (RFC 5861 section 4).
    let heeded = made.kind == Kind::Proxy && !failing && !is_odd(&said);
    let wanted = heeded.then_some(&said);
    let lifetime = made.lifetime();
    let age = made.age(now);
    if let Some(said) = wanted {
        let pragma = combined(request, "pragma").is_some_and(|text| text == "no-cache");
        if said.has("no-cache") || (text.is_none() && pragma) {
            return Some("no-cache: RFC 9111 section 5.2.1.4".to_owned());
        }
        if said.seconds("max-age").is_some_and(|most| age > most) {
            return Some("max-age: RFC 9111 section 5.2.1.1".to_owned());
        }
        let left = lifetime.most.saturating_sub(age);
        if said.seconds("min-fresh").is_some_and(|least| left < least) {
            return Some("min-fresh: RFC 9111 section 5.2.1.3".to_owned());
        }
        if said.has("max-age") && !said.has("max-stale") && age >= lifetime.most {
            return Some("max-age without max-stale: RFC 9111 section 5.2.1.1".to_owned());
        }
    }
    if age < lifetime.most {
        return None;
    }
    let asked = max_stale(&said).filter(|_| made.kind == Kind::Proxy && !made.forbids_stale());
    let (stale, window) = (age - lifetime.most, made.window(failing));
    let is_allowed = (stale <= window && window > 0) || asked.is_some_and(|most| stale <= most);
    (!is_allowed).then(|| {
        format!(
            "stale for {stale} s, at most {window} s allowed ({lifetime:?}): RFC 9111 section 4.2.4"
        )
    })
}

/// Section 5.2.1.2: without a number, however stale.
fn max_stale(said: &Directives) -> Option<u64> {
    let spans = said.all("max-stale").map(|argument| match argument {
        None => u64::MAX,
        Some(_) => said.seconds("max-stale").unwrap_or(0),
    });
    spans.max()
}

fn is_odd(said: &Directives) -> bool {
    let names: Vec<&str> = said
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    let twice = (0..names.len()).any(|place| names[..place].contains(&names[place]));
    let numbered = ["max-age", "min-fresh", "max-stale"];
    let odd = said.members.iter().any(|member| match &member.argument {
        Some(argument) => {
            !numbered.contains(&member.name.as_str()) || argument.parse::<u32>().is_err()
        }
        None => ["max-age", "min-fresh"].contains(&member.name.as_str()),
    });
    said.broken || twice || odd
}

//! `Via`: the proxies that a message has come through (RFC 9110 section 7.6.3).

use std::hash::{BuildHasher as _, RandomState};

use http::header::{HeaderMap, HeaderValue, VIA};
use http::{Response, Version};

/// What this proxy calls itself: a name for people, and a number of this run, by which a request that comes back is told
/// from one that another proxy of the same name sent.
///
/// The number is part of the name and no comment, since everybody may leave comments out, and a loop would go on.
#[derive(Debug)]
pub(crate) struct Pseudonym {
    name: String,
    /// The whole value, for a message that was received over HTTP/1.0, HTTP/1.1 and HTTP/2.
    values: [HeaderValue; 3],
}

impl Pseudonym {
    /// A pseudonym of this run that begins with `name`, for which [`is_pseudonym`] holds.
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("{name}-{:08x}", number_of_this_run());
        let values = ["1.0", "1.1", "2"].map(|version| {
            HeaderValue::try_from(format!("{version} {name}"))
                .expect("letters, digits, spaces and -_. make a value")
        });
        Self { name, values }
    }

    /// Whether the message has been here before.
    pub(crate) fn is_named(&self, fields: &HeaderMap) -> bool {
        let lines = fields.get_all(VIA).into_iter();
        let mut members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        members.any(|member| {
            let mut words = member.split(u8::is_ascii_whitespace);
            let mut words = words.by_ref().filter(|word| !word.is_empty());
            let received_by = words.nth(1);
            received_by.is_some_and(|by| by.eq_ignore_ascii_case(self.name.as_bytes()))
        })
    }

    /// Adds this proxy to a message that was received over `version`.
    pub(crate) fn append(&self, fields: &mut HeaderMap, version: Version) {
        let [old, usual, new] = &self.values;
        let value = match version {
            Version::HTTP_09 | Version::HTTP_10 => old,
            Version::HTTP_2 => new,
            _ => usual,
        };
        fields.append(VIA, value.clone());
    }

    /// Adds this proxy to an answer.
    pub(crate) fn append_to<B>(&self, response: &mut Response<B>) {
        let version = response.version();
        self.append(response.headers_mut(), version);
    }
}

/// Whether `name` can be part of a `Via`: a token, of characters that need no care elsewhere either.
pub(crate) fn is_pseudonym(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

#[allow(
    clippy::disallowed_methods,
    reason = "two runs must not have the same number, and nothing else depends on it"
)]
fn number_of_this_run() -> u32 {
    // The standard library keys its hashes with random numbers of the system.
    (RandomState::new().hash_one(()) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_knows_itself_and_no_namesake() {
        let (this, namesake) = (Pseudonym::new("edge"), Pseudonym::new("edge"));
        let mut fields = HeaderMap::new();
        namesake.append(&mut fields, Version::HTTP_11);
        assert!(!this.is_named(&fields));
        this.append(&mut fields, Version::HTTP_2);
        assert!(this.is_named(&fields));
    }

    #[test]
    fn it_finds_itself_in_lists_as_others_write_them() {
        let this = Pseudonym::new("edge");
        let mut fields = HeaderMap::new();
        let list = format!(
            "HTTP/1.1  one (a, b) ,\t1.1 {} (c)",
            this.name.to_uppercase()
        );
        fields.insert(VIA, HeaderValue::try_from(list).expect("a value"));
        assert!(this.is_named(&fields));
        fields.insert(VIA, HeaderValue::try_from(&this.name).expect("a value"));
        assert!(!this.is_named(&fields), "the first word is the protocol");
    }
}

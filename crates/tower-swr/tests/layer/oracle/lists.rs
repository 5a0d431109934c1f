//! Fields as lists (RFC 9110 section 5.6), and what the members of `Cache-Control` say.

use http::HeaderMap;

/// All lines of a field as one, as RFC 9110 section 5.2 combines them. Bytes that are no text are read as letters that
/// no token has.
pub(crate) fn combined(fields: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<String> = (fields.get_all(name).iter())
        .map(|line| {
            line.as_bytes()
                .iter()
                .map(|byte| char::from(*byte))
                .collect()
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

pub(crate) fn is_token(text: &str) -> bool {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(of_token)
}

/// Splits at `separator`, but not within quotes; the last says whether all quotes are closed.
pub(crate) fn split(text: &str, separator: char) -> (Vec<String>, bool) {
    let (mut members, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        if c == separator && !quoted {
            members.push(String::new());
            continue;
        }
        match (quoted, escaped, c) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (_, false, '"') => quoted = !quoted,
            _ => {}
        }
        members.last_mut().expect("there is one").push(c);
    }
    let members = members.iter().map(|member| ows(member).to_owned());
    (
        members.filter(|member| !member.is_empty()).collect(),
        !quoted,
    )
}

pub(crate) fn ows(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// One member of `Cache-Control`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Directive {
    pub(crate) name: String,
    pub(crate) argument: Option<String>,
}

/// What a `Cache-Control` says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directives {
    pub(crate) members: Vec<Directive>,
    /// Something in it is no directive at all; of such a field nothing is expected, but what it forbids is forbidden.
    pub(crate) broken: bool,
    /// A pair of a backslash and what it quotes is in it: nobody writes that, and to read it as no number is cautious.
    pub(crate) escaped: bool,
}

impl Directives {
    /// `#cache-directive`, where a directive is `token [ "=" ( token / quoted-string ) ]` (RFC 9111 section 5.2).
    pub(crate) fn parse(text: &str) -> Self {
        let (members, closed) = split(text, ',');
        let mut parsed = Self {
            members: Vec::new(),
            broken: !closed,
            escaped: text.contains('\\'),
        };
        for member in members {
            match directive(&member) {
                Some(directive) => parsed.members.push(directive),
                None => parsed.broken = true,
            }
        }
        if parsed.broken {
            // Where the quotes cannot be told, what stands between commas may have been meant.
            let plain = text.split(',').filter_map(|member| directive(ows(member)));
            parsed
                .members
                .extend(plain.filter(|member| member.argument.is_none()));
        }
        parsed
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Whether it is there without naming fields, which would limit it to these.
    pub(crate) fn has_whole(&self, name: &str) -> bool {
        self.all(name)
            .any(|argument| argument.is_none_or(|named| field_names(named).is_none()))
    }

    /// The fields that `name="…"` is limited to.
    pub(crate) fn fields_of(&self, name: &str) -> Vec<String> {
        let named = self.all(name).flatten().filter_map(field_names);
        named.flatten().collect()
    }

    /// The seconds of `name`. Of several the first counts, or the answer is stale (RFC 9111 section 4.2.1); what is no
    /// number is none.
    pub(crate) fn seconds(&self, name: &str) -> Option<u64> {
        let first = self.all(name).next()?;
        Some(first.and_then(delta_seconds).unwrap_or(0))
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a str>> {
        let named = self
            .members
            .iter()
            .filter(move |member| member.name == name);
        named.map(|member| member.argument.as_deref())
    }

    /// Whether each directive is there once and is one that says how long, in a plain number.
    pub(crate) fn is_plain_lifetime(&self) -> bool {
        let names: Vec<&str> = self
            .members
            .iter()
            .map(|member| member.name.as_str())
            .collect();
        let once = (0..names.len()).all(|place| !names[..place].contains(&names[place]));
        let known = ["max-age", "s-maxage", "public", "immutable", "x-unknown"];
        let plain = |member: &Directive| match member.name.as_str() {
            "max-age" | "s-maxage" => member.argument.as_deref().and_then(delta_seconds).is_some(),
            name => known.contains(&name) && member.argument.is_none(),
        };
        !self.broken && !self.escaped && once && self.members.iter().all(plain)
    }
}

/// A name that is one makes a directive, whatever stands behind it: what is no argument is still none that helps.
fn directive(member: &str) -> Option<Directive> {
    let (name, argument) = match member.split_once('=') {
        None => (member, None),
        Some((name, argument)) => {
            let plain = unquoted(argument).unwrap_or_else(|| argument.to_owned());
            (ows(name), Some(plain))
        }
    };
    is_token(name).then(|| Directive {
        name: name.to_ascii_lowercase(),
        argument,
    })
}

fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut plain, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match (escaped, c) {
            (false, '\\') => escaped = true,
            (false, '"') => return None,
            _ => {
                plain.push(c);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(plain)
}

fn field_names(list: &str) -> Option<Vec<String>> {
    let names: Vec<&str> = list
        .split(',')
        .map(ows)
        .filter(|name| !name.is_empty())
        .collect();
    let good = !names.is_empty() && names.iter().all(|name| is_token(name));
    good.then(|| names.into_iter().map(str::to_ascii_lowercase).collect())
}

/// RFC 9111 section 1.2.2: digits alone; what is too large is 2^31.
pub(crate) fn delta_seconds(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX).min(1 << 31))
}

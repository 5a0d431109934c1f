//! Dictionaries of RFC 9651, as far as targeted fields need them (RFC 9213 section 2.1).

use super::lists::{Directive, Directives};

/// What a targeted field says; nothing where it is empty or no dictionary, and then it is as if it were not there.
pub(crate) fn parse(text: &str) -> Option<Directives> {
    // Only ASCII may be in it, and only spaces around the whole.
    if !text.is_ascii() {
        return None;
    }
    let mut rest = Rest {
        bytes: text.trim_matches(' ').as_bytes(),
    };
    let mut members: Vec<Directive> = Vec::new();
    while !rest.bytes.is_empty() {
        let member = rest.member()?;
        // The last of a name counts, in the place of the first.
        members.retain(|known| known.name != member.name);
        members.push(member);
        rest.skip(b" \t");
        if rest.bytes.is_empty() {
            break;
        }
        rest.expect(b',')?;
        rest.skip(b" \t");
        if rest.bytes.is_empty() {
            return None;
        }
    }
    (!members.is_empty()).then_some(Directives {
        members,
        ..Directives::default()
    })
}

struct Rest<'a> {
    bytes: &'a [u8],
}

impl Rest<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.take(|byte| bytes.contains(&byte));
    }

    fn take(&mut self, which: impl Fn(u8) -> bool) -> String {
        let length = self.bytes.iter().take_while(|byte| which(**byte)).count();
        let (taken, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        String::from_utf8_lossy(taken).into_owned()
    }

    fn key(&mut self) -> Option<String> {
        let first = *self.bytes.first()?;
        let good = first.is_ascii_lowercase() || first == b'*';
        let of_key = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        };
        good.then(|| self.take(of_key))
    }

    /// A name and its value. The argument is the number of an integer; another value is an argument that is none; and
    /// a boolean is no argument.
    fn member(&mut self) -> Option<Directive> {
        let name = self.key()?;
        let argument = match self.bytes.first() {
            Some(b'=') => {
                self.next();
                if self.bytes.first() == Some(&b'(') {
                    self.inner_list()?
                } else {
                    self.item()?
                }
            }
            _ => None,
        };
        self.parameters()?;
        Some(Directive { name, argument })
    }

    fn parameters(&mut self) -> Option<()> {
        while self.bytes.first() == Some(&b';') {
            self.next();
            self.skip(b" ");
            self.key()?;
            if self.bytes.first() == Some(&b'=') {
                self.next();
                self.item()?;
            }
        }
        Some(())
    }

    fn inner_list(&mut self) -> Option<Option<String>> {
        self.expect(b'(')?;
        loop {
            self.skip(b" ");
            if self.bytes.first() == Some(&b')') {
                self.next();
                return Some(Some("no number".to_owned()));
            }
            self.item()?;
            self.parameters()?;
            if !matches!(self.bytes.first(), Some(b' ' | b')')) {
                return None;
            }
        }
    }

    /// A bare item.
    fn item(&mut self) -> Option<Option<String>> {
        let other = Some(Some("no number".to_owned()));
        match *self.bytes.first()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.next();
                matches!(self.next()?, b'0' | b'1').then_some(None)
            }
            b'"' => {
                self.string()?;
                other
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.take(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                });
                other
            }
            // Byte sequences and the like are not made by these tests.
            _ => None,
        }
    }

    fn number(&mut self) -> Option<Option<String>> {
        let minus = if self.bytes.first() == Some(&b'-') {
            self.next()
        } else {
            None
        };
        let whole = self.take(|byte| byte.is_ascii_digit());
        if self.bytes.first() == Some(&b'.') {
            self.next();
            let part = self.take(|byte| byte.is_ascii_digit());
            let good = (1..=12).contains(&whole.len()) && (1..=3).contains(&part.len());
            return good.then_some(Some("no number".to_owned()));
        }
        let sign = if minus.is_some() { "-" } else { "" };
        (1..=15)
            .contains(&whole.len())
            .then(|| Some(format!("{sign}{whole}")))
    }

    fn string(&mut self) -> Option<()> {
        self.expect(b'"')?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => matches!(self.next()?, b'"' | b'\\').then_some(())?,
                0x20..=0x7e => {}
                _ => return None,
            }
        }
    }
}

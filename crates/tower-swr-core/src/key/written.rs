use super::PREFIX;

/// What is written of a key: in place while it is short, as nearly all are, or a hit would pay for an allocation.
#[derive(Clone)]
pub(super) struct Written {
    short: [u8; SHORT],
    /// How much of `short` is written.
    length: usize,
    /// All of it, once there was no room.
    long: Vec<u8>,
}

pub(super) const SHORT: usize = 128;

impl Written {
    #[inline]
    pub(super) fn new() -> Self {
        Self {
            short: [0; SHORT],
            length: 0,
            long: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn append(&mut self, prefix: [u8; PREFIX], part: &[u8]) {
        let begin = self.length + PREFIX;
        let end = begin + part.len();
        if self.long.is_empty() && end <= SHORT {
            self.short[self.length..begin].copy_from_slice(&prefix);
            self.short[begin..end].copy_from_slice(part);
            self.length = end;
        } else {
            self.append_long(prefix, part);
        }
    }

    #[cold]
    fn append_long(&mut self, prefix: [u8; PREFIX], part: &[u8]) {
        if self.long.is_empty() {
            self.long.extend_from_slice(&self.short[..self.length]);
        }
        self.long.extend_from_slice(&prefix);
        self.long.extend_from_slice(part);
    }

    pub(super) fn set(&mut self, text: &[u8]) {
        match self.short.get_mut(..text.len()) {
            Some(place) => place.copy_from_slice(text),
            None => self.long = text.to_vec(),
        }
        self.length = text.len().min(SHORT);
    }

    pub(super) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
        self.long.truncate(length);
    }

    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        if self.long.is_empty() {
            &self.short[..self.length]
        } else {
            &self.long
        }
    }
}

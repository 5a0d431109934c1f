use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

/// Writes numbers, texts and lists one behind the other. A list and a text begin with their length.
#[derive(Debug, Default)]
pub(crate) struct Pen(BytesMut);

impl Pen {
    pub(crate) fn u8(&mut self, number: u8) {
        self.0.put_u8(number);
    }

    pub(crate) fn u16(&mut self, number: u16) {
        self.0.put_u16_le(number);
    }

    /// In nanoseconds; up to 584 years.
    pub(crate) fn span(&mut self, span: Duration) {
        self.0
            .put_u64_le(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Of less than 4 GiB, as all that comes out of a head is.
    pub(crate) fn text(&mut self, text: &[u8]) {
        self.0.put_u32_le(text.len() as u32);
        self.0.put_slice(text);
    }

    pub(crate) fn optional<T>(&mut self, it: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(it.is_some()));
        if let Some(it) = it {
            write(self, it);
        }
    }

    pub(crate) fn list<T>(&mut self, list: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.0.put_u32_le(list.len() as u32);
        list.iter().for_each(|it| write(self, it));
    }

    pub(crate) fn finish(self) -> Bytes {
        self.0.freeze()
    }
}

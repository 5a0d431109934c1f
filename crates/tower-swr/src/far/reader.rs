use std::time::Duration;

use bytes::{Buf, Bytes};

/// Reads what a [`Pen`](super::Pen) wrote. Whatever it is given it reads without panic, and nothing where the bytes end too
/// early.
#[derive(Debug)]
pub(crate) struct Reader(Bytes);

impl Reader {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.0.try_get_u8().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.0.try_get_u16_le().ok()
    }

    pub(crate) fn span(&mut self) -> Option<Duration> {
        Some(match self.0.try_get_u64_le().ok()? {
            u64::MAX => Duration::MAX,
            nanos => Duration::from_nanos(nanos),
        })
    }

    /// A slice of what is read.
    pub(crate) fn text(&mut self) -> Option<Bytes> {
        let length = self.length()?;
        Some(self.0.split_to(length))
    }

    pub(crate) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => Some(Some(read(self)?)),
            _ => None,
        }
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        // Each takes a byte at least, so no length makes up room for more than there is.
        let length = self.length()?;
        (0..length).map(|_| read(self)).collect()
    }

    /// Whether all of it was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.0.try_get_u32_le().ok()?).ok()?;
        (length <= self.0.remaining()).then_some(length)
    }
}

//! A job as the stream holds it, and what its worker gives back with it.

use bytes::Bytes;
use redis::Value;
use redis::streams::StreamId;
use tower_swr_core::{Digest, FarError, TakenJob};

use crate::token::Tokens;

/// The job in an entry that has been handed out `deliveries` times; nothing where somebody else wrote it.
pub(crate) fn understand(found: &StreamId, deliveries: u32) -> Option<TakenJob> {
    let bytes = |name: &str| match found.map.get(name) {
        Some(Value::BulkString(bytes)) => Some(&bytes[..]),
        _ => None,
    };
    let token = bytes("t").filter(|token| token.len() == Tokens::BYTES)?;
    let before: u32 = std::str::from_utf8(bytes("a")?).ok()?.parse().ok()?;
    Some(TakenJob {
        key: Digest::from_bytes(bytes("k")?.try_into().ok()?),
        payload: Bytes::copy_from_slice(bytes("p")?),
        attempt: before.saturating_add(deliveries),
        receipt: [token, &deliveries.to_le_bytes(), found.id.as_bytes()]
            .concat()
            .into(),
    })
}

/// What tells a job that was taken here from all others, and from the same one handed out again.
pub(crate) struct Receipt<'a> {
    pub(crate) token: &'a [u8],
    pub(crate) deliveries: u32,
    pub(crate) entry: &'a [u8],
}

impl<'a> Receipt<'a> {
    pub(crate) fn of(job: &'a TakenJob) -> Result<Self, FarError> {
        let receipt = job.receipt.split_at_checked(Tokens::BYTES);
        let parts = receipt.and_then(|(token, rest)| Some((token, rest.split_first_chunk()?)));
        let (token, (deliveries, entry)) = parts.ok_or(FarError::Unexpected { step: "receipt" })?;
        Ok(Self {
            token,
            deliveries: u32::from_le_bytes(*deliveries),
            entry,
        })
    }
}

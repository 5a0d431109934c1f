//! Numbers as values of the engine, and how they are written down.

use bytes::Bytes;
use tower_swr_core::{Decoded, Encoded, FarCodec, Received};

#[derive(Debug)]
pub(crate) struct Number;

impl FarCodec<u64> for Number {
    fn encode(&self, number: &u64) -> Option<Encoded> {
        let body = Bytes::copy_from_slice(&number.to_le_bytes());
        Some(Encoded {
            kind: 1,
            head: Bytes::new(),
            body,
        })
    }

    fn decode(&self, received: Received<'_>) -> Option<Decoded<u64>> {
        let value = u64::from_le_bytes(received.body[..].try_into().ok()?);
        (received.kind == 1).then_some(Decoded {
            value,
            weight: 0,
            leads: false,
        })
    }
}

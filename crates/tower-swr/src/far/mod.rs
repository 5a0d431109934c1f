//! Answers for other processes: how they are written beyond this one, and read back.
//!
//! What is written begins with the number of its layout. Another release may write another one, which is no answer here:
//! the origin is called, and nobody's client sees an error.

mod pen;
mod reader;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tower_swr_core::{Decoded, Encoded, FarCodec, Received};

pub(crate) use pen::Pen;
pub(crate) use reader::Reader;

use crate::head::{Head, Reading};
use crate::key;
use crate::policy::{Selection, VaryNames};
use crate::response::{Held, StoredResponse, Variants};
use crate::route::Scope;

/// Writes and reads the answers of one scope.
pub(crate) struct HeldCodec {
    scope: Arc<Scope>,
}

const RESPONSE: u16 = 1;
const VARIANTS: u16 = 2;

const LAYOUT: u8 = 1;

impl HeldCodec {
    pub(crate) fn of(scope: &Arc<Scope>) -> Arc<dyn FarCodec<Held>> {
        Arc::new(Self {
            scope: Arc::clone(scope),
        })
    }

    fn response(&self, reader: &mut Reader, received: &Received<'_>) -> Option<Held> {
        let reading = Reading {
            families: self.scope.settings().fields,
            key: key::public_form(received.key),
            arrived: received.now,
            age: received.age,
        };
        let head = Head::read(reader, reading)?;
        let selection = reader.optional(Selection::read)?;
        Some(Held::Response(StoredResponse {
            head,
            body: received.body.clone(),
            selection,
        }))
    }
}

impl FarCodec<Held> for HeldCodec {
    fn encode(&self, held: &Held) -> Option<Encoded> {
        let mut pen = Pen::default();
        pen.u8(LAYOUT);
        let (kind, body) = match held {
            Held::Response(stored) => {
                stored.head.write(&mut pen);
                pen.optional(stored.selection.as_ref(), |pen, it| it.write(pen));
                (RESPONSE, stored.body.clone())
            }
            // Which variants others keep nearby is their own business.
            Held::Variants(variants) => {
                variants.names.write(&mut pen);
                (VARIANTS, Bytes::new())
            }
        };
        Some(Encoded {
            kind,
            head: pen.finish(),
            body,
        })
    }

    fn decode(&self, received: Received<'_>) -> Option<Decoded<Held>> {
        let mut reader = Reader::new(received.head.clone());
        reader.u8().filter(|layout| *layout == LAYOUT)?;
        let value = match received.kind {
            RESPONSE => self.response(&mut reader, &received)?,
            VARIANTS => Held::Variants(Variants::new(VaryNames::read(&mut reader)?)),
            _ => return None,
        };
        reader.is_at_end().then(|| Decoded {
            // Both are slices of one piece of memory, which either keeps alive.
            weight: received.head.len() + weight(&value),
            leads: matches!(value, Held::Variants(_)),
            value,
        })
    }
}

fn weight(held: &Held) -> usize {
    match held {
        Held::Response(stored) => stored.weight(),
        Held::Variants(variants) => variants.weight(),
    }
}

impl fmt::Debug for HeldCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldCodec")
            .field("scope", &self.scope.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

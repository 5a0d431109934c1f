use std::sync::Arc;

use bytes::Bytes;
use tower_swr_core::testing::{FarNode, FarServer, LeaseSpan, ManualClock};
use tower_swr_core::{Decoded, Encoded, Entry, FarCodec, FlightPolicy, Key, NoPartial, Received};

use super::{Call, House, Request};

/// Writes numbers. What is above a million leads to others.
#[derive(Debug)]
pub struct Number;

impl FarCodec<u32> for Number {
    fn encode(&self, number: &u32) -> Option<Encoded> {
        Some(Encoded {
            kind: 1,
            head: Bytes::new(),
            body: Bytes::copy_from_slice(&number.to_le_bytes()),
        })
    }

    fn decode(&self, received: Received<'_>) -> Option<Decoded<u32>> {
        let value = u32::from_le_bytes(received.body[..].try_into().ok()?);
        (received.kind == 1).then_some(Decoded {
            value,
            weight: 0,
            leads: value > 1_000_000,
        })
    }
}

/// Processes that share a far side and a clock that stands still.
pub struct World {
    pub clock: ManualClock,
    pub server: FarServer,
}

impl World {
    pub fn new() -> Self {
        Self::leasing(LeaseSpan::default())
    }

    pub fn leasing(span: LeaseSpan) -> Self {
        let clock = ManualClock::default();
        let server = FarServer::with_lease(clock.clone(), span);
        Self { clock, server }
    }

    /// One more process.
    pub fn house<P: Clone + Send + Sync + 'static>(&self) -> House<P> {
        self.connected().0
    }

    /// One more process, and what connects it.
    pub fn connected<P: Clone + Send + Sync + 'static>(&self) -> (House<P>, FarNode) {
        self.limited(1 << 20)
    }

    /// One that writes no value of more than so many bytes.
    pub fn limited<P: Clone + Send + Sync + 'static>(&self, limit: usize) -> (House<P>, FarNode) {
        let node = self.server.node();
        let mut house = House::built(FlightPolicy::default(), [], |builder| {
            builder
                .clock(self.clock.clone())
                .far(node.clone())
                .far_limit(limit)
        });
        house.clock = self.clock.clone();
        (house, node)
    }

    pub fn houses<P: Clone + Send + Sync + 'static>(&self) -> [House<P>; 2] {
        [self.house(), self.house()]
    }
}

pub fn codec() -> Arc<dyn FarCodec<u32>> {
    Arc::new(Number)
}

impl House<NoPartial> {
    /// A request that goes through the far side.
    pub fn ask(&self, key: &Key, origin: Call) -> Request {
        let (cache, key, policy) = (self.cache.clone(), key.clone(), Arc::clone(&self.policy));
        Request::of(async move {
            let (key, codec) = (key.borrowed(), codec());
            let entry = cache.get_through(&key, &policy, &codec, origin).await?;
            Ok(*Entry::value(&entry))
        })
    }

    /// What a request is answered with once everything has moved that can.
    pub fn answer(&self, key: &Key, origin: Call) -> u32 {
        let mut request = self.ask(key, origin);
        if let Some(answer) = request.now() {
            self.tasks.poll_all();
            return answer.expect("an answer");
        }
        self.tasks.poll_all();
        request.answered()
    }
}

impl Request {
    /// Its answer, which is there.
    pub fn answered(&mut self) -> u32 {
        self.now().expect("it waits").expect("an answer")
    }
}

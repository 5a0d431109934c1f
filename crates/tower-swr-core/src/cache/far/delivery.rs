use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::cache::Fill;

/// What became of an answer that was to be left on the far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is there.
    Stored,
    /// It is not: the lease had run out, or an invalidation had taken it away.
    Overtaken,
    /// It is not: it is larger than [what is written there](crate::CacheBuilder::far_limit).
    TooLarge,
    /// It is not: the codec has nothing to write of it, or its tags are none that others could find it by.
    Unwritten,
    /// It is not known to be: the far side did not answer, or refused.
    Failed,
}

/// Tells what became of an answer on the far side; nothing where there was none to be left there, since none was kept here.
///
/// # Cancel safety
///
/// Dropping it changes nothing.
#[derive(Debug)]
pub struct Delivered(oneshot::Receiver<Delivery>);

impl Future for Delivered {
    type Output = Option<Delivery>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<V: Send + Sync + 'static, P: Clone + Send + Sync + 'static> Fill<V, P> {
    /// Who awaits this is told what becomes of the answer on the far side: once the flight has ended, or sooner. To be called
    /// once, for a flight that goes [through a codec](Self::through); of any other nothing is told.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_swr_core::{Cache, CacheBuilder, FlightPolicy, Joined, KeyText, MemorySettings, Purpose};
    ///
    /// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
    /// let cache: Cache<u32> = CacheBuilder::new(MemorySettings::new(1 << 20)).build();
    /// let policy = Arc::new(FlightPolicy::default());
    /// if let Joined::Lead(mut fill) = cache.join(&KeyText::new("s").key(), &policy, Purpose::Miss) {
    ///     let delivered = fill.delivered();
    ///     drop(fill); // nothing comes of it
    ///     assert_eq!(delivered.await, None);
    /// }
    /// # });
    /// ```
    pub fn delivered(&mut self) -> Delivered {
        let (tell, told) = oneshot::channel();
        if let Some(beyond) = &mut self.beyond {
            beyond.tell = Some(tell);
        }
        Delivered(told)
    }
}

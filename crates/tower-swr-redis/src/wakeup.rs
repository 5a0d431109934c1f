//! Who waits for somebody else's call, and the one subscription that tells all of them.
//!
//! A message may be lost with a connection, and nobody learns of it; so a wait also ends when it is time to look, and only
//! the latter is relied on. A process has one subscription and at most one wait per key, whatever the number of its
//! clients.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use redis::aio::PubSub;
use tokio::sync::oneshot;
use tower_swr_core::{Digest, FarError, FarKey, Woken};

use crate::connection::Link;

/// The time between two attempts to subscribe.
const PAUSE: Duration = Duration::from_millis(200);
/// The time between two questions whether the subscription is alive.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is said on the channel: whose mutex is free, and why.
pub(crate) fn message(primary: Digest, variant: Option<Digest>, why: Woken) -> Vec<u8> {
    let mut message = primary.as_bytes().to_vec();
    message.extend(variant.iter().flat_map(|variant| variant.as_bytes()));
    message.push(match why {
        Woken::Stored => b'S',
        Woken::Released | Woken::Time => b'F',
        Woken::Invalidated => b'D',
        Woken::Declined => b'N',
    });
    message
}

fn understand(message: &[u8]) -> Option<(Digest, Option<Digest>, Woken)> {
    let (kind, digests) = message.split_last()?;
    let why = match kind {
        b'S' => Woken::Stored,
        b'F' => Woken::Released,
        b'D' => Woken::Invalidated,
        b'N' => Woken::Declined,
        _ => return None,
    };
    let (primary, variant) = digests.split_at_checked(Digest::BYTES)?;
    let digest = |bytes: &[u8]| Some(Digest::from_bytes(bytes.try_into().ok()?));
    let variant = match variant {
        [] => None,
        variant => Some(digest(variant)?),
    };
    Some((digest(primary)?, variant, why))
}

#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    waiting: Mutex<Waiting>,
    is_heard: AtomicBool,
}

#[derive(Debug, Default)]
struct Waiting {
    numbered: u64,
    of: HashMap<Digest, Vec<Waiter>>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    variant: Option<Digest>,
    sender: oneshot::Sender<Woken>,
}

impl Wakeups {
    /// Waits for a message about `key` from now on. To be called before the mutex is asked for, or a message that comes in
    /// between is missed.
    pub(crate) fn register(self: &Arc<Self>, key: &FarKey) -> Registration {
        let (sender, woken) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.numbered += 1;
        let number = waiting.numbered;
        let waiter = Waiter {
            number,
            variant: key.variant_digest(),
            sender,
        };
        waiting.of.entry(key.primary()).or_default().push(waiter);
        Registration {
            wakeups: Arc::clone(self),
            primary: key.primary(),
            number,
            woken,
        }
    }

    /// Tells those whom `message` concerns. An invalidation concerns the variants, too, and so does what was committed by the
    /// mutex of the primary key.
    fn tell(&self, message: &[u8]) {
        let Some((primary, variant, why)) = understand(message) else {
            return;
        };
        if why == Woken::Declined {
            return self.tell_of_job(primary);
        }
        let mut waiting = self.waiting();
        let Some(all) = waiting.of.remove(&primary) else {
            return;
        };
        let of_all = why == Woken::Invalidated || (why == Woken::Stored && variant.is_none());
        let concerned = |waiter: &Waiter| of_all || waiter.variant == variant;
        let (told, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(concerned);
        if !rest.is_empty() {
            waiting.of.insert(primary, rest);
        }
        drop(waiting);
        for waiter in told {
            // Who no longer waits need not be told.
            let _ = waiter.sender.send(why);
        }
    }

    /// Tells those who wait for what a worker could not do: a job has one name, whether it is of a primary key or of a variant.
    fn tell_of_job(&self, key: Digest) {
        let mut waiting = self.waiting();
        let mut told = Vec::new();
        waiting.of.retain(|primary, all| {
            let is_of = |waiter: &mut Waiter| waiter.variant.unwrap_or(*primary) == key;
            told.extend(all.extract_if(.., is_of));
            !all.is_empty()
        });
        drop(waiting);
        for waiter in told {
            let _ = waiter.sender.send(Woken::Declined);
        }
    }

    /// Whether there is a subscription by which those who wait are told.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Relaxed)
    }

    /// Nobody is told anything for a while: all who wait look for themselves now, and need not wait for a server that is gone.
    fn end(&self) {
        self.is_heard.store(false, Ordering::Relaxed);
        let all = std::mem::take(&mut self.waiting().of);
        for waiter in all.into_values().flatten() {
            let _ = waiter.sender.send(Woken::Time);
        }
    }

    fn forget(&self, primary: Digest, number: u64) {
        let mut waiting = self.waiting();
        if let Some(all) = waiting.of.get_mut(&primary) {
            all.retain(|waiter| waiter.number != number);
            if all.is_empty() {
                waiting.of.remove(&primary);
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One wait for a message. Never over where none comes.
#[derive(Debug)]
pub(crate) struct Registration {
    wakeups: Arc<Wakeups>,
    primary: Digest,
    number: u64,
    woken: oneshot::Receiver<Woken>,
}

impl Future for Registration {
    type Output = Woken;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Woken> {
        match Pin::new(&mut self.woken).poll(cx) {
            Poll::Ready(Ok(why)) => Poll::Ready(why),
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.wakeups.forget(self.primary, self.number);
    }
}

/// Keeps the subscription.
pub(crate) async fn listen(link: Arc<Link>, wakeups: Arc<Wakeups>, channel: String) {
    loop {
        if link.is_up()
            && let Ok(subscription) = link.dialer.subscribe(&channel).await
        {
            wakeups.is_heard.store(true, Ordering::Relaxed);
            // Where the connection that steps use was given up, nobody commits, and nobody is to be waited for.
            let heard = Box::pin(listen_on(&link, subscription, &wakeups));
            let reason = match select(heard, Box::pin(until_down(&link))).await {
                Either::Left((reason, _)) => reason,
                Either::Right(_) => FarError::Unavailable,
            };
            tracing::debug!(%reason, "subscription lost");
            wakeups.end();
        }
        link.ports().clock.sleep(PAUSE).await;
    }
}

async fn until_down(link: &Link) {
    let mut changes = link.changes();
    while link.is_up() && changes.changed().await.is_ok() {}
}

/// Passes on what is said until nothing is heard any more.
async fn listen_on(link: &Link, subscription: PubSub, wakeups: &Wakeups) -> FarError {
    let (mut sink, mut messages) = subscription.split();
    let mut quiet = link.ports().clock.sleep(PROBE_EVERY);
    loop {
        match select(messages.next(), quiet).await {
            Either::Left((None, _)) => return FarError::Disconnected,
            Either::Left((Some(message), rest)) => {
                wakeups.tell(message.get_payload_bytes());
                quiet = rest;
            }
            Either::Right(_) => {
                let ping = sink.ping::<redis::Value>();
                match link.in_time(ping).await {
                    Ok(Ok(_)) => quiet = link.ports().clock.sleep(PROBE_EVERY),
                    Ok(Err(_)) => return FarError::Disconnected,
                    Err(timed_out) => return timed_out,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tower_swr_core::KeyText;

    fn keys() -> [FarKey; 3] {
        let mut text = KeyText::new("s");
        let primary = text.key().to_key();
        let mut variant = |part: &[u8]| {
            text.push(part);
            FarKey::variant(primary.borrowed(), text.key())
        };
        let (gzip, plain) = (variant(b"gzip"), variant(b"plain"));
        [FarKey::new(primary.borrowed()), gzip, plain]
    }

    fn told(key: &FarKey, why: Woken) -> Vec<u8> {
        message(key.primary(), key.variant_digest(), why)
    }

    #[test]
    fn a_message_wakes_those_of_its_mutex() {
        let wakeups = Arc::new(Wakeups::default());
        let [primary, gzip, _] = &keys();
        let mut registered = [primary, gzip, gzip].map(|key| wakeups.register(key));
        wakeups.tell(&told(gzip, Woken::Stored));
        let over = registered.each_mut().map(|wait| wait.now_or_never());
        assert_eq!(over, [None, Some(Woken::Stored), Some(Woken::Stored)]);
    }

    #[test]
    fn an_invalidation_wakes_the_variants_too() {
        let wakeups = Arc::new(Wakeups::default());
        let mut registered = keys().map(|key| wakeups.register(&key));
        wakeups.tell(&told(&keys()[0], Woken::Invalidated));
        let over = registered.each_mut().map(|wait| wait.now_or_never());
        assert_eq!(over, [Some(Woken::Invalidated); 3]);
    }

    #[test]
    fn what_the_mutex_of_the_primary_key_has_brought_may_be_a_variant() {
        let wakeups = Arc::new(Wakeups::default());
        for (why, are_all) in [(Woken::Stored, true), (Woken::Released, false)] {
            let mut registered = keys().map(|key| wakeups.register(&key));
            wakeups.tell(&told(&keys()[0], why));
            let over = registered.each_mut().map(|wait| wait.now_or_never());
            let of_variant = are_all.then_some(why);
            assert_eq!(over, [Some(why), of_variant, of_variant]);
        }
    }

    #[test]
    fn a_job_that_no_worker_does_is_of_one_key() {
        let wakeups = Arc::new(Wakeups::default());
        let [primary, gzip, _] = &keys();
        for (at, job) in [primary.primary(), gzip.variant_digest().expect("one")]
            .into_iter()
            .enumerate()
        {
            let mut registered = keys().map(|key| wakeups.register(&key));
            wakeups.tell(&message(job, None, Woken::Declined));
            let over = registered.each_mut().map(|wait| wait.now_or_never());
            let mut expected = [None; 3];
            expected[at] = Some(Woken::Declined);
            assert_eq!(over, expected);
        }
    }

    #[test]
    fn all_are_woken_when_nobody_will_be_told_any_more() {
        let wakeups = Arc::new(Wakeups::default());
        let mut registered = keys().map(|key| wakeups.register(&key));
        wakeups.end();
        let over = registered.each_mut().map(|wait| wait.now_or_never());
        assert_eq!(over, [Some(Woken::Time); 3]);
    }

    #[test]
    fn a_wait_that_is_dropped_leaves_nothing_behind() {
        let wakeups = Arc::new(Wakeups::default());
        let [primary, gzip, _] = &keys();
        let (one, other) = (wakeups.register(primary), wakeups.register(gzip));
        drop(one);
        assert_eq!(wakeups.waiting().of.len(), 1);
        wakeups.tell(&told(gzip, Woken::Released));
        drop(other);
        assert!(wakeups.waiting().of.is_empty());
    }

    #[test]
    fn what_is_no_message_of_ours_wakes_nobody() {
        let wakeups = Arc::new(Wakeups::default());
        let [primary, ..] = &keys();
        let mut registered = wakeups.register(primary);
        let mut other = told(primary, Woken::Stored);
        other.insert(16, b'?');
        for message in [
            &b""[..],
            b"S",
            &[0; 40],
            &other,
            &told(primary, Woken::Stored)[..16],
        ] {
            wakeups.tell(message);
        }
        assert_eq!((&mut registered).now_or_never(), None);
    }
}

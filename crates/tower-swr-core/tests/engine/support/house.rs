use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tower_swr_core::testing::{ManualClock, ManualSpawn, RecordingObserver, ScriptedRng};
use tower_swr_core::{
    Cache, CacheBuilder, Entry, Fetched, Fill, FlightPolicy, GetError, Joined, Keep, Key, KeyText,
    Lifetime, Look, MemorySettings, NoPartial, Product, Purpose, QueueLimits, Tags, Waiting,
};

use super::{Call, Origin};

pub const SECOND: Duration = Duration::from_secs(1);
pub const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// 60 s fresh, then 120 s stale: the lifecycle of the README.
pub fn minute() -> Lifetime {
    Lifetime::fresh_for(secs(60)).stale_while_revalidate(secs(120))
}

pub fn key(name: &str) -> Key {
    let mut text = KeyText::new("scope");
    text.push(name.as_bytes());
    text.key().to_key()
}

/// A complete answer, in place of what an origin makes of it.
pub fn whole<P>(value: u32, keep: Keep) -> Fetched<u32, P> {
    let product = Product {
        value,
        keep,
        key: None,
        initial_age: Duration::ZERO,
        weight: size_of::<u32>(),
        tags: Tags::default(),
    };
    Fetched::Whole {
        product,
        beside: None,
    }
}

/// A cache whose clock, dice and tasks are in the test's hands.
#[derive(Clone)]
pub struct House<P = NoPartial> {
    pub cache: Cache<u32, P>,
    pub clock: ManualClock,
    pub tasks: ManualSpawn,
    pub observer: RecordingObserver,
    pub policy: Arc<FlightPolicy>,
    pub origin: Origin,
}

impl House {
    pub fn new() -> Self {
        Self::under(FlightPolicy::default(), [])
    }
}

impl<P: Clone + Send + Sync + 'static> House<P> {
    pub fn under(policy: FlightPolicy, dice: impl IntoIterator<Item = f64>) -> Self {
        Self::built(policy, dice, |builder| builder)
    }

    pub fn queueing(limits: QueueLimits) -> Self {
        Self::built(FlightPolicy::default(), [], |builder| {
            builder.refreshes(limits)
        })
    }

    pub fn built(
        policy: FlightPolicy,
        dice: impl IntoIterator<Item = f64>,
        with: impl FnOnce(CacheBuilder) -> CacheBuilder,
    ) -> Self {
        let (clock, tasks) = (ManualClock::default(), ManualSpawn::default());
        let observer = RecordingObserver::default();
        let builder = CacheBuilder::new(MemorySettings::new(1 << 20))
            .clock(clock.clone())
            .rng(ScriptedRng::new(dice))
            .spawn(tasks.clone())
            .observer(observer.clone());
        Self {
            cache: with(builder).build(),
            clock,
            tasks,
            observer,
            policy: Arc::new(policy),
            origin: Origin::default(),
        }
    }

    pub fn look(&self, key: &Key) -> Look<u32> {
        let (mode, now) = (self.cache.mode(), self.cache.now());
        self.cache.look(&key.borrowed(), mode, now)
    }

    pub fn join(&self, key: &Key, purpose: Purpose) -> Joined<u32, P> {
        self.cache.join(&key.borrowed(), &self.policy, purpose)
    }

    pub fn lead(&self, key: &Key) -> Fill<u32, P> {
        match self.join(key, Purpose::Miss) {
            Joined::Lead(fill) => fill,
            other => panic!("somebody flies, or something is kept: {}", name(&other)),
        }
    }

    pub fn follow(&self, key: &Key) -> Waiting<u32, P> {
        match self.join(key, Purpose::Miss) {
            Joined::Wait(waiting) => waiting,
            other => panic!("nobody flies: {}", name(&other)),
        }
    }

    /// The value that a look-up serves.
    pub fn kept(&self, key: &Key) -> Option<u32> {
        match self.look(key) {
            Look::Serve { entry, .. } => Some(*entry.value()),
            Look::Fetch { .. } | Look::Uncacheable => None,
        }
    }

    /// Whether a look-up serves something and says that a refresh is due.
    pub fn is_refresh_due(&self, key: &Key) -> bool {
        matches!(self.look(key), Look::Serve { refresh: true, .. })
    }

    pub fn is_uncacheable(&self, key: &Key) -> bool {
        matches!(self.look(key), Look::Uncacheable)
    }

    /// Leads the flight of `key` to its end with what the origin `fetched`.
    pub fn fill(&self, key: &Key, fetched: Fetched<u32, P>) {
        self.lead(key).spawn(std::future::ready(fetched));
        self.tasks.poll_all();
    }

    pub fn assert_no_violation(&self) {
        assert_eq!(self.cache.stats().stampede_violations, 0);
    }
}

impl House {
    /// A request for `key`, to be answered by `origin` where the cache cannot.
    pub fn get(&self, key: &Key, origin: Call) -> Request {
        let (cache, key, policy) = (self.cache.clone(), key.clone(), Arc::clone(&self.policy));
        Request(Box::pin(async move {
            let entry = cache.get(&key.borrowed(), &policy, origin).await?;
            Ok(*Entry::value(&entry))
        }))
    }

    /// A request that must not wait for anything.
    pub fn get_at_once(&self, key: &Key, origin: Call) -> u32 {
        let answer = self.get(key, origin).now();
        answer.expect("it waits").expect("an answer")
    }

    /// Keeps `value` under `key` from now on.
    pub fn keep(&self, key: &Key, value: u32, lifetime: Lifetime) {
        let mut request = self.get(key, self.origin.makes(value, lifetime));
        assert!(request.now().is_none(), "something is kept already");
        self.tasks.poll_all();
        let made = request.now().expect("the origin answers at once");
        assert_eq!(made.expect("a value"), value);
    }
}

/// A request under way, polled by hand.
pub struct Request(Pin<Box<dyn Future<Output = Result<u32, GetError>> + Send>>);

impl Request {
    pub fn of(answer: impl Future<Output = Result<u32, GetError>> + Send + 'static) -> Self {
        Self(Box::pin(answer))
    }

    /// Its answer, if it has one by now.
    pub fn now(&mut self) -> Option<Result<u32, GetError>> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.0.as_mut().poll(&mut cx) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }
}

fn name<V, P>(joined: &Joined<V, P>) -> &'static str {
    match joined {
        Joined::Lead(_) => "Lead",
        Joined::Wait(_) => "Wait",
        Joined::Again(_) => "Again",
    }
}

//! The settings of a handle.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_swr_core::{Clock, HasherRng, Rng, Spawn, SystemClock, TokioSpawn};

use crate::address::Address;
use crate::budget::Budgets;
use crate::connection::{Link, Ports};
use crate::dialer::Dialer;
use crate::doubt::Doubts;
use crate::error::ConnectError;
use crate::handle::{Parts, Redis};
use crate::invalidation::Log;
use crate::keyspace::{Keyspace, NAME_RULE, is_name};
use crate::lease::{Grounds, LeaseTimes};
use crate::queue::Queue;
use crate::store::Store;
use crate::token::Tokens;

/// The settings of a [`Redis`].
#[must_use = "nothing is connected before `connect`"]
pub struct RedisBuilder {
    url: String,
    namespace: String,
    generation: Option<String>,
    lease: LeaseTimes,
    keep_at_most: Duration,
    rescue_after: Duration,
    /// In PEM.
    root_certificate: Option<Vec<u8>>,
    ports: Ports,
    budgets: Budgets,
}

const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// What lasts longer is taken for no lease of ours: see the script.
const LONGEST_LEASE: Duration = Duration::from_secs(60 * 60);

impl RedisBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            namespace: "swr".to_owned(),
            generation: None,
            lease: LeaseTimes {
                ttl: Duration::from_secs(5),
                longest: Duration::from_secs(60),
            },
            keep_at_most: Duration::from_secs(7 * 24 * 60 * 60),
            rescue_after: Duration::from_secs(90),
            root_certificate: None,
            ports: Ports {
                clock: Arc::new(SystemClock::default()),
                spawn: Arc::new(TokioSpawn),
                rng: Arc::new(HasherRng),
            },
            budgets: Budgets::default(),
        }
    }

    /// What all names on the server begin with: caches that share one share their values, others do not touch each other.
    /// 1 to 64 of the characters `a-z A-Z 0-9 - _ . :`. Default `swr`.
    pub fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Sets values apart from those of other releases of the application, whose bodies mean something else. Characters as
    /// for [`namespace`](Self::namespace), but no colon. Default none.
    pub fn generation(mut self, generation: &str) -> Self {
        self.generation = Some(generation.to_owned());
        self
    }

    /// How long a lease outlives its process: the time in which nobody refreshes what a killed process was refreshing. It
    /// is renewed three times as often. 100 ms to one hour, and three times the [`step_budget`](Self::step_budget) at least;
    /// default 5 s.
    pub fn lease(mut self, ttl: Duration) -> Self {
        self.lease.ttl = ttl;
        self
    }

    /// How long a lease is renewed at most: a call of the origin that takes longer loses its right to write. Not below
    /// [`lease`](Self::lease); default 60 s.
    pub fn max_lease(mut self, longest: Duration) -> Self {
        self.lease.longest = longest;
        self
    }

    /// How long a value is kept at most, whatever its own lifetime, and how long an invalidation is remembered. Default
    /// seven days.
    pub fn keep_at_most(mut self, span: Duration) -> Self {
        self.keep_at_most = span;
        self
    }

    /// How long a worker may keep a refresh until it is taken for dead and the refresh is handed to another. Longer than the
    /// worker's own limit for one, which is 75 s by default: raise both, or a refresh that takes long is handed out while it is
    /// still being made, and given up after five such times. Looked at twice as often. 100 ms at least; default 90 s.
    pub fn rescue_after(mut self, span: Duration) -> Self {
        self.rescue_after = span;
        self
    }

    /// What reading a value may take until nobody waits for it any longer. A request reads once more where the first answer
    /// is late, and then goes on without the server. A millisecond at least; default 50 ms.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_swr_redis::Redis;
    ///
    /// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
    /// let far_away = Redis::builder("redis://localhost")
    ///     .get_budget(Duration::from_millis(80))
    ///     .step_budget(Duration::from_millis(150))
    ///     .dial_budget(Duration::from_secs(1))
    ///     .connect()?;
    /// # drop(far_away);
    /// # Ok::<_, tower_swr_redis::ConnectError>(()) }).expect("it is sound");
    /// ```
    pub fn get_budget(mut self, span: Duration) -> Self {
        self.budgets.get = span;
        self
    }

    /// The same of every other step: to ask for a lease, which is done twice where the answer is late, to write a value, to
    /// record an invalidation, to offer a refresh, and to ask whether the server is there. From a millisecond to a third of
    /// the [`lease`](Self::lease); default 100 ms.
    pub fn step_budget(mut self, span: Duration) -> Self {
        self.budgets.step = span;
        self
    }

    /// What a new connection may take, with names, passwords and certificates. No request ever waits for one, but for
    /// the first ones of a process that has only just begun: they wait until it is known whether the server is there. A
    /// millisecond at least; default 250 ms.
    pub fn dial_budget(mut self, span: Duration) -> Self {
        self.budgets.dial = span;
        self
    }

    /// Whose signature makes a server trustworthy: one certificate or more, in PEM. For encrypted URLs. Default what the
    /// system trusts, which is read for every connection.
    ///
    /// ```
    /// use tower_swr_redis::Redis;
    ///
    /// let wrong = Redis::builder("rediss://cache:6379").root_certificate("no certificate");
    /// let error = wrong.connect().expect_err("it is none");
    /// assert_eq!(error.setting(), "root_certificate");
    /// ```
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificate = Some(pem.into());
        self
    }

    /// Where it reads the time and where it waits. Default the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.ports.clock = Arc::new(clock);
        self
    }

    /// Where its tasks run. Default the tokio runtime in whose context it is used.
    pub fn spawn(mut self, spawn: impl Spawn) -> Self {
        self.ports.spawn = Arc::new(spawn);
        self
    }

    /// The die for jitter. Default the standard library's.
    pub fn rng(mut self, rng: impl Rng) -> Self {
        self.ports.rng = Arc::new(rng);
        self
    }

    /// Makes the handle and begins to connect in the background: whether the server is there or not is the same to it.
    ///
    /// # Errors
    ///
    /// For a setting that is wrong, naming it and the rule, never the value.
    pub fn connect(self) -> Result<Redis, ConnectError> {
        let address = self.address()?;
        self.check()?;
        let names = Keyspace::new(&self.namespace, self.generation.as_deref());
        let dialer = Dialer::new(address, self.ports, self.budgets)?;
        let link = Arc::new(Link::new(dialer));
        // A value that a lease has been held for is younger than the lease when it is written.
        let keep_stamps = self.keep_at_most.saturating_add(self.lease.longest);
        let log = Log::new(Arc::clone(&link), names.clone(), keep_stamps);
        let tokens = Arc::new(Tokens::new());
        let rescue_after = self.rescue_after;
        Ok(Redis::new(Parts {
            channel: names.done(),
            queue: Queue::new(
                Arc::clone(&link),
                names.clone(),
                rescue_after,
                Arc::clone(&tokens),
            ),
            store: Store::new(
                Grounds {
                    link: Arc::clone(&link),
                    names,
                    times: self.lease,
                    keep_at_most: self.keep_at_most,
                    doubts: Doubts::default(),
                },
                tokens,
            ),
            log,
            link,
        }))
    }

    fn address(&self) -> Result<Address, ConnectError> {
        let mut address = Address::parse(&self.url)?;
        let root = self.root_certificate.as_deref();
        match (address.is_encrypted, root) {
            (true, root) => encrypt(&mut address, root)?,
            (false, None) => {}
            // Whoever names one expects to be encrypted.
            (false, Some(_)) => {
                let rule = "is for encrypted URLs: rediss://…";
                return Err(ConnectError::new("root_certificate", rule));
            }
        }
        Ok(address)
    }

    fn check(&self) -> Result<(), ConnectError> {
        let LeaseTimes { ttl, longest } = self.lease;
        let rules = [
            ("namespace", NAME_RULE, is_name(&self.namespace)),
            (
                "generation",
                "must be 1 to 64 of the characters a-z, A-Z, 0-9, - _ .",
                // A colon would let it run into a namespace that has one.
                (self.generation.as_deref()).is_none_or(|it| is_name(it) && !it.contains(':')),
            ),
            (
                "lease",
                "must be from 100 ms to one hour",
                (SHORTEST_LEASE..=LONGEST_LEASE).contains(&ttl),
            ),
            ("max_lease", "must not be below the lease", ttl <= longest),
            (
                // A lease is renewed thrice in its time, and a step that comes late is taken once more.
                "step_budget",
                "must not be above a third of the lease",
                self.budgets.step <= ttl / 3,
            ),
            (
                "rescue_after",
                "must be 100 ms at least",
                self.rescue_after >= SHORTEST_LEASE,
            ),
        ];
        let spans = [
            ("keep_at_most", self.keep_at_most),
            ("get_budget", self.budgets.get),
            ("step_budget", self.budgets.step),
            ("dial_budget", self.budgets.dial),
        ];
        let rule = "must be a millisecond at least";
        let spans = spans.map(|(name, span)| (name, rule, span >= Duration::from_millis(1)));
        match rules
            .into_iter()
            .chain(spans)
            .find(|(_, _, is_kept)| !is_kept)
        {
            Some((setting, rule, _)) => Err(ConnectError::new(setting, rule)),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "tls")]
fn encrypt(address: &mut Address, root: Option<&[u8]>) -> Result<(), ConnectError> {
    crate::tls::trust(&mut address.nodes, root)
}

/// No encrypted URL gets as far as here.
#[cfg(not(feature = "tls"))]
fn encrypt(_: &mut Address, _: Option<&[u8]>) -> Result<(), ConnectError> {
    Ok(())
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("namespace", &self.namespace)
            .field("generation", &self.generation)
            .field("lease", &self.lease)
            .field("keep_at_most", &self.keep_at_most)
            .field("budgets", &self.budgets)
            .finish_non_exhaustive()
    }
}

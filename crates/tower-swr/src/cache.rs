use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use tower_swr_core::{
    Cache, CacheBuilder, Clock, FarHealth, FarLog, FarStore, MemorySettings, Mode, Observer,
    Purged, QueueLimits, RemoteRefreshes, Rng, Spawn, Subject,
};

use crate::fields::CacheStatusTable;
use crate::key;
use crate::layer::CacheLayer;
use crate::no_vary_search;
use crate::query::{Counting, QueryRule};
use crate::response::{Held, Partial};
use crate::route::Scope;
use crate::settings::{FieldFamilies, Settings};
use crate::stats::Stats;

/// A cache of HTTP answers: the store, the flights and the state of every scope. Clones share it.
///
/// ```
/// use tower_swr::HttpCache;
///
/// let cache = HttpCache::in_memory(64 << 20); // bytes
/// let layer = cache.layer("report");
/// assert_eq!(cache.stats().hits, 0);
/// ```
#[derive(Clone)]
pub struct HttpCache {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) engine: Cache<Held, Partial>,
    pub(crate) status: &'static CacheStatusTable,
    fields: FieldFamilies,
    scopes: Mutex<HashMap<&'static str, Arc<Scope>>>,
}

impl HttpCache {
    /// A cache of `bytes` bytes in this process's memory: keys, heads and bodies with their overhead.
    ///
    /// # Panics
    ///
    /// For less than 64 KiB.
    #[must_use]
    #[track_caller]
    pub fn in_memory(bytes: usize) -> Self {
        Self::builder(MemorySettings::new(bytes)).build()
    }

    /// Begins a cache with settings of its own.
    ///
    /// ```
    /// use tower_swr::{HttpCache, MemorySettings};
    ///
    /// let memory = MemorySettings::new(512 << 20).with_largest_entry(8 << 20);
    /// let cache = HttpCache::builder(memory).name("edge").build();
    /// ```
    pub fn builder(memory: MemorySettings) -> HttpCacheBuilder {
        HttpCacheBuilder {
            engine: CacheBuilder::new(memory),
            name: "tower-swr",
            fields: FieldFamilies::default(),
        }
    }

    /// A layer for the routes of `scope`. The scope separates settings, statistics and purges.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// let layer = cache.layer("stocks").max_age(Duration::from_secs(5));
    /// ```
    ///
    /// # Panics
    ///
    /// For a name that is not 1 to 64 of `a`–`z`, `0`–`9`, `-` and `_`.
    #[track_caller]
    pub fn layer(&self, scope: &'static str) -> CacheLayer {
        assert!(
            is_scope_name(scope),
            "{scope:?} cannot name a scope: give 1 to 64 characters of a-z, 0-9, '-' and '_'"
        );
        CacheLayer::new(self.clone(), scope, Settings::new(self.shared.fields))
    }

    /// Removes the answers of `uri` from `scope`, all variants of it. Who waits for a running call gets its answer,
    /// but nobody joins it and nothing of it is stored.
    ///
    /// A URI without an authority (`/stocks/7?full`) means that path and query on whatever host; with one
    /// (`https://example.com/stocks/7`) that host alone, whatever the scheme. Clients keep what they have: see
    /// [`CacheLayer::client_max_age`].
    ///
    /// ```
    /// use http::Uri;
    ///
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.purge("stocks", &Uri::from_static("/stocks/7"));
    /// ```
    ///
    /// Where the cache has a [far side](HttpCacheBuilder::far), the other processes hear of it, too: what comes back tells
    /// how far it got, and need not be awaited. The same goes for the other purges. Which part of a query counts is for the
    /// layer to say: a process that has no layer of this scope, an admin's tool, takes all of it. Build the same layer
    /// there, or name the URI as that rule leaves it.
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge(&self, scope: &str, uri: &Uri) -> Purged {
        self.shared.engine.purge_each(self.subjects(scope, uri))
    }

    /// Removes all answers of `scope`.
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.purge_scope("stocks");
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge_scope(&self, scope: &str) -> Purged {
        self.shared.engine.purge(key::scope_subject(scope))
    }

    /// Removes all answers that carry the tag `name`, in all scopes. Answers are tagged by `Surrogate-Key`, `Cache-Tag`
    /// and `Cache-Groups` (RFC 9875), and by their handler with a [`CachePolicy`](crate::CachePolicy).
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.purge_tag("product-7");
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge_tag(&self, name: &str) -> Purged {
        self.shared.engine.purge(Subject::tag(name.as_bytes()))
    }

    /// Removes all answers. The cache then fills again a few calls of the handlers at a time: see
    /// [`HttpCacheBuilder::refills`]. Where old answers will do meanwhile, see [`HttpCache::soft_purge_all`].
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.purge_all();
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn purge_all(&self) -> Purged {
        self.shared.engine.purge_all()
    }

    /// Ends the freshness of the answers of `uri` in `scope`: what may be served stale is, at once, while one refresh
    /// runs behind; the rest is asked for anew, on condition that it has changed. `uri` is as for [`HttpCache::purge`].
    ///
    /// Other processes hear of it as they do of a [`purge`](HttpCache::purge).
    ///
    /// ```
    /// use http::Uri;
    ///
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.soft_purge("stocks", &Uri::from_static("/stocks/7"));
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge(&self, scope: &str, uri: &Uri) -> Purged {
        let subjects = self.subjects(scope, uri);
        self.shared.engine.soft_purge_each(subjects)
    }

    /// The same for all answers of `scope`.
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.soft_purge_scope("stocks");
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge_scope(&self, scope: &str) -> Purged {
        self.shared.engine.soft_purge(key::scope_subject(scope))
    }

    /// The same for all answers that carry the tag `name`: see [`HttpCache::purge_tag`].
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.soft_purge_tag("product-7");
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge_tag(&self, name: &str) -> Purged {
        self.shared.engine.soft_purge(Subject::tag(name.as_bytes()))
    }

    /// The same for all answers. What may be served stale is renewed no faster than refreshes may run, and for the rest the
    /// handlers are called a few at a time, as after [`HttpCache::purge_all`].
    ///
    /// ```
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.soft_purge_all();
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "it gets there whether it is awaited or not"
    )]
    pub fn soft_purge_all(&self) -> Purged {
        self.shared.engine.soft_purge_all()
    }

    /// Switches the whole cache, from the next request on; scopes that were switched themselves stay as they are.
    ///
    /// ```
    /// use tower_swr::Mode;
    ///
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// cache.mode(Mode::ServeStale);
    /// ```
    pub fn mode(&self, mode: Mode) {
        self.shared.engine.set_mode(mode);
    }

    /// Switches one scope, whatever the whole cache is switched to; `None` lets it follow the whole again. False where
    /// no layer of that scope has been applied.
    ///
    /// ```
    /// use tower_swr::Mode;
    ///
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// assert!(!cache.scope_mode("nobody", Some(Mode::Off)));
    /// ```
    #[allow(
        clippy::must_use_candidate,
        reason = "a scope that is not there needs no switch"
    )]
    pub fn scope_mode(&self, scope: &str, mode: Option<Mode>) -> bool {
        let scopes = self.scopes();
        let found = scopes.get(scope);
        if let Some(scope) = found {
            scope.set_mode(mode);
        }
        found.is_some()
    }

    /// For a shutdown: begins no more refreshes, and waits until the calls that run for shared answers have ended, at
    /// most for `deadline`: how many still run then. Call it once the server accepts no more requests.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
    /// let cache = tower_swr::HttpCache::in_memory(1 << 20);
    /// assert_eq!(cache.drain(Duration::from_secs(10)).await, 0);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// No refresh begins afterwards, whether the wait was dropped or not.
    pub async fn drain(&self, deadline: Duration) -> usize {
        self.shared.engine.drain(deadline).await
    }

    /// What has been counted since the start, and what is there now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let scopes = self.scopes();
        let counted = scopes.iter().map(|(name, scope)| (*name, scope.stats()));
        Stats::new(counted.collect(), &self.shared.engine.stats())
    }

    /// How the far side is doing; nothing where there is none.
    #[must_use]
    pub fn far_health(&self) -> Option<FarHealth> {
        self.shared.engine.far_health()
    }

    /// All that a purge of `uri` names, `uri` itself first.
    fn subjects(&self, scope: &str, uri: &Uri) -> Vec<Subject> {
        let known = self.scopes().get(scope).map(Arc::clone);
        if let Some(known) = known {
            return no_vary_search::equivalents(&known, uri, |counting| {
                key::subject(scope, uri, counting)
            });
        }
        let as_it_is = Counting {
            rule: &QueryRule::AsIs,
            under: None,
        };
        let mut subjects = vec![key::subject(scope, uri, as_it_is)];
        if no_vary_search::IS_ON && self.shared.engine.is_far() {
            // Others may know what this process does not.
            subjects.push(no_vary_search::any_of_path(scope, uri.path()));
        }
        subjects
    }

    /// The largest body that fits the store together with a key and a head.
    pub(crate) fn largest_body(&self) -> usize {
        let entry = self.shared.engine.largest_entry();
        entry - ROOM_BESIDE_BODY.min(entry / 2)
    }

    /// The state of `scope`, made on first use.
    ///
    /// # Panics
    ///
    /// Where the scope is there with other settings.
    #[track_caller]
    pub(crate) fn scope(&self, name: &'static str, settings: &Settings) -> Arc<Scope> {
        let mut scopes = self.scopes();
        let scope = Arc::clone(scopes.entry(name).or_insert_with(|| {
            let is_far = self.shared.engine.is_far();
            Arc::new(Scope::new(
                name,
                settings.clone(),
                self.largest_body(),
                is_far,
            ))
        }));
        drop(scopes);
        assert!(
            scope.settings() == settings,
            "two layers of scope {name:?} have different settings: give one of them a name of its own"
        );
        scope
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn scopes(&self) -> MutexGuard<'_, HashMap<&'static str, Arc<Scope>>> {
        self.shared
            .scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is left for key and head in the largest entry, in bytes: a usual head weighs three thousand.
const ROOM_BESIDE_BODY: usize = 8 << 10;

fn is_scope_name(name: &str) -> bool {
    let allowed = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

impl fmt::Debug for HttpCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpCache")
            .field("engine", &self.shared.engine)
            .finish_non_exhaustive()
    }
}

/// Builds an [`HttpCache`] with settings of its own.
#[derive(Clone, Debug)]
#[must_use = "nothing is built until `build` is called"]
pub struct HttpCacheBuilder {
    engine: CacheBuilder,
    name: &'static str,
    fields: FieldFamilies,
}

impl HttpCacheBuilder {
    /// What the cache calls itself in `Cache-Status` (RFC 9211 section 2). Default `tower-swr`.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).name("edge-1").build();
    /// ```
    ///
    /// # Panics
    ///
    /// For a name that is no token: 1 to 64 of letters, digits, `-`, `_` and `.`, a letter first.
    #[track_caller]
    pub fn name(mut self, name: &'static str) -> Self {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        assert!(
            name.len() <= 64
                && name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(allowed),
            "{name:?} cannot name a cache: give 1 to 64 letters, digits, '-', '_' and '.', a letter first"
        );
        self.name = name;
        self
    }

    /// How many refreshes run and wait in all scopes together, and how many wait of one scope. Default 64, 1024 and 256.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings, QueueLimits};
    /// let limits = QueueLimits { running: 8, ..QueueLimits::default() };
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).refreshes(limits).build();
    /// ```
    ///
    /// # Panics
    ///
    /// Where none may run or none may wait.
    #[track_caller]
    pub fn refreshes(mut self, limits: QueueLimits) -> Self {
        self.engine = self.engine.refreshes(limits);
        self
    }

    /// How many calls of the handlers run at one time while the cache fills again after [`HttpCache::purge_all`], which
    /// turns everything into misses at once: until as many calls were made as there were entries, for a minute at most.
    /// Default 64; with 0, one does. Who waits for an answer waits for its turn, too, until their deadline.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).refills(8).build();
    /// ```
    pub fn refills(mut self, at_one_time: usize) -> Self {
        self.engine = self.engine.refills(at_one_time);
        self
    }

    /// Whether answers say `X-Cache`, `X-Cache-Key` and `X-Query-Time-ms`, where a route does not decide for itself.
    /// Default: yes.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).x_cache(false).build();
    /// ```
    pub fn x_cache(mut self, on: bool) -> Self {
        self.fields.x_cache = on;
        self
    }

    /// Whether answers say `Cache-Status`, where a route does not decide for itself. Default: yes.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).cache_status(false).build();
    /// ```
    pub fn cache_status(mut self, on: bool) -> Self {
        self.fields.cache_status = on;
        self
    }

    /// Whether answers stored under the layers' own lifetimes say so in `Cache-Control`, where a route does not decide
    /// for itself. Default: yes.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// let cache = HttpCache::builder(MemorySettings::new(1 << 20)).cache_control(false).build();
    /// ```
    pub fn cache_control(mut self, on: bool) -> Self {
        self.fields.cache_control = on;
        self
    }

    /// What is shared with other processes: answers, the right to call a handler, and what is purged. With it, a handler is
    /// called once per key and refresh in all of them together, and a purge or an unsafe request in one is seen by the next
    /// request in every other. Whatever goes wrong over there, each process goes on as it would alone.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// # use tower_swr_core::testing::FarServer;
    /// # let redis = FarServer::default().node();
    /// // `redis` is a `tower_swr_redis::Redis`, or anything else that implements the ports of `tower_swr_core`.
    /// let cache = HttpCache::builder(MemorySettings::new(64 << 20)).far(redis).build();
    /// assert!(cache.far_health().is_some());
    /// ```
    pub fn far<F: FarStore + FarLog>(mut self, far: F) -> Self {
        self.engine = self.engine.far(far);
        self
    }

    /// The largest answer that is written for other processes, in bytes, head and key included. Default 1 MiB. What is larger
    /// stays in this process, and each other one calls for its own. Call it after [`HttpCacheBuilder::far`].
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// # use tower_swr_core::testing::FarServer;
    /// # let redis = FarServer::default().node();
    /// let cache = HttpCache::builder(MemorySettings::new(64 << 20)).far(redis).far_limit(256 << 10).build();
    /// ```
    pub fn far_limit(mut self, bytes: usize) -> Self {
        self.engine = self.engine.far_limit(bytes);
        self
    }

    /// How long anything is served while the invalidation log cannot be followed, and others may have purged it unheard.
    /// Default no limit but its own lifetime: a limit that ends all of it at once takes the memory away when it is needed most.
    /// With one, the memory is emptied each time that so much has passed without the log; what is then asked for goes to the
    /// origin a few calls at a time, as after [`HttpCache::purge_all`]. So nothing is served for longer than this after it
    /// was purged elsewhere, and as long as it takes to notice that the log is out of reach. It should be several times as
    /// long as the slowest handler takes: an answer that comes after the memory was emptied is not kept. At least a second.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// # use tower_swr_core::testing::FarServer;
    /// # let redis = FarServer::default().node();
    /// let builder = HttpCache::builder(MemorySettings::new(64 << 20)).far(redis);
    /// let cache = builder.max_suspect(Duration::from_secs(30)).build();
    /// ```
    ///
    /// # Panics
    ///
    /// For less than a second.
    #[track_caller]
    pub fn max_suspect(mut self, span: Duration) -> Self {
        self.engine = self.engine.max_suspect(span);
        self
    }

    /// Where refreshes are left to processes that run a [`RefreshWorker`](crate::RefreshWorker): the queue that they take them
    /// from, such as the `tower_swr_redis::Redis` that is the [far side](Self::far), too. Default nowhere.
    ///
    /// While a worker is there, a stale answer is renewed by it, and taken from the far side; where none is, or the queue is
    /// away, or nothing has come of it for five seconds, this process renews it, as it would without. Nobody waits in either
    /// case. A worker is told the URI and the fields that are on [a list](crate::CacheLayer::refresh_fields), and no more: what
    /// depends on more is refreshed here. A miss is never left to a worker.
    ///
    /// ```
    /// # use tower_swr::{HttpCache, MemorySettings};
    /// # use tower_swr_core::testing::FarServer;
    /// # let redis = FarServer::default().node();
    /// let builder = HttpCache::builder(MemorySettings::new(64 << 20)).far(redis.clone());
    /// let cache = builder.remote_refreshes(redis).build();
    /// ```
    pub fn remote_refreshes(mut self, queue: impl RemoteRefreshes) -> Self {
        self.engine = self.engine.remote_refreshes(queue);
        self
    }

    /// Where the time is read. Default: the machine's clocks, through tokio.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.engine = self.engine.clock(clock);
        self
    }

    /// Where the dice for jitter and back-off are rolled.
    pub fn rng(mut self, rng: impl Rng) -> Self {
        self.engine = self.engine.rng(rng);
        self
    }

    /// Where fills and refreshes run. Default: on the tokio runtime of the request.
    pub fn spawn(mut self, spawn: impl Spawn) -> Self {
        self.engine = self.engine.spawn(spawn);
        self
    }

    /// Who hears of events.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.engine = self.engine.observer(observer);
        self
    }

    /// The cache.
    ///
    /// # Panics
    ///
    /// Where [`remote_refreshes`](Self::remote_refreshes) are set, but no [far side](Self::far): nobody would find what a
    /// worker has made.
    #[must_use]
    #[track_caller]
    pub fn build(self) -> HttpCache {
        HttpCache {
            shared: Arc::new(Shared {
                engine: self.engine.build(),
                status: CacheStatusTable::of(self.name),
                fields: self.fields,
                scopes: Mutex::default(),
            }),
        }
    }
}

//! Redis and Valkey behind tower-swr: the ports of `tower_swr_core` for processes that share a server.
//!
//! ```
//! use tower_swr_redis::Redis;
//!
//! # tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
//! // Fails for a bad URL only, and never waits for the network.
//! let redis = Redis::connect("redis://localhost")?;
//! let _elsewhere = Redis::builder("redis://cache:6379").namespace("shop").connect()?;
//! # drop(redis);
//! # Ok::<_, tower_swr_redis::ConnectError>(()) }).expect("both are sound");
//! ```
//!
//! A handle is a [`FarStore`](tower_swr_core::FarStore), a [`FarLog`](tower_swr_core::FarLog) and the
//! [`RemoteRefreshes`](tower_swr_core::RemoteRefreshes) of worker processes. Nothing that goes wrong
//! with the server is ever worth a failed request: every step answers within its budget, and at once while the server is
//! known to be away. Those who must know at once whether it is there ask [`Redis::ready`].
//!
//! # What lies on the server
//!
//! | name | what |
//! |---|---|
//! | `{<ns>:w1:<32 hex digits>}:v` | the value of a primary key; `:v.<32 hex digits>` of its variants |
//! | `{<ns>:w1:<32 hex digits>}:refresh` | who calls the origin for it; `:refresh.<32 hex digits>` for its variants |
//! | `{<ns>:w1:<32 hex digits>}:fence` | what changes when it is purged: the leases of its variants end with that, too |
//! | `<ns>:w1:done` | a channel: what ends a wait |
//! | `<ns>:inv` | a stream: what was invalidated, some 10,000 entries |
//! | `<ns>:tag:{<34 hex digits>}` | where in the stream the last invalidation of a subject is |
//! | `<ns>:swept` | up to where in the stream all of that is written |
//! | `{<ns>:w1:q}:s`, `:later`, `:dead` | streams of refreshes that wait and that were given up, and a set of those put off |
//! | `{<ns>:w1:q}:d:<32 hex digits>` | a refresh of this key waits or runs |
//! | `{<ns>:w1:q}:w` | somebody works refreshes off; for three seconds |
//!
//! `w1` is the wire format, so that two releases side by side do not overwrite each other. Nothing else is read or written,
//! no key is searched for and nothing is flushed, so that others may use the same server. A user restricted by an ACL needs
//! `~<ns>:* ~{<ns>:* &<ns>:*` and the commands `GET SET DEL EXISTS GETRANGE PTTL PEXPIRE EVALSHA SCRIPT|LOAD PUBLISH
//! SUBSCRIBE PING TIME XADD XRANGE XREAD XINFO|STREAM INFO`; for the refreshes `XREADGROUP XGROUP|CREATE
//! XGROUP|DELCONSUMER XINFO|CONSUMERS XACK XDEL XPENDING XAUTOCLAIM ZADD ZREM ZRANGEBYSCORE`, too, and `SELECT` for another database than the first.
//!
//! # Where servers are
//!
//! | URL | what it reaches | feature |
//! |---|---|---|
//! | `redis://[user:password@]host[:port][/database]` | one server | |
//! | `redis-cluster://[user:password@]host:port,host:port…` | the servers of a Cluster, of which it names some | `cluster` |
//! | `redis-sentinel://[user:password@]host:port,…/master[/database]` | the master that Sentinels name, and the next one
//! | `sentinel` |
//! | `rediss://…`, `rediss-cluster://…`, `rediss-sentinel://…` | the same, encrypted | `tls` |
//!
//! Of several servers any may be away: each time another is asked first. In a Cluster one master that dies takes its part of
//! the keys along until the Cluster has put another in its place: steps on those fail within their budgets, others go on. A
//! Cluster's user needs `CLUSTER|SLOTS CLUSTER|KEYSLOT`, too, and one of a master with Sentinels needs `ROLE`. Sentinels
//! themselves are asked without a password. Masters of a Cluster tell the time each by its own clock: keep their clocks
//! together.
//!
//! Encrypted, a server is trusted by what the system trusts, or by what `RedisBuilder::root_certificate` says. One that is
//! not is not spoken to: it counts as away, and [`RedisHealth::connection`] says why.
//!
//! # What to set on the server
//!
//! `maxmemory-policy noeviction`, and memory enough: a full server refuses new values, and those that are there are served.
//! Everything but the stream is written with a time to live, so what nobody needs goes by itself.
//!
//! Any other policy may evict what an invalidation leaves behind, which is seldom read and so goes first. `volatile-*` takes
//! what is noted beside the stream. Nodes that see such a policy when they connect do not trust what is missing there: they
//! take no value that is older than the stream, and than they are themselves, which costs calls of the origin after every
//! restart. It may also take a fence, and with it the reason to refuse a variant whose call began before a purge; the value
//! is then refused by whoever remembers the purge. `allkeys-*` takes the stream, too: a node that was disconnected meanwhile
//! clears what it keeps, and what it purged itself before may be forgotten.
//!
//! After a restart from an old dump, and after a failover that lost what was written last, each node records again what it
//! knows to have been invalidated and the server does not. A server that comes back empty is told that all is invalid, once
//! by each.
//!
//! # When not to use it
//!
//! For one process: the memory of the engine is nearer. For values that must never be lost: this is a cache.

mod address;
mod budget;
mod builder;
#[cfg(feature = "cluster")]
mod cluster;
mod connection;
mod dialer;
mod doubt;
mod error;
mod handle;
mod invalidation;
mod job;
mod keyspace;
mod lease;
mod line;
mod queue;
mod reader;
mod record;
mod script;
#[cfg(feature = "sentinel")]
mod sentinel;
mod stamps;
mod store;
mod supervisor;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod wakeup;

pub use builder::RedisBuilder;
pub use error::ConnectError;
pub use handle::{Redis, RedisHealth};

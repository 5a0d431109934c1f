//! What can be set on the command line or in the environment.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::Parser;
use tower_swr::{HttpCache, MemorySettings};
use tower_swr_redis::Redis;
use tracing_subscriber::EnvFilter;

use crate::origin_address::OriginAddress;
use crate::redis_url::RedisUrl;
use crate::via::is_pseudonym;

/// A caching reverse proxy in front of one origin.
///
/// It honours what the origin says about caching and adds no lifetime of its own unless it is asked to.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "REVERSE_PROXY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,

    /// The server to ask, over HTTP/1.1 without encryption.
    #[arg(long, env = "REVERSE_PROXY_ORIGIN", value_name = "URL")]
    pub origin: OriginAddress,

    /// How much memory kept answers may take: bytes, or with K, M or G.
    #[arg(long, env = "REVERSE_PROXY_MEMORY", value_name = "SIZE", default_value = "256M", value_parser = memory)]
    pub memory: usize,

    /// The largest answer that is kept, at most an eighth of the memory; larger ones are handed on.
    #[arg(long, env = "REVERSE_PROXY_LARGEST", value_name = "SIZE", default_value = "1M", value_parser = size)]
    pub largest: usize,

    /// How long an answer of status 200 is fresh that does not say so itself, in seconds; 0 leaves it at what Last-Modified tells.
    #[arg(long, env = "REVERSE_PROXY_MAX_AGE", value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub max_age: Duration,

    /// How long after that it is served at once while one refresh runs, in seconds, where the origin does not say.
    #[arg(long, env = "REVERSE_PROXY_STALE_WHILE_REVALIDATE", value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    pub stale_while_revalidate: Duration,

    /// How long after that it stands in for an origin that fails, in seconds, where the origin neither says nor forbids.
    // RFC 9111 section 4.2.4 lets a cache that is cut off serve what is stale unless that is forbidden.
    #[arg(long, env = "REVERSE_PROXY_STALE_IF_ERROR", value_name = "SECONDS", default_value = "86400", value_parser = seconds)]
    pub stale_if_error: Duration,

    /// Send requests with cookies past the cache, for an origin that forgets to say `private` or `Vary: Cookie`.
    #[arg(long, env = "REVERSE_PROXY_BYPASS_COOKIES")]
    pub bypass_cookies: bool,

    /// How long a client waits where an older answer may stand in, in seconds.
    #[arg(long, env = "REVERSE_PROXY_SOFT_TIMEOUT", value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub soft_timeout: Duration,

    /// How long a connection to the origin may take to open, in seconds.
    #[arg(long, env = "REVERSE_PROXY_CONNECT_TIMEOUT", value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub connect_timeout: Duration,

    /// How long the origin may take to begin its answer once it has the request, in seconds.
    #[arg(long, env = "REVERSE_PROXY_ORIGIN_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = some_seconds)]
    pub origin_timeout: Duration,

    /// How long a body of the origin may pause that is kept or shared, and how long a tunnel may be silent, in seconds.
    #[arg(long, env = "REVERSE_PROXY_IDLE_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    pub idle_timeout: Duration,

    /// How many requests may be with the origin at a time, their answers not yet read; others wait, and are answered with
    /// 503 in the end.
    #[arg(long, env = "REVERSE_PROXY_ORIGIN_CALLS", value_name = "NUMBER", default_value = "1024", value_parser = some)]
    pub origin_calls: usize,

    /// How many clients may be connected at a time; others wait until one has left.
    #[arg(long, env = "REVERSE_PROXY_CONNECTIONS", value_name = "NUMBER", default_value = "4096", value_parser = some)]
    pub connections: usize,

    /// How long a client may take to send the head of its next request, or to take some more of its answer, in seconds.
    #[arg(long, env = "REVERSE_PROXY_CLIENT_TIMEOUT", value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    pub client_timeout: Duration,

    /// How long requests under way, and then refreshes, may take to end when the proxy stops, in seconds.
    #[arg(long, env = "REVERSE_PROXY_STOP_TIMEOUT", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub stop_timeout: Duration,

    /// What the proxy calls itself in Via; each run adds a number of its own, by which it knows requests that come back.
    #[arg(long, env = "REVERSE_PROXY_NAME", value_name = "NAME", default_value = "tower-swr", value_parser = name)]
    pub name: String,

    /// A Redis or Valkey server, to share answers with the other proxies that name it:
    /// `redis://[user:password@]host[:port][/database]`. Built with the features `tls`, `cluster` and `sentinel`, the proxy
    /// takes `rediss://`, `redis-cluster://` and `redis-sentinel://`, too.
    // The value may hold a password, which --help must not print.
    #[arg(long, env = "REVERSE_PROXY_REDIS", hide_env_values = true, value_name = "URL", value_parser = RedisUrl)]
    pub redis: Option<Redis>,

    /// What to log, as tracing-subscriber's filter directives; a line per request is `reverse_proxy::access=info`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: String,
}

impl Settings {
    /// The cache, shared with other proxies where a Redis is named.
    #[must_use]
    pub fn cache(&self) -> HttpCache {
        let builder = HttpCache::builder(self.store());
        match &self.redis {
            Some(redis) => builder.far(redis.clone()).far_limit(self.largest).build(),
            None => builder.build(),
        }
    }

    /// The store of the cache.
    #[must_use]
    pub fn store(&self) -> MemorySettings {
        MemorySettings::new(self.memory).with_largest_entry(self.largest_kept())
    }

    /// The largest answer that is kept, in bytes: what was asked for, as far as the memory allows.
    pub(crate) fn largest_kept(&self) -> usize {
        self.largest.clamp(1, self.memory / 8)
    }
}

/// Names are resolved too, since everybody writes `localhost:8080` sooner or later.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let unknown = "give an address and a port such as 127.0.0.1:8080";
    text.to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .ok_or(unknown)
}

fn size(text: &str) -> Result<usize, &'static str> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<usize>().ok().filter(|number| *number > 0);
    number
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or("give a number of bytes above 0, or one with K, M or G such as 64M")
}

fn memory(text: &str) -> Result<usize, &'static str> {
    match size(text)? {
        small if small < 64 << 10 => Err("give at least 64K, or nothing worth keeping fits"),
        bytes => Ok(bytes),
    }
}

fn some(text: &str) -> Result<usize, &'static str> {
    let number = text.parse::<usize>().ok().filter(|number| *number > 0);
    number.ok_or("give a number above 0, such as 4096")
}

/// Longer spans mean the same, and sums of them are no trouble.
const LONGEST: f64 = 1e9;

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| *number <= LONGEST)
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or("give seconds such as 60 or 0.5, or 0 for none")
}

fn some_seconds(text: &str) -> Result<Duration, &'static str> {
    let span = seconds(text).ok().filter(|span| !span.is_zero());
    span.ok_or("give seconds above 0, such as 30 or 0.5")
}

fn name(text: &str) -> Result<String, &'static str> {
    is_pseudonym(text)
        .then(|| text.to_owned())
        .ok_or("give 1 to 64 letters, digits, '-', '_' and '.'")
}

/// Checked here, where the message can name the value; the filter itself cannot be cloned.
fn log_filter(text: &str) -> Result<String, &'static str> {
    let checked = EnvFilter::builder().parse(text);
    checked
        .map(|_| text.to_owned())
        .map_err(|_| "give a level or directives such as warn or warn,reverse_proxy::access=info")
}

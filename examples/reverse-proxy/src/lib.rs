//! A caching reverse proxy: the `tower-swr` layer between a hyper server and a pool of connections to one origin.
//!
//! It keeps what the origin allows a shared cache to keep, for as long as the origin says, asks once however many wait
//! for the same answer, and stands in for the origin while that is down. Everything else it hands on as it is, in both
//! directions and while it arrives: bodies, trailers, other protocols after an upgrade.
//!
//! A request goes through three rooms: `front` puts it in order (whom it is for, what ends at this hop, who sent it), the
//! layer answers it from memory or joins it to others that want the same, and `origin` asks the origin.
//!
//! It is a program (`cargo run --release -p reverse-proxy -- --origin http://127.0.0.1:8000`) and a library, so that
//! tests can run a [`Proxy`] on a free port.

mod access;
mod calls;
mod client;
mod forwarded;
mod front;
mod hop_by_hop;
mod interim;
mod line;
mod max_forwards;
mod origin;
mod origin_address;
mod problem;
mod progress;
mod proxy;
mod redis_url;
mod seat;
mod server;
mod settings;
mod stop;
mod target;
mod tunnel;
mod via;

pub use origin_address::{OriginAddress, ParseOriginError};
pub use proxy::Proxy;
pub use server::{ServeError, serve};
pub use settings::Settings;
pub use stop::stop_signal;

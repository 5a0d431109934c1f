//! Whole-house stories over real sockets. One program for all of them, since each would compile the servers and the
//! clients anew.

mod cut;
mod expiry;
mod head;
mod leader;
mod pipelining;
mod proxy;
mod purge;
mod shutdown;
mod stampede;
mod streaming;
mod trouble;
mod uncacheable;
mod users;

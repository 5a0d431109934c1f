//! Doubles of what lies beyond the process.

mod contracts;
mod lease;
mod log;
mod node;
mod queue_contract;
mod refreshes;
mod server;

pub use contracts::{far_store_contract, lease_contract, log_contract};
pub use node::{FarFault, FarNode};
pub use queue_contract::{declining_contract, remote_queue_contract};
pub use server::{FarServer, LeaseSpan};

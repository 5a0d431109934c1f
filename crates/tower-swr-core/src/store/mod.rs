//! Where entries are kept.

mod memory;

pub use memory::MemorySettings;
pub(crate) use memory::MemoryStore;

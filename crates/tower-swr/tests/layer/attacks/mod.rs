//! Known attacks on caches, and what they get here.

mod clocks;
mod deception;
mod errors;
mod floods;
mod variants;

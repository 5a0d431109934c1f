//! `No-Vary-Search`: what of a query makes no difference, as the handler's answers say it (feature `no-vary-search`).
//!
//! The rules are those of draft-ietf-httpbis-no-vary-search-10, the text that was approved for publication. A [`Variation`]
//! is what one answer says; two URIs are equivalent under it if they differ in nothing else but what it ignores. An answer
//! that has one is kept under a key that all equivalent URIs have in common (the [`canonical`](Variation::canonical) form
//! stands in place of the query), so that however many of them clients make up, there is one answer.
//!
//! Which variations the answers of a path had last is remembered per scope, in [`Searches`]. That memory is a hint: it says
//! where to look, and where to fly, once the URI's own key has nothing. What is found there has the variation that its key
//! was made by, so it covers whoever finds it, whatever has been forgotten or learned meanwhile. A variation that was forgotten
//! and is learned again makes other keys than before: no purge named what was kept under it meanwhile.
//!
//! All of it is compiled whatever the features are, so that no build goes unseen; [`IS_ON`] says whether it is used.

mod modulo;
mod searches;
mod variation;

pub(crate) use modulo::{CallHead, any_of_path, equivalents, heed, look, look_as, sent};
pub(crate) use searches::Searches;
pub(crate) use variation::Variation;

/// Whether the feature is there. A constant: without it, what asks is gone from the program.
pub(crate) const IS_ON: bool = cfg!(feature = "no-vary-search");

//! What the fuzz targets share: input as lines of fields, the layer before an origin that always answers alike, and what
//! must hold of every answer.
//!
//! Nothing here waits or opens a socket: the clock stands still until it is moved, and all of one input runs on the
//! thread that brought it.

mod check;
mod input;
mod play;
mod work;

pub use check::{check, is_one_clients};
pub use input::{Input, lines};
pub use play::{Answer, BODY, Layers, play};
pub use work::{job_of, left, work_off};

//! Whether this process may open enough sockets.

use std::fs;

/// Fails at once, and says what to do, where this process may not have `wanted` files and sockets open at a time:
/// later a server would silently stop to accept.
pub fn require_descriptors(wanted: usize) {
    let Some(allowed) = allowed() else { return };
    assert!(
        allowed >= wanted,
        "this story needs {wanted} file descriptors, and this process may have {allowed}: \
         run `ulimit -n {wanted}` first, as ./tests/run does"
    );
}

/// The soft limit, where the system tells and there is one. Elsewhere who runs out of descriptors will see.
fn allowed() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

//! Leases that may be held although nobody holds them: what was asked of the server last may take effect after its answer
//! was given up, and then the mutex would hold everybody up until it runs out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::ScriptInvocation;
use tower_swr_core::FarError;

use crate::connection::Link;
use crate::lease::Grounds;
use crate::script::RELEASE;

/// Leases that are remembered. Beyond that the oldest are left to run out by themselves.
const MOST_DOUBTS: usize = 1024;
/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// So often the server has to say that it does not know the lease: what was sent on a connection that is gone may be read
/// after what is said on its successor.
const LOOKS: u32 = 3;

/// Gives one lease back: the mutex is free again if it holds this token.
#[derive(Clone)]
pub(crate) struct Release {
    pub(crate) mutex: String,
    pub(crate) fence: String,
    pub(crate) token: Vec<u8>,
    pub(crate) channel: String,
    pub(crate) message: Vec<u8>,
    /// That the server does not know it now does not say that it never will.
    pub(crate) is_in_doubt: bool,
}

impl Release {
    fn script(&self) -> ScriptInvocation<'static> {
        let mut script = RELEASE.prepare_invoke();
        script.key(&self.mutex).key(&self.fence).arg(&self.token);
        script.arg(&self.channel).arg(&self.message);
        script
    }

    /// True where the mutex held the token.
    pub(crate) async fn send(&self, link: &Link) -> Result<bool, FarError> {
        let released: u8 = link.change("release", self.script()).await?;
        Ok(released == 1)
    }
}

/// What could not be given back yet.
#[derive(Default)]
pub(crate) struct Doubts {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    doubts: VecDeque<Doubt>,
    /// Somebody sees to it that they are settled.
    is_watched: bool,
}

struct Doubt {
    release: Release,
    looks: u32,
}

impl Doubts {
    /// Remembers `release`. True where nobody sees to it yet, and the caller has to.
    fn add(&self, release: Release) -> bool {
        let mut state = self.state();
        if state.doubts.len() == MOST_DOUBTS {
            state.doubts.pop_front();
        }
        state.doubts.push_back(Doubt { release, looks: 0 });
        !std::mem::replace(&mut state.is_watched, true)
    }

    /// True where there are none, and nobody sees to them any more.
    fn are_settled(&self) -> bool {
        let mut state = self.state();
        state.is_watched = !state.doubts.is_empty();
        !state.is_watched
    }

    /// Sends each once, as long as the server answers.
    async fn settle(&self, link: &Link) {
        let mut left = self.state().doubts.len();
        while left > 0 && link.is_up() {
            left -= 1;
            let Some(mut doubt) = self.state().doubts.pop_front() else {
                return;
            };
            match doubt.release.send(link).await {
                Ok(true) => continue,
                Ok(false) => doubt.looks += 1,
                Err(reason) if is_decided(&reason) => continue,
                Err(_) => left = 0,
            }
            if doubt.looks < LOOKS {
                self.state().doubts.push_back(doubt);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many there are, and not the tokens.
impl std::fmt::Debug for Doubts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Doubts({})", self.state().doubts.len())
    }
}

/// Gives a lease back now, or once the server is there again as long as the handle lives.
pub(crate) async fn give_back(grounds: Arc<Grounds>, release: Release) {
    let is_settled = match release.send(&grounds.link).await {
        Ok(is_released) => is_released || !release.is_in_doubt,
        Err(reason) => is_decided(&reason),
    };
    if is_settled || !grounds.doubts.add(release) {
        return;
    }
    let clock = Arc::clone(&grounds.link.ports().clock);
    let handle = Arc::downgrade(&grounds);
    drop(grounds);
    loop {
        clock.sleep(PAUSE).await;
        let Some(grounds) = handle.upgrade() else {
            return;
        };
        grounds.doubts.settle(&grounds.link).await;
        if grounds.doubts.are_settled() {
            return;
        }
    }
}

/// The server has answered, and would answer the same again: whoever may not give a lease back was not given one.
fn is_decided(reason: &FarError) -> bool {
    !matches!(
        reason,
        FarError::TimedOut { .. } | FarError::Disconnected | FarError::Unavailable
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_are_bounded_and_one_sees_to_all() {
        let doubts = Doubts::default();
        let release = || Release {
            mutex: String::new(),
            fence: String::new(),
            token: b"secret".to_vec(),
            channel: String::new(),
            message: Vec::new(),
            is_in_doubt: true,
        };
        assert!(doubts.add(release()));
        for _ in 0..MOST_DOUBTS {
            assert!(!doubts.add(release()));
        }
        assert_eq!(format!("{doubts:?}"), format!("Doubts({MOST_DOUBTS})"));
        assert!(!doubts.are_settled());
        doubts.state().doubts.clear();
        assert!(doubts.are_settled());
        assert!(doubts.add(release()));
    }
}

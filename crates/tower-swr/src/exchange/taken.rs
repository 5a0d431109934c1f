//! What a look-up found, after the client had its say.

use tower_swr_core::{Look, Mode, Purpose};

use crate::question::Asked;
use crate::respond::Grounds;
use crate::response::Held;
use crate::route::Route;

/// What was found, as far as the client will take it.
pub(super) struct Taken {
    pub(super) look: Look<Held>,
    /// What to ask the origin for, where that is not enough.
    pub(super) purpose: Purpose,
    /// On what grounds it is served, where it is enough.
    pub(super) grounds: Grounds,
}

impl Taken {
    pub(super) fn of(look: Look<Held>, route: &Route, asked: &Asked) -> Self {
        // Where the operator wants the origin to be left alone, no client decides otherwise.
        let is_heard = route.mode() != Mode::ServeStale;
        let Some(control) = asked.control.as_deref().filter(|_| is_heard) else {
            return Self::as_found(look);
        };
        let now = route.shared.engine.now();
        match look {
            // What was made for this request, or while it waited, is as new as can be.
            Look::Serve { entry, age, .. }
                if age >= asked.took(now) && !control.accepts(&entry.lifetime(), age) =>
            {
                let (old, fallback) = (Some(entry), false);
                Self {
                    purpose: Purpose::Revalidate,
                    ..Self::as_found(Look::Fetch { old, fallback })
                }
            }
            Look::Fetch {
                old: Some(entry), ..
            } if control.accepts_stale(&entry.lifetime(), entry.age(now)) => {
                let (age, refresh) = (entry.age(now), false);
                let look = Look::Serve {
                    entry,
                    age,
                    refresh,
                };
                Self {
                    grounds: Grounds::MaxStale,
                    ..Self::as_found(look)
                }
            }
            look => Self::as_found(look),
        }
    }

    fn as_found(look: Look<Held>) -> Self {
        Self {
            look,
            purpose: Purpose::Miss,
            grounds: Grounds::Kept,
        }
    }
}

//! One scope's settings and state, and the handle on them that a service holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use http::HeaderName;
use tower_swr_core::{FarCodec, Fill, FlightPolicy, KeyRef, KeyText, Look, Mode, Moment, Refresh};

use crate::cache::{HttpCache, Shared};
use crate::far::HeldCodec;
use crate::key;
use crate::no_vary_search::Searches;
use crate::question::Asked;
use crate::request::{self, Bypass};
use crate::response::{Held, Partial};
use crate::settings::{CookieRule, Settings};
use crate::stats::{Counters, ScopeStats};

/// What a [`CacheService`](crate::CacheService) needs of its cache.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) shared: Arc<Shared>,
    pub(crate) scope: Arc<Scope>,
    /// How answers are written for other processes, where there are any.
    codec: Option<Arc<dyn FarCodec<Held>>>,
}

/// A scope: settings, statistics and a switch. There is one per name and cache, however many layers there are.
pub(crate) struct Scope {
    pub(crate) name: &'static str,
    /// How each of its keys begins: a copy is ready to be written on.
    pub(crate) key: KeyText,
    settings: Settings,
    pub(crate) policy: Arc<FlightPolicy>,
    /// The largest body that is kept.
    pub(crate) max_body: usize,
    /// Request fields that `Vary` need not tell apart: see [`Settings::settled_fields`].
    pub(crate) settled: Vec<HeaderName>,
    /// What its answers have said of queries.
    pub(crate) searches: Searches,
    /// Whether other processes share its answers.
    pub(crate) is_far: bool,
    pub(crate) counters: Counters,
    mode: AtomicU8,
    warned_of_cookies: AtomicBool,
    warned_of_authorization: AtomicBool,
    warned_of_bodies: AtomicBool,
}

/// The scope goes with the whole cache.
const INHERITED: u8 = u8::MAX;

impl Route {
    #[track_caller]
    pub(crate) fn new(cache: &HttpCache, scope: &'static str, settings: &Settings) -> Self {
        let (shared, scope) = (Arc::clone(cache.shared()), cache.scope(scope, settings));
        let codec = shared.engine.is_far().then(|| HeldCodec::of(&scope));
        Self {
            shared,
            scope,
            codec,
        }
    }

    /// Whether other processes are asked before the handler is.
    pub(crate) fn is_far(&self) -> bool {
        self.codec.is_some()
    }

    /// Lets `fill` ask other processes, where there are any.
    pub(crate) fn through(&self, fill: Fill<Held, Partial>) -> Fill<Held, Partial> {
        match &self.codec {
            Some(codec) => fill.through(codec),
            None => fill,
        }
    }

    /// The right to refresh what a request was answered with, unless somebody has it.
    pub(crate) fn reserve_refresh(&self, key: &KeyRef<'_>, asked: &Asked) -> Option<Refresh> {
        match self.is_head_alone(asked) {
            true => None,
            false => (self.shared.engine).reserve_refresh(key, &self.scope.policy),
        }
    }

    /// Whether it is a `HEAD` that cannot stand in for a `GET`, for which a route may have another handler.
    pub(crate) fn is_head_alone(&self, asked: &Asked) -> bool {
        asked.head_only && !self.scope.settings().head_as_get
    }

    /// What is kept under the key that is written.
    #[inline]
    pub(crate) fn look(&self, text: &KeyText, now: Moment) -> Look<Held> {
        self.shared.engine.look(&text.key(), self.mode(), now)
    }

    /// How the route is switched now.
    #[inline]
    pub(crate) fn mode(&self) -> Mode {
        match self.scope.mode.load(Ordering::Relaxed) {
            INHERITED => self.shared.engine.mode(),
            own => mode_of(own),
        }
    }
}

impl Scope {
    pub(crate) fn new(
        name: &'static str,
        settings: Settings,
        largest_body: usize,
        is_far: bool,
    ) -> Self {
        let mut settled = settings.settled_fields();
        settled.extend(request::removed_fields());
        settled.extend(key::keyed_fields());
        Self {
            name,
            key: KeyText::new(name),
            policy: Arc::new(settings.flights),
            max_body: settings.max_body.unwrap_or(largest_body),
            settled,
            settings,
            searches: Searches::new(is_far),
            is_far,
            counters: Counters::default(),
            mode: AtomicU8::new(INHERITED),
            warned_of_cookies: AtomicBool::new(false),
            warned_of_authorization: AtomicBool::new(false),
            warned_of_bodies: AtomicBool::new(false),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn set_mode(&self, mode: Option<Mode>) {
        let bits = mode.map_or(INHERITED, |mode| mode as u8);
        self.mode.store(bits, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> ScopeStats {
        self.counters.stats()
    }

    /// Counts a bypass, and says once, aloud, what to do about one that the settings may not have meant.
    pub(crate) fn bypassed(&self, reason: Bypass) {
        self.counters.count_bypass(reason);
        let (warned, remedy) = match reason {
            // Under any other rule it is what the layer asked for.
            Bypass::Cookie if self.settings.cookies == CookieRule::Bypass => (
                &self.warned_of_cookies,
                "say on the layer what it means: .ignore_cookies(), .bypass_on_cookies([…]) or .key_cookies([…])",
            ),
            Bypass::Authorization => (
                &self.warned_of_authorization,
                "say on the layer what it means: .ignore_authorization() or .key_authorization()",
            ),
            Bypass::Body => (
                &self.warned_of_bodies,
                "if clients send none, a middleware outside of the layer wraps the body and hides its end: put it inside",
            ),
            _ => return,
        };
        if !warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                scope = self.name,
                reason = reason.token(),
                "requests bypass the cache: {remedy}"
            );
        }
    }
}

#[inline]
fn mode_of(bits: u8) -> Mode {
    match bits {
        bits if bits == Mode::ServeStale as u8 => Mode::ServeStale,
        bits if bits == Mode::Off as u8 => Mode::Off,
        _ => Mode::Normal,
    }
}

//! The gate that every answer passes before it is shared.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use tower_swr_core::{Entry, Freshness, Keep, Lifetime};

use crate::policy::{self, PassReason, VaryNames, Verdict};
use crate::response::Held;
use crate::sharing::Sharing;

/// What the gate let through.
pub(crate) struct Admitted {
    pub(crate) keep: Keep,
    pub(crate) own_lifetime: Option<Lifetime>,
    pub(crate) initial_age: Duration,
    /// The fields that answers of this key are known to vary by.
    pub(crate) names: VaryNames,
    pub(crate) length: Option<u64>,
    /// The origin has only confirmed what was kept.
    pub(crate) revalidated: bool,
}

impl Sharing {
    /// Whether the answer may be shared, by its head: what it may be shared as, or why not.
    pub(crate) fn gate<B: Body>(&self, response: &Response<B>) -> Result<Admitted, PassReason> {
        let scope = &self.route.scope;
        let wall = self.route.shared.engine.clock().wall();
        let verdict = policy::judge(
            &scope.settings().lifetimes,
            response.status(),
            response.headers(),
            wall,
        );
        let brought_age = policy::initial_age(response.headers());
        let (keep, own_lifetime, initial_age) = match verdict {
            Verdict::Pass(reason) => return Err(reason),
            Verdict::Store { .. } if self.would_replace_a_good_copy(response.status()) => {
                (Keep::Failure, None, brought_age)
            }
            Verdict::Store {
                lifetime,
                ours,
                initial_age,
            } => (Keep::Store(lifetime), ours.then_some(lifetime), initial_age),
            Verdict::Share => (Keep::Share, None, brought_age),
            Verdict::Failure => (Keep::Failure, None, brought_age),
        };
        let names = VaryNames::parse(response.headers(), &scope.settled)?;
        let names = match self.question.variants() {
            Some(known) => known.names.union(&names),
            None => names,
        };
        let length = known_length(response);
        let at_least = length.unwrap_or(response.body().size_hint().lower());
        if at_least > scope.max_body as u64 {
            return Err(PassReason::TooLarge);
        }
        Ok(Admitted {
            keep,
            own_lifetime,
            initial_age,
            names,
            length,
            revalidated: false,
        })
    }

    pub(crate) fn would_replace_a_good_copy(&self, status: StatusCode) -> bool {
        let now = self.route.shared.engine.now();
        let is_good = |old: &Arc<Entry<Held>>| {
            let age = old.age(now);
            old.lifetime().freshness(age) != Freshness::Expired
                || old.lifetime().usable_on_error(age)
        };
        status.is_server_error() && self.old.as_ref().is_some_and(is_good)
    }
}

/// How long the body is, as the answer says, or as it is known to be.
pub(crate) fn known_length<B: Body>(response: &Response<B>) -> Option<u64> {
    declared_length(response.headers()).or(response.body().size_hint().exact())
}

/// The smallest of the lengths that `fields` state: with two that differ, neither can be trusted to be the body's.
fn declared_length(fields: &HeaderMap) -> Option<u64> {
    let lengths = fields.get_all(CONTENT_LENGTH).into_iter();
    lengths
        .filter_map(|length| length.to_str().ok()?.parse().ok())
        .min()
}

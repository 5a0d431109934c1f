//! The gate that every answer passes before it is shared.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AGE, AUTHORIZATION, CONTENT_LENGTH};
use http::{HeaderMap, Response, StatusCode};
use http_body::Body;
use tower_swr_core::{Entry, Freshness, Keep, Key, Lifetime, Look, Mode, Tags};

use crate::key;
use crate::policy::{self, Judgement, PassReason, VaryNames, Verdict};
use crate::request;
use crate::response::Held;
use crate::settings::AuthorizationRule;
use crate::sharing::Sharing;
use crate::tags::{self, TooMany};

/// What the gate let through.
pub(crate) struct Admitted {
    pub(crate) keep: Keep,
    pub(crate) own_lifetime: Option<Lifetime>,
    pub(crate) initial_age: Duration,
    /// The fields that answers of this key are known to vary by.
    pub(crate) names: VaryNames,
    /// The key of the variant that this is, where they vary.
    pub(crate) variant: Option<Key>,
    pub(crate) length: Option<u64>,
    pub(crate) tags: Tags,
    /// The origin wants to be asked each time.
    pub(crate) no_cache: bool,
    /// Its handler says that it is for everybody.
    pub(crate) is_for_all: bool,
    /// The origin has only confirmed what was kept.
    pub(crate) revalidated: bool,
}

impl Sharing {
    /// Whether the answer may be shared, by its head: what it may be shared as, or why not.
    pub(crate) fn gate<B: Body>(&self, response: &Response<B>) -> Result<Admitted, PassReason> {
        let scope = &self.route.scope;
        let wall = self.route.shared.engine.clock().wall();
        let lifetimes = &scope.settings().lifetimes;
        let Judgement {
            verdict,
            no_cache,
            is_for_all,
        } = policy::judge(
            lifetimes,
            response.extensions().get(),
            response.status(),
            response.headers(),
            wall,
        );
        let brought_age = self.brought_age(response.headers());
        let (keep, own_lifetime, initial_age) = match verdict {
            Verdict::Pass(reason) => return Err(reason),
            Verdict::Store { .. } | Verdict::Validate | Verdict::Share
                if self.is_authorized() && !is_for_all =>
            {
                return Err(PassReason::Authorization);
            }
            Verdict::Share | Verdict::Validate | Verdict::Failure if self.is_personal() => {
                return Err(PassReason::NotFresh);
            }
            Verdict::Store { .. } if self.would_replace_a_good_copy(response.status()) => {
                (Keep::Failure, None, brought_age)
            }
            // The switch was thrown while the origin was asked.
            Verdict::Store { .. } | Verdict::Validate if self.route.mode() == Mode::Off => {
                (Keep::Share, None, brought_age)
            }
            Verdict::Store { lifetime, ours } => {
                (Keep::Store(lifetime), ours.then_some(lifetime), brought_age)
            }
            Verdict::Validate => {
                let never_fresh = Lifetime::fresh_for(Duration::ZERO).must_revalidate();
                (Keep::Store(never_fresh), None, brought_age)
            }
            Verdict::Share => (Keep::Share, None, brought_age),
            Verdict::Failure => (Keep::Failure, None, brought_age),
        };
        let names = self.names(response.headers())?;
        let length = known_length(response).map_err(|Malformed| PassReason::Length)?;
        let at_least = length.unwrap_or(response.body().size_hint().lower());
        if at_least > scope.max_body as u64 {
            return Err(PassReason::TooLarge);
        }
        let variant = self.variant(&names)?;
        let (keep, tags) = match tags::of(
            response,
            self.host.as_deref(),
            self.path_tag(response.headers()),
        ) {
            Ok(tags) => (keep, tags),
            // What cannot be found by all of its tags is not kept.
            Err(TooMany) => (keep.unkept(), Tags::default()),
        };
        Ok(Admitted {
            keep,
            own_lifetime,
            initial_age,
            names,
            variant,
            length,
            tags,
            no_cache,
            is_for_all,
            revalidated: false,
        })
    }

    /// Whether the request brought somebody's `Authorization` to the origin, without its being part of the key.
    fn is_authorized(&self) -> bool {
        self.route.scope.settings().authorization == AuthorizationRule::Forward
            && self.fields.contains_key(AUTHORIZATION)
    }

    /// Whether the origin could tell from the request whose it is, without its being part of the key. An answer that is
    /// not fresh is then nobody else's, not even while it is made (RFC 9111 section 4).
    fn is_personal(&self) -> bool {
        request::is_personal(&self.fields, self.route.scope.settings())
    }

    /// What answers of this key are known to vary by, with what this one does.
    pub(crate) fn names(&self, fields: &HeaderMap) -> Result<VaryNames, PassReason> {
        let names = VaryNames::parse(fields, &self.route.scope.settled)?;
        Ok(match self.question.variants() {
            Some(known) => known.names.union(&names).unwrap_or(names),
            None => names,
        })
    }

    pub(crate) fn variant(&self, names: &VaryNames) -> Result<Option<Key>, PassReason> {
        if names.is_empty() {
            return Ok(None);
        }
        let variant = self.question.variant(names, &self.fields);
        match variant.text().len() > key::LONGEST {
            true => Err(PassReason::VaryTooLong),
            false => Ok(Some(variant)),
        }
    }

    /// The age that the answer comes with. To one that a cache upstream counted, the time of the call is added, in which
    /// it grew older on its way (RFC 9111 section 4.2.3).
    fn brought_age(&self, fields: &HeaderMap) -> Duration {
        let now = self.route.shared.engine.now();
        let on_its_way = match fields.contains_key(AGE) {
            true => now.since(self.asked_at),
            false => Duration::ZERO,
        };
        policy::initial_age(fields).saturating_add(on_its_way)
    }

    /// Whether an answer of that `status` would take the place of a better one that may still be served: of what the call was
    /// to renew, or of what is kept by now where this one belongs.
    pub(crate) fn would_replace_a_good_copy(&self, status: StatusCode) -> bool {
        if !policy::is_failure(status) {
            return false;
        }
        let now = self.route.shared.engine.now();
        let is_good = |old: &Arc<Entry<Held>>| {
            let age = old.age(now);
            old.lifetime().freshness(age) != Freshness::Expired
                || old.lifetime().usable_on_error(age)
        };
        let there = match self.question.look_there(&self.route, &self.fields, now) {
            Look::Serve { entry, .. } => Some(entry),
            Look::Fetch { old, .. } => old,
            Look::Uncacheable => None,
        };
        self.old.iter().chain(&there).any(is_good)
    }
}

/// A `Content-Length` from which nobody can tell how long the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// How long the body is, as the answer says, or as it is known to be. An answer without content ends with its head,
/// whatever its fields say (RFC 9112 section 6.3).
pub(crate) fn known_length<B: Body>(response: &Response<B>) -> Result<Option<u64>, Malformed> {
    let declared = match policy::has_content(response.status()) {
        true => declared_length(response.headers())?,
        false => None,
    };
    Ok(declared.or(response.body().size_hint().exact()))
}

/// The length that all members of all lines state. Where they differ, or are no numbers, two readers may take the same
/// bytes for different bodies (RFC 9112 section 6.3).
fn declared_length(fields: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let lines = fields.get_all(CONTENT_LENGTH).into_iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.map(length).try_fold(None, |stated, length| {
        let length = length?;
        match stated {
            Some(stated) if stated != length => Err(Malformed),
            _ => Ok(Some(length)),
        }
    })
}

fn length(member: &[u8]) -> Result<u64, Malformed> {
    let digits = member.trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Malformed);
    }
    let digits = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    digits.parse().map_err(|_| Malformed)
}

//! A request that the store has no answer for: it joins a flight, leads one, or goes to the origin alone.

mod calls;
mod ordered;
mod refresh;
mod taken;
mod through;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tower_service::Service;
use tower_swr_core::{Answer, Entry, Fate, Joined, Landed, Look, Outcome, Purpose, Waiting};

use self::calls::Call;
use self::taken::Taken;
use crate::body::{BoxError, CacheBody};
use crate::policy::RequestControl;
use crate::problem::Problem;
use crate::prototype::Prototype;
use crate::question::Question;
use crate::request;
use crate::respond::Grounds;
use crate::response::{Held, Partial};
use crate::route::Route;
use crate::stats::Verb;

/// A request, and all that it takes to answer it.
pub(crate) struct Exchange<S, A> {
    route: Arc<Route>,
    service: Prototype<S>,
    request: Request<A>,
    question: Question,
    /// How often it was given back by a call that another process had made unnecessary.
    returned: usize,
}

/// How often a request may find that what it waited for is not for it, another variant or purged meanwhile, before it
/// goes alone.
const MAX_HOPS: usize = 3;

type Answered<B, E> = Result<Response<CacheBody<B>>, E>;
type Flying = Waiting<Held, Partial>;

impl<S, A> Exchange<S, A> {
    pub(crate) fn new(
        route: &Arc<Route>,
        service: &Prototype<S>,
        request: Request<A>,
        question: Question,
    ) -> Box<Self> {
        Box::new(Self {
            route: Arc::clone(route),
            service: service.clone(),
            request,
            question,
            returned: 0,
        })
    }
}

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Answers the request, for which a look-up found `look`.
    ///
    /// The exchange is boxed, and so is what a request does that does not wait: those who wait come by the thousand, and
    /// a future has room for all that may ever be moved into it, twice.
    pub(crate) async fn answer(mut self: Box<Self>, mut look: Look<Held>) -> Answered<B, S::Error> {
        let mut detail = "variants";
        for _ in 0..=MAX_HOPS {
            let (waiting, fwd) = match self.turn(look) {
                Turn::Done(response, is_due) => {
                    if is_due {
                        self.renew();
                    }
                    return Ok(response);
                }
                Turn::Call(call) => return self.call(call).await,
                Turn::Again => {
                    look = self.look();
                    continue;
                }
                Turn::Wait(waiting, fwd) => (waiting, fwd),
            };
            let outcome = waiting.await;
            match self.collapsed(outcome, fwd) {
                Waited::Answered(response) => return Ok(response),
                Waited::Alone => return self.call(Call::Pass(None)).await,
                Waited::NotMine(why) => {
                    detail = why;
                    look = self.look();
                }
            }
        }
        self.call(Call::Pass(Some(detail))).await
    }

    /// What is to be done after a look-up found `look`.
    fn turn(&self, look: Look<Held>) -> Turn<B> {
        let Taken {
            look,
            purpose,
            grounds,
        } = Taken::of(look, &self.route, &self.question.asked);
        let only_if_cached = self.control().is_some_and(|control| control.only_if_cached);
        let (old, fallback) = match look {
            Look::Serve {
                entry,
                age,
                refresh,
            } => {
                return match self.kept(&entry, age, grounds) {
                    Some(response) => Turn::Done(response, refresh),
                    None => Turn::Call(Call::Pass(Some("variants"))),
                };
            }
            Look::Uncacheable if only_if_cached => (None, false),
            Look::Uncacheable => return Turn::Call(Call::Pass(Some("uncacheable"))),
            Look::Fetch { old, fallback } => (old, fallback),
        };
        let fwd = match purpose {
            Purpose::Revalidate => "request",
            _ => self.fwd(old.is_some()),
        };
        let old = old.filter(|_| fallback);
        if only_if_cached {
            let problem = self
                .route
                .problem(&self.question.asked, Problem::NotKept, fwd);
            return Turn::Done(problem, false);
        }
        match self.join(purpose) {
            None if !self.question.asked.head_only => Turn::Call(Call::Pass(Some("no-store"))),
            None => Turn::Call(Call::Head(old, fwd)),
            Some(Joined::Lead(fill)) => Turn::Call(Call::Lead(fill, old, fwd)),
            Some(Joined::Wait(waiting)) => {
                let waiting = waiting.within(self.patience());
                Turn::Wait(or_stale(waiting, old), fwd)
            }
            Some(Joined::Again(_)) => Turn::Again,
        }
    }

    /// Whether an answer to somebody else will do. Where it is not fresh, it does not for a request that says whose it
    /// is; nor for any, where the origin wants to be asked each time. A failure does for all: it is nobody's, and each
    /// would ask an origin that fails.
    fn may_take(&self, landed: &Landed<Held, Partial>) -> bool {
        let (head, is_reusable) = match &landed.answer {
            Answer::Partial(partial) => (&*partial.head, partial.is_reusable),
            Answer::Whole(entry) => match entry.value() {
                Held::Response(stored) => {
                    let age = entry.age(self.route.shared.engine.now());
                    (&stored.head, entry.lifetime().usable_on_error(age))
                }
                Held::Variants(_) => return true,
            },
        };
        let settings = self.route.scope.settings();
        landed.fate == Fate::Failed
            || (landed.fate != Fate::Shared && is_reusable)
            || !(head.no_cache || request::is_personal(self.request.headers(), settings))
    }

    fn control(&self) -> Option<&RequestControl> {
        self.question.asked.control.as_deref()
    }

    /// For how long the request may wait now, which it may have done for other calls before.
    fn patience(&self) -> Duration {
        let waited = self.question.asked.took(self.route.shared.engine.now());
        let limit = self.route.scope.policy.wait_timeout;
        limit.saturating_sub(waited)
    }

    fn look(&mut self) -> Look<Held> {
        let now = self.route.shared.engine.now();
        self.question.look(&self.route, &self.request, now)
    }

    /// Nothing for a `HEAD` that nobody flies for, where it can neither be made a `GET` nor fill the store; nothing
    /// either for a request that asks that nothing be stored of it.
    fn join(&self, purpose: Purpose) -> Option<Joined<Held, Partial>> {
        let (engine, policy) = (&self.route.shared.engine, &self.route.scope.policy);
        let key = self.question.key();
        if self.route.is_head_alone(&self.question.asked)
            || self.control().is_some_and(|control| control.no_store)
        {
            engine.attend(&key, policy).map(Joined::Wait)
        } else {
            Some(engine.join(&key, policy, purpose))
        }
    }

    /// What came of waiting for somebody else's call.
    fn collapsed(&mut self, outcome: Outcome<Held, Partial>, fwd: &'static str) -> Waited<B> {
        let mine = self.question.takes(&self.route, &self.request, &outcome);
        let (route, asked) = (&self.route, &self.question.asked);
        Waited::Answered(match outcome {
            // What an origin says of its failure to somebody else stays with them; that it fails is all there is to know.
            Outcome::Landed(l) if !mine && l.fate != Fate::Failed => return Waited::NotMine("uri"),
            Outcome::Landed(_) if !mine => route.problem(asked, Problem::OriginFailed, fwd),
            Outcome::Landed(landed) if !self.may_take(&landed) => return Waited::Alone,
            Outcome::Landed(landed) if fits(&landed, self.request.headers()) => {
                match self.found_there(&landed) {
                    // What the client will take decides by itself.
                    Some(_) if self.control().is_some() => return Waited::NotMine("request"),
                    Some(response) => response,
                    None => route.landed(asked, landed, Verb::Collapsed, fwd),
                }
            }
            Outcome::Landed(_) => return Waited::NotMine("variants"),
            Outcome::Pass => return Waited::Alone,
            Outcome::Outdated => return Waited::NotMine("outdated"),
            Outcome::Stale(entry, reason) => route.stale(asked, &entry, reason, fwd),
            Outcome::Lost(lost) => route.problem(asked, Problem::from(&lost), fwd),
            Outcome::WaitTimedOut => route.problem(asked, Problem::WaitTimedOut, fwd),
        })
    }

    /// What another process had: a hit like any other, since nobody waited for a call.
    fn found_there(&self, landed: &Landed<Held, Partial>) -> Option<Response<CacheBody<B>>> {
        match (landed.fate, &landed.answer) {
            (Fate::Found { waited: false }, Answer::Whole(entry)) => {
                let age = entry.age(self.route.shared.engine.now());
                self.kept(entry, age, Grounds::Kept)
            }
            _ => None,
        }
    }

    fn kept(
        &self,
        entry: &Arc<Entry<Held>>,
        age: Duration,
        grounds: Grounds,
    ) -> Option<Response<CacheBody<B>>> {
        let Held::Response(stored) = entry.value() else {
            return None;
        };
        let took = self.question.asked.took(self.route.shared.engine.now());
        Some(
            self.route
                .kept(&self.question.asked, entry, stored, age, grounds, took),
        )
    }

    /// Why the request goes forward, in the words of RFC 9211 section 2.2.
    fn fwd(&self, has_old: bool) -> &'static str {
        match self.question.variants() {
            _ if has_old => "stale",
            Some(_) => "vary-miss",
            None => "uri-miss",
        }
    }
}

/// What a request does next.
enum Turn<B> {
    /// It is answered; with whether a refresh is due.
    Done(Response<CacheBody<B>>, bool),
    /// It calls the origin.
    Call(Call),
    /// It waits for somebody else's call.
    Wait(Flying, &'static str),
    /// It looks again: a call has just ended.
    Again,
}

/// What came of waiting for somebody else's call.
enum Waited<B> {
    Answered(Response<CacheBody<B>>),
    /// The answer is for other requests than this one, or is outdated: it looks again.
    NotMine(&'static str),
    /// The answer is for nobody else.
    Alone,
}

fn or_stale(waiting: Flying, old: Option<Arc<Entry<Held>>>) -> Flying {
    match old {
        Some(old) => waiting.or_stale(old),
        None => waiting,
    }
}

/// Whether the answer was selected by a request that says the same as one with `fields` (RFC 9111 section 4.1).
fn fits(landed: &Landed<Held, Partial>, fields: &HeaderMap) -> bool {
    match &landed.answer {
        Answer::Partial(partial) => partial
            .selection
            .as_ref()
            .is_none_or(|selection| selection.matches(fields)),
        Answer::Whole(entry) => match entry.value() {
            Held::Response(stored) => stored
                .selection
                .as_ref()
                .is_none_or(|selection| selection.matches(fields)),
            Held::Variants(_) => false,
        },
    }
}

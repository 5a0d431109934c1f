//! A refresh behind the back of the request that found it due: here, or by a worker.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;
use tower_swr_core::{Joined, Mode, Purpose, Refresh};
use tracing::Instrument as _;

use super::Exchange;
use crate::body::BoxError;
use crate::job::Job;
use crate::question::Question;
use crate::via;

impl<S, A, B> Exchange<S, A>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Offers the request for the refresh of what it was answered with.
    pub(super) fn renew(self: Box<Self>) {
        let Question { asked, .. } = &self.question;
        if let Some(turn) = self.route.reserve_refresh(&self.question.key(), asked) {
            self.refresh(turn);
        }
    }

    /// Renews what the request was answered with, behind its back, when it is its turn.
    pub(crate) fn refresh(self: Box<Self>, turn: Refresh) {
        let (cause, engine) = (tracing::Span::current(), self.route.shared.engine.clone());
        let told = self.may_leave().then(|| self.told()).flatten();
        let refresh = async move {
            // The switch may have been thrown while this waited for its turn.
            if self.route.mode() != Mode::Normal {
                return;
            }
            let (engine, policy) = (&self.route.shared.engine, &self.route.scope.policy);
            let joined = engine.join(&self.question.key(), policy, Purpose::Refresh);
            let Joined::Lead(fill) = joined else { return };
            let span = tracing::info_span!(parent: None, "refresh", scope = self.route.scope.name, key = ?fill.key());
            span.follows_from(&cause);
            let errand = self.errand(fill.old().cloned(), fill.key().clone(), None);
            let fill = errand.route.through(fill);
            fill.run(errand.run().instrument(span)).await;
        };
        match told {
            Some(told) => engine.refresh_elsewhere(turn, told, refresh),
            None => turn.submit(refresh),
        }
    }

    /// Whether workers are asked at all: not where the origin is to be left alone, and not by a worker; nor where what is
    /// kept leads to the key, which a worker need not know.
    fn may_leave(&self) -> bool {
        self.route.shared.engine.is_remote()
            && self.route.mode() == Mode::Normal
            && !via::is_ordered(self.request.extensions())
            && !self.question.is_by_equivalence()
    }

    /// What a worker is told; nothing where it would have to be told too much.
    fn told(&self) -> Option<Bytes> {
        Job::of(&self.route, &self.question, &self.request)?.write()
    }
}

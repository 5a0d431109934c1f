use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use tower_service::Service;
use tower_swr_core::{KeyText, Look, Mode};

use crate::body::{BoxError, CacheBody};
use crate::call::call;
use crate::conditions::Conditions;
use crate::exchange::Exchange;
use crate::future::ResponseFuture;
use crate::key::{self, Target};
use crate::no_vary_search;
use crate::order::{Fulfilled, Order};
use crate::policy::RequestControl;
use crate::prototype::Prototype;
use crate::question::{self, Asked, Question};
use crate::request::{self, Bypass};
use crate::respond::Grounds;
use crate::response::Held;
use crate::route::Route;
use crate::settings::AuthorizationRule;
use crate::via::{self, Origin};

/// A service whose answers are cached: what [`CacheLayer`](crate::CacheLayer) makes of an inner service.
///
/// It is always ready. The inner service is asked whether it is only when it is about to be called, on a clone of its
/// own: a hit waits for nobody, and tower's contract between `poll_ready` and `call` is kept.
pub struct CacheService<S> {
    inner: Prototype<S>,
    route: Arc<Route>,
}

impl<S> CacheService<S> {
    pub(crate) fn new(inner: S, route: Route) -> Self {
        Self {
            inner: Prototype::new(inner),
            route: Arc::new(route),
        }
    }
}

// Written by hand: a derived one would ask for `S: Clone`, and a clone is made for each request by many a router.
impl<S> Clone for CacheService<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            route: Arc::clone(&self.route),
        }
    }
}

impl<S, A, B> Service<Request<A>> for CacheService<S>
where
    S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    A: Body + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<CacheBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<B, S::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        match via::origin(&self.route.scope, request.extensions()) {
            Origin::Client => {}
            Origin::Own => return self.forward(request),
            Origin::Worker(order) => return self.carry_out(request, order),
        }
        let mut text = self.route.scope.key.clone();
        let asked = match self.admit(&request, &mut text) {
            Ok(asked) => asked,
            Err(reason) => return self.bypass(request, reason),
        };
        let look = self.route.look(&text, asked.began);
        if let Look::Serve {
            entry,
            age,
            refresh: false,
        } = &look
            && let Held::Response(stored) = entry.value()
            && asked.control.is_none()
        {
            let response =
                (self.route).kept(&asked, entry, stored, *age, Grounds::Kept, Duration::ZERO);
            return ResponseFuture::ready(response);
        }
        self.look_further(request, text, asked, look)
    }
}

impl<S> CacheService<S> {
    /// Answers a request for which the first look-up found no fresh answer.
    fn look_further<A, B>(
        &self,
        request: Request<A>,
        mut text: KeyText,
        asked: Asked,
        look: Look<Held>,
    ) -> ResponseFuture<B, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send + 'static,
        A: Body + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (fields, now) = (request.headers(), asked.began);
        let mut found = question::follow(look, &mut text, &self.route, fields, now);
        if found.is_nothing()
            && let Some(there) = no_vary_search::look(&self.route, &request, asked.began)
        {
            (text, found) = there;
        }
        if let Look::Serve {
            entry,
            age,
            refresh,
        } = &found.look
            && let Held::Response(stored) = entry.value()
            && asked.control.is_none()
        {
            let response =
                (self.route).kept(&asked, entry, stored, *age, Grounds::Kept, Duration::ZERO);
            if *refresh && let Some(turn) = self.route.reserve_refresh(&text.key(), &asked) {
                let (question, _) = Question::new(&text, found, asked);
                Exchange::new(&self.route, &self.inner, request, question).refresh(turn);
            }
            return ResponseFuture::ready(response);
        }
        if let Look::Fetch { old: None, .. } = &found.look
            && let Some(response) = self.kept_for_all(&request, &asked)
        {
            return ResponseFuture::ready(response);
        }
        let (question, look) = Question::new(&text, found, asked);
        let exchange = Exchange::new(&self.route, &self.inner, request, question);
        ResponseFuture::pending(Box::pin(exchange.answer(look)))
    }

    /// Writes the key of `request` into `text`, or says why the cache is not asked.
    #[inline]
    fn admit<A: Body>(&self, request: &Request<A>, text: &mut KeyText) -> Result<Asked, Bypass> {
        if self.route.mode() == Mode::Off {
            return Err(Bypass::Off);
        }
        let settings = self.route.scope.settings();
        let noted = request::admit(request, settings)?;
        key::write(text, request, &noted, settings, None)?;
        let control =
            match (noted.has_control || noted.is_conditional) && settings.client_directives {
                true => Some(RequestControl::parse(request.headers())),
                false => None,
            };
        let conditions = || Arc::new(Conditions::of(request.headers()));
        Ok(Asked {
            head_only: request.method() == Method::HEAD,
            began: self.route.shared.engine.now(),
            conditions: noted.is_conditional.then(conditions),
            control: control
                .filter(RequestControl::asks_for_anything)
                .map(Arc::new),
        })
    }

    /// Where requests with `Authorization` have keys of their own: what is kept of theirs for a request without it, if it
    /// is for everybody (RFC 9111 section 3.5).
    fn kept_for_all<A: Body, B>(
        &self,
        request: &Request<A>,
        asked: &Asked,
    ) -> Option<Response<CacheBody<B>>> {
        let settings = self.route.scope.settings();
        if settings.authorization != AuthorizationRule::Forward {
            return None;
        }
        let mut noted = request::admit(request, settings).ok()?;
        if std::mem::replace(&mut noted.has_authorization, true) {
            return None;
        }
        let mut text = self.route.scope.key.clone();
        key::write(&mut text, request, &noted, settings, None).ok()?;
        let mut found = question::look(&mut text, &self.route, request.headers(), asked.began);
        if found.is_nothing()
            && let Some((_, there)) =
                no_vary_search::look_as(&self.route, request, &noted, asked.began)
        {
            found = there;
        }
        let Look::Serve {
            entry,
            age,
            refresh: false,
        } = found.look
        else {
            return None;
        };
        let control = asked.control.as_deref();
        let is_accepted = control.is_none_or(|control| control.accepts(&entry.lifetime(), age));
        match entry.value() {
            Held::Response(stored) if stored.head.is_for_all && is_accepted => {
                let took = Duration::ZERO;
                Some((self.route).kept(asked, &entry, stored, age, Grounds::Kept, took))
            }
            Held::Response(_) | Held::Variants(_) => None,
        }
    }

    /// Makes the refresh that a worker was given, if it is one of this scope; otherwise it is for a layer further in.
    fn carry_out<A, B>(&self, request: Request<A>, order: Arc<Order>) -> ResponseFuture<B, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError> + Send + 'static,
        A: Body + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if !order.is_for(self.route.scope.name) {
            return self.forward(request);
        }
        let mut text = self.route.scope.key.clone();
        let Ok(asked) = self.admit(&request, &mut text) else {
            order.fulfil(Fulfilled::Refused("the request bypasses the cache here"));
            return ResponseFuture::ready(Response::new(CacheBody::empty()));
        };
        let found = question::look(&mut text, &self.route, request.headers(), asked.began);
        let (question, _) = Question::new(&text, found, asked);
        let exchange = Exchange::new(&self.route, &self.inner, request, question);
        ResponseFuture::pending(Box::pin(async move {
            order.fulfil(exchange.carry_out(&order).await);
            Ok(Response::new(CacheBody::empty()))
        }))
    }

    /// Hands a request to the inner service that this cache has sent here itself.
    fn forward<A, B>(&self, request: Request<A>) -> ResponseFuture<B, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        A: Send + 'static,
        B: Send + 'static,
    {
        let service = self.inner.service();
        ResponseFuture::pending(Box::pin(async move {
            let response = call(service, request, || ()).await?;
            Ok(response.map(CacheBody::passed))
        }))
    }

    /// Hands the request to the inner service as it is. One that changes what it is about (RFC 9110 section 9.2.1)
    /// invalidates what is kept of that.
    fn bypass<A, B>(&self, mut request: Request<A>, reason: Bypass) -> ResponseFuture<B, S::Error>
    where
        S: Service<Request<A>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        A: Send + 'static,
        B: Send + 'static,
    {
        self.route.scope.bypassed(reason);
        let (route, service) = (Arc::clone(&self.route), self.inner.service());
        via::note(&route.scope, request.extensions_mut());
        let target = (!request.method().is_safe()).then(|| Target::of(&request, &route.scope));
        ResponseFuture::pending(Box::pin(async move {
            let began = route.shared.engine.now();
            let unanswered = Unanswered(target.map(|target| (Arc::clone(&route), target)));
            let answered = route.call(service, request).await;
            let target = unanswered.answered();
            let response = answered?;
            if let Some(target) = target {
                let status = response.status();
                let mut changed = target.changed_groups(response.headers());
                // RFC 9111 section 4.4.
                if status.is_success() || status.is_redirection() {
                    changed.extend(target.changed_by(response.headers()));
                }
                let engine = &route.shared.engine;
                let purged: Vec<_> = changed.into_iter().map(|it| engine.purge(it)).collect();
                if engine.is_far() {
                    // Whoever has the answer and asks another process next finds that it knows. It takes no longer than the
                    // far side may, and no longer than it takes to know that it is away.
                    join_all(purged).await;
                }
            }
            let took = route.shared.engine.now().since(began);
            Ok(route.bypassed(response, reason, took))
        }))
    }
}

/// What a request may be changing right now. Dropped before there is an answer, as its client has hung up, it may have been
/// changed all the same: it is renewed then, but not dropped, since anybody can send what is refused in the end.
struct Unanswered(Option<(Arc<Route>, Target)>);

impl Unanswered {
    fn answered(mut self) -> Option<Target> {
        self.0.take().map(|(_, target)| target)
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if let Some((route, target)) = self.0.take() {
            let changed = target.changed_by(&HeaderMap::new());
            route.shared.engine.soft_purge_each(changed);
        }
    }
}

impl<S> fmt::Debug for CacheService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheService")
            .field("scope", &self.route.scope.name)
            .finish_non_exhaustive()
    }
}

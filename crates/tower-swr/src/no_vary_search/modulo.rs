//! Where to look, to keep and to purge, where parts of a query make no difference.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body::Body;
use http_body_util::Empty;
use tower_swr_core::{Digest, Keep, KeyText, Moment, Subject};

use super::{IS_ON, Variation};
use crate::gate::Admitted;
use crate::head::Head;
use crate::key;
use crate::policy::PassReason;
use crate::query::Counting;
use crate::question::{self, Found, Question};
use crate::request::Noted;
use crate::route::{Route, Scope};
use crate::sharing::Sharing;

/// What was found, now or of old, for the URIs that are equivalent to that of `request` by what answers of its path said
/// last, and its key. Where nothing was, the key is that by which the newest answer would be kept. Nothing where nothing is
/// known of the path, or the newest answer said nothing.
pub(crate) fn look<A>(
    route: &Route,
    request: &Request<A>,
    now: Moment,
) -> Option<(KeyText, Found)> {
    look_as(route, request, &Noted::of(request.headers()), now)
}

/// The same for a request of whose fields that is `noted`.
pub(crate) fn look_as<A>(
    route: &Route,
    request: &Request<A>,
    noted: &Noted<'_>,
    now: Moment,
) -> Option<(KeyText, Found)> {
    let scope = &route.scope;
    if !scope.settings().heeds_no_vary_search() {
        return None;
    }
    let mut newest = None;
    let (ways, is_current) = scope.searches.ways(&path(request));
    for way in ways {
        let Some(mut text) = written(route, request, noted, Some(&way)) else {
            continue;
        };
        let found = question::look(&mut text, route, request.headers(), now).by(Some(way));
        if !found.is_empty() {
            return Some((text, found));
        }
        newest.get_or_insert((text, found));
    }
    newest.filter(|_| is_current)
}

/// Heeds what an answer with this `head` says of the path of `request`, though no call of this process brought it.
pub(crate) fn heed<A>(route: &Route, request: &Request<A>, head: &Head) {
    let scope = &route.scope;
    // That one says nothing may be for its own URI alone.
    if scope.settings().heeds_no_vary_search()
        && let Some(said) = head.variation()
    {
        let searches = &scope.searches;
        searches.learn(&path(request), Some(said), searches.purges());
    }
}

/// The key of `request` as its client sent it, of whose query makes a difference what does `under` that. Nothing where it
/// gets too long.
pub(crate) fn sent<A>(
    route: &Route,
    request: &Request<A>,
    under: Option<&Variation>,
) -> Option<KeyText> {
    written(route, request, &Noted::of(request.headers()), under)
}

fn written<A>(
    route: &Route,
    request: &Request<A>,
    noted: &Noted<'_>,
    under: Option<&Variation>,
) -> Option<KeyText> {
    let scope = &route.scope;
    let mut text = scope.key.clone();
    key::write(&mut text, request, noted, scope.settings(), under).ok()?;
    Some(text)
}

/// What is known of a path: on each host something else.
fn path<A>(request: &Request<A>) -> Digest {
    let path = key::sent_uri(request).path().as_bytes();
    let host = key::host(request).unwrap_or_default();
    Digest::of(&[&host, &b"\0"[..], path].concat())
}

/// A request that is about to be called for, without what only the handler needs.
pub(crate) struct CallHead {
    request: Request<Empty<Bytes>>,
    /// How many purges by URI there were before.
    purges: u64,
}

impl CallHead {
    /// What is left of `request`, where an answer to it may belong under another key than its own.
    pub(crate) fn of<A>(route: &Route, request: &Request<A>) -> Option<Arc<Self>> {
        if !route.scope.settings().heeds_no_vary_search() {
            return None;
        }
        let mut bare = Request::new(Empty::new());
        *bare.method_mut() = request.method().clone();
        *bare.uri_mut() = request.uri().clone();
        *bare.headers_mut() = request.headers().clone();
        key::copy_sent_uri(request, &mut bare);
        Some(Arc::new(Self {
            request: bare,
            purges: route.scope.searches.purges(),
        }))
    }

    /// `question` about the key that the request has `under` that; nothing where that is too long.
    fn question(
        &self,
        route: &Route,
        question: &Question,
        under: Option<Arc<Variation>>,
    ) -> Option<Question> {
        let mut text = sent(route, &self.request, under.as_deref())?;
        let now = route.shared.engine.now();
        let found = question::look(&mut text, route, self.request.headers(), now);
        Some(question.moved(&text, found.by(under)))
    }
}

impl Sharing {
    /// Whether the answer may be shared, as [`Sharing::gate`] says. One that is kept is kept under what all URIs have in
    /// common that it says to be equivalent: from here on, that is what the question is about.
    pub(crate) fn admit<B: Body>(
        &mut self,
        response: &Response<B>,
    ) -> Result<Admitted, PassReason> {
        let admitted = self.gate(response)?;
        // What is not kept says nothing of what is: an error page seldom has the field.
        let (Some(call), Keep::Store(_)) = (&self.question.call, &admitted.keep) else {
            return Ok(admitted);
        };
        let searches = &self.route.scope.searches;
        let said = Variation::of(response.headers());
        let under = searches.learn(&path(&call.request), said, call.purges);
        if under == self.question.under {
            return Ok(admitted);
        }
        // The lease of a flight is for its own key, and others wait for that.
        let moved = match self.route.is_far() {
            true => None,
            false => call.question(&self.route, &self.question, under),
        };
        let Some(moved) = moved else {
            return Ok(match self.question.under {
                // It is an answer to the URI whose key it is.
                None => admitted,
                Some(_) => Admitted {
                    keep: admitted.keep.unkept(),
                    ..admitted
                },
            });
        };
        let before = std::mem::replace(&mut self.question, moved);
        self.gate(response).inspect_err(|_| self.question = before)
    }

    /// What an answer with `fields` is tagged with where a purge cannot name all keys that it may be kept under: it says that it
    /// is for other URIs, too, whose key it is kept under or its own.
    pub(crate) fn path_tag(&self, fields: &HeaderMap) -> Option<Subject> {
        let call = self.question.call.as_ref()?;
        if !self.route.is_far() || Variation::of(fields).is_none() {
            return None;
        }
        let uri = key::sent_uri(&call.request);
        Some(any_of_path(self.route.scope.name, uri.path()))
    }
}

/// All that a purge of `uri` names: what `of` makes of it as it is, and of it under each variation that answers of `scope`
/// have had (a MAY of section 7). Other processes may have learned of others: to reach what they keep, all is purged that is
/// kept so of the path.
pub(crate) fn equivalents(
    scope: &Scope,
    uri: &Uri,
    of: impl Fn(Counting<'_>) -> Subject,
) -> Vec<Subject> {
    let as_it_is = Counting {
        rule: &scope.settings().query,
        under: None,
    };
    let mut subjects = vec![of(as_it_is)];
    if !scope.settings().heeds_no_vary_search() {
        return subjects;
    }
    let known = scope.searches.purge();
    if IS_ON && scope.is_far {
        // All that is kept so has this tag there: one record for the log, however many variations there are.
        subjects.push(any_of_path(scope.name, uri.path()));
        return subjects;
    }
    subjects.extend(known.iter().map(|known| {
        of(Counting {
            under: Some(known),
            ..as_it_is
        })
    }));
    subjects
}

/// Whatever is kept for several URIs of `path` in `scope`, on any host.
pub(crate) fn any_of_path(scope: &str, path: &str) -> Subject {
    let mut text = KeyText::new(scope);
    text.push(b"no-vary-search");
    text.push(path.as_bytes());
    Subject::tag(text.key().text())
}

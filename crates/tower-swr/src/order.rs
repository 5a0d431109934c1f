//! A refresh that a worker has been given, on its way through the service to the layer that is to make it.

use std::sync::OnceLock;

use http::Request;
use tower_swr_core::{Digest, FarKey, Key, ServerTime, Version};

use crate::job::Job;

/// Travels in the extensions of the worker's request, under a type of this crate's own: no client can send one.
#[derive(Debug)]
pub(crate) struct Order {
    job: Job,
    /// What the queue says the job is for.
    key: Digest,
    fulfilled: OnceLock<Fulfilled>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fulfilled {
    /// The handler was called, and what it said is on the far side.
    Renewed,
    /// Another process had been faster, what was to be renewed was purged, or it is known that answers may not be shared.
    Found,
    /// What was to be renewed can no longer be served.
    Late,
    /// It is none for this process, for a reason.
    Refused(&'static str),
    /// The handler was called for nothing: what it said is not on the far side, for a reason, if it is one that people can do
    /// something about.
    Unkept(Option<&'static str>),
    /// The handler failed, or the far side could not be asked.
    Failed,
}

impl Order {
    pub(crate) fn new(job: Job, key: Digest) -> Self {
        Self {
            job,
            key,
            fulfilled: OnceLock::new(),
        }
    }

    /// The request to be made.
    pub(crate) fn request<A>(&self, body: A) -> Request<A> {
        self.job.request(body)
    }

    pub(crate) fn scope(&self) -> &str {
        &self.job.scope
    }

    /// Whether it came too late, if the far side's clock says `now`.
    pub(crate) fn is_late(&self, now: Option<ServerTime>) -> bool {
        let until = self.job.until.zip(now);
        until.is_some_and(|(until, now)| until < now)
    }

    pub(crate) fn is_for(&self, scope: &str) -> bool {
        self.job.scope == scope
    }

    /// Whether the request has the key here that it has where it was asked for.
    pub(crate) fn is_of(&self, primary: &Key) -> bool {
        FarKey::new(primary.borrowed()).primary() == self.job.primary
    }

    /// What has been seen of `flight`, where that is what the order is for: what leads to the variants may well be the same.
    pub(crate) fn seen(&self, flight: &Key) -> Option<Version> {
        let flight = FarKey::new(flight.borrowed());
        let digest = flight.variant_digest().unwrap_or(flight.primary());
        self.job.seen.filter(|_| digest == self.key)
    }

    pub(crate) fn fulfil(&self, how: Fulfilled) {
        // The first layer that is meant decides.
        let _ = self.fulfilled.set(how);
    }

    /// What became of it; nothing where no layer has taken part.
    pub(crate) fn fulfilled(&self) -> Option<Fulfilled> {
        self.fulfilled.get().copied()
    }
}

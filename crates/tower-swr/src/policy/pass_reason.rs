//! The reasons for which an answer is not shared.

/// Why an answer goes to nobody but the client whose request reached the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassReason {
    /// `Cache-Control: no-store`, or a `Cache-Control` that cannot be read.
    NoStore,
    /// `Cache-Control: private`.
    Private,
    /// `Cache-Control: no-cache`, and nothing by which to ask whether the answer is still good.
    NoCache,
    /// The answer sets a cookie.
    SetCookie,
    /// `Vary: *`.
    VaryStar,
    /// More fields in `Vary` than are kept apart, or a name that is none.
    VaryTooLong,
    /// A status that may be shared only with a freshness of its own, and has none.
    Status,
    /// Not a whole answer: 1xx, 206, 304.
    Partial,
    /// `text/event-stream`: it never ends and belongs to its listener.
    EventStream,
    /// It answers a request with `Authorization`, and does not say that it may be shared.
    Authorization,
    /// It answers a request that says whose it is, and is not fresh.
    NotFresh,
    /// A `Content-Length` that is no length, or several that differ.
    Length,
    /// Its handler says so, by a [`CachePolicy`](crate::CachePolicy).
    Policy,
    /// A body over the route's limit. No head shows it; whoever reads the body says so.
    TooLarge,
}

impl PassReason {
    /// The word for `Cache-Status`'s `detail` and the metrics.
    pub(crate) fn token(self) -> &'static str {
        match self {
            Self::NoStore => "no-store",
            Self::Private => "private",
            Self::NoCache => "no-cache",
            Self::SetCookie => "set-cookie",
            Self::VaryStar => "vary-star",
            Self::VaryTooLong => "vary-unusable",
            Self::Status => "status",
            Self::Partial => "partial",
            Self::EventStream => "event-stream",
            Self::Authorization => "authorization",
            Self::NotFresh => "not-fresh",
            Self::Length => "content-length",
            Self::Policy => "policy",
            Self::TooLarge => "too-large",
        }
    }

    /// Whether the key is remembered as uncacheable, so that the next burst does not queue.
    ///
    /// Only what the handler does on purpose. A status or a request's own quirk would let one client's bad request
    /// switch coalescing off for all others.
    pub(crate) fn remembered(self) -> bool {
        match self {
            Self::NoStore
            | Self::Private
            | Self::SetCookie
            | Self::VaryStar
            | Self::Authorization
            | Self::Policy
            | Self::TooLarge => true,
            Self::NoCache
            | Self::VaryTooLong
            | Self::Status
            | Self::Partial
            | Self::NotFresh
            | Self::Length
            | Self::EventStream => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PassReason::*;

    #[test]
    fn each_reason_has_its_word_and_only_what_the_handler_means_is_remembered() {
        for (reason, token, remembered) in [
            (NoStore, "no-store", true),
            (Private, "private", true),
            (NoCache, "no-cache", false),
            (SetCookie, "set-cookie", true),
            (VaryStar, "vary-star", true),
            (VaryTooLong, "vary-unusable", false),
            (Status, "status", false),
            (Partial, "partial", false),
            (EventStream, "event-stream", false),
            (Policy, "policy", true),
            (TooLarge, "too-large", true),
        ] {
            assert_eq!(reason.token(), token);
            assert_eq!(reason.remembered(), remembered, "{token}");
        }
    }
}

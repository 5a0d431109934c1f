//! The reasons for which an answer is not shared.

/// Why an answer goes to nobody but the client whose request reached the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PassReason {
    /// `Cache-Control: no-store`, or a `Cache-Control` that cannot be read.
    NoStore,
    /// `Cache-Control: private`.
    Private,
    /// `Cache-Control: no-cache`.
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
    /// A body over the route's limit. A judge of heads cannot see it; whoever reads them says so.
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
            Self::TooLarge => "too-large",
        }
    }

    /// Whether the key is remembered as uncacheable, so that the next burst does not queue.
    ///
    /// Only what the handler does on purpose. A status or a request's own quirk would let one client's bad request
    /// switch coalescing off for all others.
    pub(crate) fn remembered(self) -> bool {
        match self {
            Self::NoStore | Self::Private | Self::SetCookie | Self::VaryStar | Self::TooLarge => {
                true
            }
            Self::NoCache | Self::VaryTooLong | Self::Status | Self::Partial | Self::EventStream => {
                false
            }
        }
    }
}

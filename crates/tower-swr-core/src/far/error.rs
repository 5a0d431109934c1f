use std::fmt;
use std::time::Duration;

/// What was wrong beyond this process.
///
/// It names the trouble and nothing else: no address, no key, no password and no text that a server wrote, so that it can
/// be logged and shown as it is. Whoever gets one goes on without the far side.
///
/// ```
/// use std::time::Duration;
/// use tower_swr_core::FarError;
///
/// let slow = FarError::TimedOut { budget: Duration::from_millis(50) };
/// assert_eq!(slow.to_string(), "no answer within 50ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FarError {
    /// There is no connection, and nobody waited for one.
    Unavailable,
    /// No answer came within the step's budget. Whether the step was done is not known.
    TimedOut {
        /// What the step was given.
        budget: Duration,
    },
    /// The connection broke while the answer was awaited. Whether the step was done is not known.
    Disconnected,
    /// Name and password, or the permissions of that name, were not accepted.
    Denied,
    /// The server is full and keeps nothing more.
    OutOfMemory,
    /// The server may be read only: a replica, or a primary that has lost its replicas.
    ReadOnly,
    /// The server refused for another reason.
    Refused {
        /// The word in capital letters that a reply begins with, such as `LOADING`.
        code: String,
    },
    /// The answer was none that the question has: another kind of server, or an old one.
    Unexpected {
        /// What was asked for.
        step: &'static str,
    },
    /// What was to be kept is larger than the limit.
    TooLarge {
        /// Its size, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A lease of one key was to commit a value of another: it would not be fenced.
    ForeignKey,
}

impl FarError {
    /// Whether the step may have been done all the same.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::Disconnected)
    }
}

impl fmt::Display for FarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable => f.write_str("not connected"),
            Self::TimedOut { budget } => write!(f, "no answer within {budget:?}"),
            Self::Disconnected => f.write_str("the connection broke before the answer came"),
            Self::Denied => f.write_str("name, password or permissions were not accepted"),
            Self::OutOfMemory => f.write_str("the server is out of memory"),
            Self::ReadOnly => f.write_str("the server may only be read"),
            Self::Refused { code } => write!(f, "refused with {code}"),
            Self::Unexpected { step } => write!(f, "{step}: not an answer to what was asked"),
            Self::TooLarge { bytes, limit } => write!(f, "{bytes} bytes, {limit} at most"),
            Self::ForeignKey => f.write_str("a lease fences the values of its own key only"),
        }
    }
}

impl std::error::Error for FarError {}

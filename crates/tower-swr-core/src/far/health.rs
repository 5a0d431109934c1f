use crate::far::FarError;

/// How the far side is doing, for people and for health checks. No request decides by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FarHealth {
    /// It answers.
    Up,
    /// It has not been reached yet.
    Connecting,
    /// It is away or of no use; everything goes on without it.
    Down {
        /// The last trouble.
        reason: FarError,
    },
}

impl FarHealth {
    /// Whether it answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        *self == Self::Up
    }
}

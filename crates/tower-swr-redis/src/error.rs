//! Errors: what a caller may have got wrong, and what a server's trouble means to the engine.

use std::error::Error;
use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tower_swr_core::FarError;

/// Why no handle was made: a setting is wrong. Names the setting and what it has to be, and never what it was, since a URL
/// may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectError {
    setting: &'static str,
    rule: &'static str,
}

impl ConnectError {
    pub(crate) fn new(setting: &'static str, rule: &'static str) -> Self {
        Self { setting, rule }
    }

    /// The setting that is wrong, as the builder calls it.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.rule)
    }
}

impl Error for ConnectError {}

/// What `error`, in answer to `step`, is to the engine. Its text stays here: it may hold a key or a name.
pub(crate) fn far_error(error: &RedisError, step: &'static str) -> FarError {
    #[cfg(feature = "tls")]
    if let Some(step) = crate::tls::distrust(error) {
        tracing::warn!(reason = step, "encryption fails");
        return FarError::Unexpected { step };
    }
    match error.kind() {
        ErrorKind::Io => FarError::Disconnected,
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            FarError::Denied
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => FarError::ReadOnly,
        ErrorKind::Server(_) | ErrorKind::Extension => refusal(error.code(), step),
        _ => FarError::Unexpected { step },
    }
}

fn refusal(code: Option<&str>, step: &'static str) -> FarError {
    match code {
        Some("OOM") => FarError::OutOfMemory,
        Some("NOAUTH" | "WRONGPASS" | "NOPERM") => FarError::Denied,
        Some(code) if is_word(code) => FarError::Refused {
            code: code.to_owned(),
        },
        _ => FarError::Unexpected { step },
    }
}

/// A server that is none of ours may begin its answer with anything.
fn is_word(code: &str) -> bool {
    (1..=32).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether nothing more is to be expected of the connection.
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    error.is_io_error() || error.kind() == ErrorKind::Parse
}

/// Something of another type is there, put by somebody else.
pub(crate) fn is_wrong_type(error: &FarError) -> bool {
    matches!(error, FarError::Refused { code } if code == "WRONGTYPE")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_known_by_its_first_word_alone() {
        let reply = |code: &str| {
            let detail = Some("secret".to_owned());
            let error = redis::make_extension_error(code.to_owned(), detail);
            far_error(&error, "GET")
        };
        assert_eq!(reply("OOM"), FarError::OutOfMemory);
        assert_eq!(reply("WRONGPASS"), FarError::Denied);
        let code = "MISCONF".to_owned();
        assert_eq!(reply("MISCONF"), FarError::Refused { code });
        let step = "GET";
        assert_eq!(reply("my secret"), FarError::Unexpected { step });
    }
}

//! What a status means to a cache (RFC 9110 section 15).

use http::StatusCode;

/// The classes that a cache keeps apart, among the statuses of whole answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusClass {
    /// 200, the one status for which a route's lifetimes speak: others are exceptions, and how long one of those lasts
    /// only the handler knows.
    Ok,
    /// Heuristically cacheable (RFC 9110 section 15.1), hence safe to share even without a lifetime.
    Heuristic,
    /// 5xx, and what RFC 9110 section 15 says to treat like it: 600 and more.
    Failure,
    /// Everything else: it may concern one client (401, 429) or one request (302, 400).
    Other,
}

impl StatusClass {
    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200 => Self::Ok,
            203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => Self::Heuristic,
            _ if is_failure(status) => Self::Failure,
            _ => Self::Other,
        }
    }

    /// Whether a lifetime may be guessed for answers of `status` (RFC 9110 section 15.1): 501 is the one failure of which
    /// that says so.
    pub(super) fn may_be_guessed(status: StatusCode) -> bool {
        Self::of(status).is_cacheable() || status == StatusCode::NOT_IMPLEMENTED
    }

    /// Whether the status alone lets an answer be reused.
    pub(super) fn is_cacheable(self) -> bool {
        matches!(self, Self::Ok | Self::Heuristic)
    }
}

/// Whether the server failed, as far as a cache can tell: 5xx, and what RFC 9110 section 15 says to treat like it.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    status.as_u16() >= 500
}

/// Whether a status never comes with a whole answer: 1xx, 206, 304.
pub(super) fn is_partial(status: StatusCode) -> bool {
    status.is_informational()
        || matches!(
            status,
            StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        )
}

/// Whether an answer of `status` may say the length of its body (RFC 9110 section 8.6): not where it never has one.
pub(crate) fn has_content(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16) -> StatusCode {
        StatusCode::from_u16(code).expect("the tests use codes of three digits")
    }

    #[test]
    fn every_status_has_its_class() {
        for code in 100..=999 {
            let class = match code {
                200 => StatusClass::Ok,
                203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => StatusClass::Heuristic,
                500..=999 => StatusClass::Failure,
                _ => StatusClass::Other,
            };
            assert_eq!(StatusClass::of(status(code)), class, "{code}");
        }
    }

    #[test]
    fn interim_ranged_and_unmodified_answers_are_partial() {
        let partial: Vec<u16> = (100..=999)
            .filter(|code| is_partial(status(*code)))
            .collect();
        let interim = 100..=199;
        assert_eq!(partial, interim.chain([206, 304]).collect::<Vec<_>>());
    }
}

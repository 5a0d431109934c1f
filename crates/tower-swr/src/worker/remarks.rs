use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// What was said already: a refresh that cannot be made here comes again and again.
#[derive(Debug, Default)]
pub(super) struct Remarks(Mutex<HashSet<(String, &'static str)>>);

/// What is remembered at most. Names come out of the queue, into which others may write.
const MOST: usize = 256;

impl Remarks {
    /// Says, once, why the refreshes of a scope are not made here.
    pub(super) fn make(&self, scope: &str, reason: &'static str) {
        if self.is_new(scope, reason) {
            tracing::warn!(
                scope,
                reason,
                "refreshes are left to the processes that asked for them"
            );
        }
    }

    fn is_new(&self, scope: &str, reason: &'static str) -> bool {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        made.len() < MOST && made.insert((scope.to_owned(), reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_made_once_and_they_are_bounded() {
        let remarks = Remarks::default();
        for (scope, reason, expected) in [
            ("a", "one", true),
            ("a", "one", false),
            ("a", "two", true),
            ("b", "one", true),
        ] {
            assert_eq!(remarks.is_new(scope, reason), expected, "{scope} {reason}");
        }
        let all = (0..2 * MOST).filter(|number| remarks.is_new(&number.to_string(), "one"));
        assert_eq!(all.count(), MOST - 3);
    }
}

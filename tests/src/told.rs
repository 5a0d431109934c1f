//! What a crowd was told.

use std::collections::BTreeSet;

use hyper::StatusCode;

use crate::answer::Answer;

/// The answers to a crowd, in no order.
#[derive(Debug)]
pub struct Told(Vec<Answer>);

impl Told {
    pub(crate) fn new(answers: Vec<Answer>) -> Self {
        Self(answers)
    }

    /// Each answer.
    #[must_use]
    pub fn answers(&self) -> &[Answer] {
        &self.0
    }

    /// To how many `X-Cache` said `verb`.
    #[must_use]
    pub fn count(&self, verb: &str) -> usize {
        let answers = self.0.iter();
        answers.filter(|answer| answer.verb() == verb).count()
    }

    /// The different bodies.
    #[must_use]
    pub fn bodies(&self) -> BTreeSet<&str> {
        self.0.iter().map(Answer::text).collect()
    }

    /// The one body that all of them got, with this status.
    #[must_use]
    pub fn all(&self, status: StatusCode) -> &str {
        let answers = self.0.iter();
        let statuses: BTreeSet<_> = answers.map(|answer| answer.status).collect();
        assert_eq!(statuses, BTreeSet::from([status]), "{:?}", self.bodies());
        let bodies = self.bodies();
        assert_eq!(bodies.len(), 1, "all get the same: {bodies:?}");
        bodies.first().expect("there is one")
    }
}

//! Whether what clients are told can be.

use std::collections::HashMap;

use axum::body::Body;
use http::Request;

use super::random::Asked;
use super::rfc::{Kind, Made};
use super::{asked, conditions};
use crate::house::Answer;

/// What has been answered so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) now: u64,
    /// Whether the origin has failed.
    pub(crate) failing: bool,
    /// To how many clients the answer of each call was given.
    given: HashMap<usize, usize>,
    /// Of each call, whether only requests without any fields can have made it.
    pub(crate) plain: Vec<bool>,
}

impl Seen {
    /// What is wrong with what `burst` was answered with, where the first `before` calls had been made earlier.
    pub(crate) fn judge(
        &mut self,
        calls: &[Made],
        before: usize,
        burst: &[Asked],
        answered: &[Answer],
    ) -> Result<(), String> {
        let numbers = answered
            .iter()
            .map(|answer| answer.field("x-call").parse::<usize>().ok());
        let numbers: Vec<_> = numbers.collect();
        for number in numbers.iter().flatten() {
            *self.given.entry(*number).or_default() += 1;
        }
        for ((asked, answer), number) in burst.iter().zip(answered).zip(numbers) {
            let request = asked.to_request();
            if asked.is_plain() {
                self.expected(calls, before, answer)?;
            }
            let Some(number) = number else {
                // Nobody answers `only-if-cached` but the layer; and a 5xx that comes while a copy is validated may be
                // taken for no answer at all (RFC 9111 section 4.3.3).
                let refused =
                    answer.status == 504 && request.headers().contains_key("cache-control");
                let unanswered = answer.status == 502 && self.failing;
                (refused || unanswered)
                    .then_some(())
                    .ok_or("an answer of nobody's")?;
                continue;
            };
            let made = calls.get(number).ok_or("an answer that nobody made")?;
            let shared = number < before || self.given[&number] > 1;
            let forbidden = shared.then(|| self.forbidden(made, &request)).flatten();
            let stored = (number < before)
                .then(|| self.unstorable(made, &request, answer))
                .flatten();
            let wrong = (answer.x_cache() != "BYPASS")
                .then(|| conditions::wrong(made, request.method(), request.headers(), answer))
                .flatten();
            if let Some(wrong) = forbidden.or(stored).or(wrong.map(str::to_owned)) {
                return Err(format!("call {number} to {request:?}: {wrong}"));
            }
        }
        Ok(())
    }

    /// Why `made` may not be anybody else's, neither in flight nor from the store.
    fn forbidden(&self, made: &Made, request: &Request<Body>) -> Option<String> {
        if let Some(because) = made.is_one_clients() {
            return Some(because.to_owned());
        }
        let fields = request.headers();
        if made.kind != Kind::Proxy
            && ["cookie", "authorization"]
                .iter()
                .any(|name| fields.contains_key(*name))
        {
            return Some("a request that says who asks bypasses".to_owned());
        }
        (!made.is_selected_by(fields)).then(|| "another variant: RFC 9111 section 4.1".to_owned())
    }

    /// Why `made` may not be in the store, or not be given without asking.
    fn unstorable(&self, made: &Made, request: &Request<Body>, answer: &Answer) -> Option<String> {
        if let Some(because) = made.is_not_stored() {
            return Some(because.to_owned());
        }
        if let Some(because) = asked::forbids(made, request.headers(), self.now, self.failing) {
            return Some(because);
        }
        if let Some(name) = made
            .kept_back()
            .iter()
            .find(|name| answer.fields.contains_key(*name))
        {
            return Some(format!(
                "the field {name} is kept back: RFC 9111 section 5.2.2.4, 5.2.2.7"
            ));
        }
        let (age, lifetime) = (made.age(self.now), made.lifetime());
        if answer.field("age") != age.to_string() {
            return Some(format!("Age is {age}: RFC 9111 section 4.2.3"));
        }
        if answer.x_cache() == "HIT" && age >= lifetime.most {
            return Some("HIT, but it is not fresh: RFC 9111 section 4.2".to_owned());
        }
        let ttl = i128::from(lifetime.most) - i128::from(age);
        let said = answer.field("cache-status");
        let is_right = said.split("; ").any(|part| part == format!("ttl={ttl}"));
        (lifetime.exact && !is_right).then(|| format!("ttl={ttl}: RFC 9211 section 2.4"))
    }

    /// A plain request is answered from what an earlier one left, where nothing speaks against it.
    fn expected(&self, calls: &[Made], before: usize, answer: &Answer) -> Result<(), String> {
        // Of answers that differ, one may have taken another's place, or have sent those who waited away.
        let same = |made: &Made| made.status == calls[0].status && made.fields == calls[0].fields;
        if !calls.iter().all(same) {
            return Ok(());
        }
        let kept = calls[..before]
            .iter()
            .zip(&self.plain)
            .any(|(made, plain)| {
                let lifetime = made.lifetime();
                let good = *plain
                    && made.status == 200
                    && lifetime.exact
                    && made.age(self.now) < lifetime.most;
                good && made.is_one_clients().is_none() && !made.fields.contains_key("vary")
            });
        let stored = answer
            .field("x-call")
            .parse::<usize>()
            .is_ok_and(|number| number < before);
        if kept && !stored {
            return Err("what is fresh and forbidden to nobody is not given".to_owned());
        }
        Ok(())
    }
}

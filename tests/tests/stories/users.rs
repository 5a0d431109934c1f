//! Two users never see each other's answers, neither from the store nor while they wait for the same key.
//!
//! Every answer repeats who asked, as far as the handler could know.

use axum::http::HeaderMap;
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, COOKIE, HeaderName, HeaderValue, SET_COOKIE, VARY,
};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, get};
use futures_util::future::join_all;
use house_tests::Protocol::Http1;
use house_tests::{Answer, Gate, House, get as request};
use hyper::Request;

const USERS: usize = 100;

/// Who asks, in a field that is part of no key.
const USER: HeaderName = HeaderName::from_static("x-user");

/// What a handler adds to an answer to somebody.
type Mark = fn(&HeaderValue) -> Option<(HeaderName, HeaderValue)>;

const NOTHING: Mark = |_| None;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_and_tokens_go_around_the_cache() {
    for field in [COOKIE, AUTHORIZATION] {
        let gate = Gate::default();
        let house = House::of(repeating(&gate, &field, NOTHING)).await;
        for _ in 0..2 {
            assert_each_its_own(&house, &gate, &field, "BYPASS").await;
        }
        assert_eq!(house.cache.stats().entries, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cookies_that_are_part_of_the_key() {
    let gate = Gate::default();
    let report = repeating(&gate, &COOKIE, NOTHING);
    let house = House::with(report, |layer| layer.key_cookies(["session"])).await;
    assert_each_its_own(&house, &gate, &COOKIE, "MISS").await;
    assert_each_its_own(&house, &gate, &COOKIE, "HIT").await;
    assert_eq!(house.cache.stats().entries, USERS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_are_part_of_the_key() {
    let gate = Gate::default();
    let report = repeating(&gate, &AUTHORIZATION, NOTHING);
    let house = House::with(report, |layer| layer.key_authorization()).await;
    assert_each_its_own(&house, &gate, &AUTHORIZATION, "MISS").await;
    assert_each_its_own(&house, &gate, &AUTHORIZATION, "HIT").await;
    assert_eq!(house.cache.stats().entries, USERS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_set_a_cookie() {
    for (_, answer) in assert_never_shared(|who| Some((SET_COOKIE, who.clone()))).await {
        assert_eq!(answer.text(), format!("for {}", answer.field("set-cookie")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_private() {
    const PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=60");
    assert_never_shared(|_| Some((CACHE_CONTROL, PRIVATE))).await;
}

/// The first time all wait for one call, whose answer turns out to be one user's alone; the second time it is known.
async fn assert_never_shared(mark: Mark) -> Vec<(String, Answer)> {
    let gate = Gate::default();
    let house = House::of(repeating(&gate, &USER, mark)).await;
    let mut answers = assert_each_its_own(&house, &gate, &USER, "PASS").await;
    answers.extend(assert_each_its_own(&house, &gate, &USER, "PASS").await);
    assert_eq!(house.origin_calls(), 2 * USERS as u64);
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_vary_by_user() {
    let vary: Mark = |_| Some((VARY, HeaderValue::from_static("x-user")));
    let gate = Gate::default();
    let house = House::of(repeating(&gate, &USER, vary)).await;
    for _ in 0..2 {
        for (who, answer) in all_users_ask(&house, &gate, &USER).await {
            assert_is_for(&answer, &who);
        }
    }
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ignored_never_reaches_the_handler() {
    for field in [COOKIE, AUTHORIZATION] {
        let gate = Gate::default();
        let report = repeating(&gate, &field, NOTHING);
        let house = House::with(report, |layer| {
            layer.ignore_cookies().ignore_authorization()
        })
        .await;
        for _ in 0..2 {
            for (_, answer) in all_users_ask(&house, &gate, &field).await {
                assert_is_for(&answer, "nobody");
            }
        }
        assert_eq!(house.origin_calls(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_with_a_token_and_one_without_at_the_same_time() {
    let orders = [["Bearer ann", "nobody"], ["nobody", "Bearer ann"]];
    for [first, second] in orders {
        let gate = Gate::default();
        let house = House::of(repeating(&gate, &AUTHORIZATION, NOTHING)).await;
        let (mut one, mut other) = (house.connect(Http1).await, house.connect(Http1).await);
        let one = one.ask(asked_by(&AUTHORIZATION, first));
        let other = async {
            gate.reached(1).await;
            other.ask(asked_by(&AUTHORIZATION, second)).await
        };
        let opening = async {
            // Each has a call of its own, while the other's is held.
            gate.reached(2).await;
            gate.open();
        };
        let (one, other, ()) = tokio::join!(one, other, opening);
        assert_is_for(&one, first);
        assert_is_for(&other, second);
        assert_is_for(&house.report(Http1).await, "nobody");
        assert_eq!(house.origin_calls(), 2);
    }
}

async fn assert_each_its_own(
    house: &House,
    gate: &Gate,
    field: &HeaderName,
    verb: &str,
) -> Vec<(String, Answer)> {
    let answers = all_users_ask(house, gate, field).await;
    assert_eq!(answers.len(), USERS);
    for (who, answer) in &answers {
        assert_is_for(answer, who);
        assert_eq!(answer.verb(), verb);
    }
    assert_eq!(house.cache.stats().stampede_violations, 0);
    answers
}

fn assert_is_for(answer: &Answer, who: &str) {
    assert_eq!(answer.text(), format!("for {who}"));
}

/// The answers to all users, who ask while the first call is held, each with what it said of itself in `field`.
async fn all_users_ask(house: &House, gate: &Gate, field: &HeaderName) -> Vec<(String, Answer)> {
    let ask = async |user: usize| {
        let who = match *field {
            COOKIE => format!("session=user-{user}"),
            AUTHORIZATION => format!("Bearer user-{user}"),
            _ => format!("user-{user}"),
        };
        let mut client = house.connect(Http1).await;
        let answer = client.ask(asked_by(field, &who)).await;
        (who, answer)
    };
    let opening = async {
        house.server.arrivals.reached(USERS).await;
        gate.open();
    };
    tokio::join!(join_all((0..USERS).map(ask)), opening).0
}

fn asked_by(field: &HeaderName, who: &str) -> Request<()> {
    let mut request = request("/report");
    if who != "nobody" {
        let who = who.parse().expect("a name is a value");
        request.headers_mut().insert(field, who);
    }
    request
}

/// A handler that says what `field` told it.
fn repeating(gate: &Gate, field: &HeaderName, mark: Mark) -> MethodRouter {
    let (gate, field) = (gate.clone(), field.clone());
    get(move |fields: HeaderMap| async move {
        gate.enter().await;
        let nobody = HeaderValue::from_static("nobody");
        let who = fields.get(field).unwrap_or(&nobody);
        let mut answer = [b"for ", who.as_bytes()].concat().into_response();
        answer.headers_mut().extend(mark(who));
        answer
    })
}

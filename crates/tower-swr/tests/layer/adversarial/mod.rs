//! Random handlers and random requests: nothing panics, and nobody gets an answer that is not theirs.
//!
//! The handlers say all that they make their answers of: path, host, cookies, `Authorization`, and the fields that they
//! name in `Vary`. So what a client is told must be what the handler would have told this very client.

mod random;

use std::collections::HashSet;

use self::random::{Asked, Behaviour, Rule, Step};
use crate::house::{
    Answer, House, Origin, Reply, With as _, answers, reply, secs, settle, start_all,
};
use axum::body::Body;
use http::{HeaderMap, Method, Request};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::Layer as _;
use tower_swr::CacheLayer;

/// Fields that a handler may vary by. No value of theirs has white space, which the cache may normalise.
const VARIED: [&str; 3] = ["accept", "accept-language", "x-a"];

impl Behaviour {
    fn to_reply(&self, number: usize, text: String) -> Reply {
        let call = number.to_string();
        let head =
            self.fields
                .iter()
                .fold(reply(self.status), |reply, (name, value)| match *name {
                    "set-cookie" => reply.with(name, format!("id={call}")),
                    _ => reply.with(name, value),
                });
        head.with("x-call", call).text(text)
    }

    fn lines(&self, name: &str) -> impl Iterator<Item = String> {
        let lines = self.fields.iter().filter(move |(known, _)| *known == name);
        lines.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
    }

    /// What a handler of this kind makes of a request with these fields.
    fn echo(&self, path: usize, seen: &HeaderMap) -> String {
        let all = |name: &str| {
            let lines: Vec<_> = seen
                .get_all(name)
                .into_iter()
                .map(|line| format!("{line:?}"))
                .collect();
            format!("{name}={}", lines.join("|"))
        };
        let named: Vec<String> = self
            .lines("vary")
            .flat_map(|line| {
                line.split(',')
                    .map(|name| name.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .collect();
        let varied = VARIED
            .into_iter()
            .filter(|name| named.iter().any(|known| known == name));
        let always = ["host", "x-forwarded-host", "cookie", "authorization"];
        let told: Vec<String> = always.into_iter().chain(varied).map(all).collect();
        format!("{path} {}", told.join(" "))
    }

    /// Whether an answer of this kind is for one client alone, beyond all doubt.
    fn is_private(&self) -> bool {
        let forbids = |line: String| {
            let mut members = line.split(',').map(str::trim);
            members.any(|member| ["no-store", "private", "no-cache"].contains(&member))
        };
        self.lines("cache-control").any(forbids)
            || self.lines("set-cookie").next().is_some()
            || self
                .lines("vary")
                .any(|line| line.split(',').any(|name| name.trim() == "*"))
    }
}

impl Asked {
    fn to_request(&self) -> Request<Body> {
        let method = if self.head { Method::HEAD } else { Method::GET };
        let request = Request::builder()
            .method(method)
            .uri(format!("/{}", self.path));
        let request = request.body(Body::empty()).expect("a request");
        self.fields
            .iter()
            .fold(request, |request, (name, value)| request.with(name, value))
    }

    /// The fields that the handler sees, where the cache takes part.
    fn seen(&self, cookies: Rule, authorization: Rule) -> HeaderMap {
        let mut fields = self.to_request().headers().clone();
        if authorization == Rule::Ignore {
            fields.remove("authorization");
        }
        let sent = fields
            .remove("cookie")
            .map(|line| line.to_str().expect("text").to_owned());
        let kept: Vec<&str> = match cookies {
            Rule::Key => sent
                .iter()
                .flat_map(|line| line.split("; "))
                .filter(|pair| pair.starts_with("a="))
                .collect(),
            _ => Vec::new(),
        };
        if !kept.is_empty() {
            fields.insert("cookie", kept.join("; ").parse().expect("a value"));
        }
        fields
    }
}

fn layer(house: &House, cookies: Rule, authorization: Rule) -> CacheLayer {
    let layer = match cookies {
        Rule::Bypass => house.layer(),
        Rule::Ignore => house.layer().ignore_cookies(),
        Rule::On => house.layer().bypass_on_cookies(["a"]),
        Rule::Key => house.layer().key_cookies(["a"]),
    };
    match authorization {
        Rule::Bypass | Rule::On => layer,
        Rule::Ignore => layer.ignore_authorization(),
        Rule::Key => layer.key_authorization(),
    }
}

type Behaviours = Vec<[Behaviour; 2]>;

/// Plays `steps`, and checks every answer.
async fn play(behaviours: Behaviours, steps: Vec<Step>, cookies: Rule, authorization: Rule) {
    let known = behaviours.clone();
    let origin = Origin::new(move |call| {
        let path = path_of(call.parts.uri.path());
        let behaviour = &known[path][call.number % 2];
        let text = behaviour.echo(path, &call.parts.headers);
        Ok(behaviour
            .to_reply(call.number, text)
            .to_response(call.number))
    });
    let house = House::new();
    let service = layer(&house, cookies, authorization).layer(origin.clone());
    let (mut asked, mut owned) = (0, HashSet::new());
    for step in steps {
        let burst = match step {
            Step::Pass(seconds) => {
                house.pass(secs(seconds)).await;
                continue;
            }
            Step::Burst(burst) => burst,
        };
        origin.hold();
        let asking = start_all(&service, burst.iter().map(Asked::to_request)).await;
        origin.release();
        for (request, answer) in burst.iter().zip(answers(asking).await) {
            asked += 1;
            let call: usize = answer
                .field("x-call")
                .parse()
                .expect("the number of a call");
            let behaviour = &behaviours[request.path][call % 2];
            check(
                request,
                behaviour,
                &answer,
                &request.seen(cookies, authorization),
            );
            assert!(
                !behaviour.is_private() || owned.insert(call),
                "given twice: {answer:?}"
            );
        }
        settle().await;
    }
    let stats = house.cache.stats();
    assert_eq!(
        (stats.requests, stats.stampede_violations, stats.errors),
        (asked, 0, 0)
    );
}

fn path_of(path: &str) -> usize {
    path[1..].parse().expect("the paths are numbers")
}

fn check(request: &Asked, behaviour: &Behaviour, answer: &Answer, seen: &HeaderMap) {
    let raw = request.to_request();
    if answer.status == 304 {
        // No answer here has a validator, so this is the only condition that can hold.
        assert_eq!(raw.headers()["if-none-match"].as_bytes().trim_ascii(), b"*");
        assert!(
            behaviour.status < 300 && answer.text().is_empty(),
            "{answer:?}"
        );
        return;
    }
    assert_eq!(answer.status, behaviour.status, "{answer:?}");
    let fields = if answer.x_cache() == "BYPASS" {
        raw.headers()
    } else {
        seen
    };
    if !request.head {
        assert_eq!(
            answer.text(),
            behaviour.echo(request.path, fields),
            "{request:?} got {answer:?}"
        );
    }
    if ["HIT", "STALE", "COLLAPSED"].contains(&answer.x_cache()) {
        assert_eq!(answer.lines("set-cookie"), [""; 0], "{answer:?}");
    }
}

proptest! {
    #[test]
    fn every_client_gets_what_the_handler_would_have_told_it(
        behaviours in vec([random::behaviours(), random::behaviours()], 3),
        steps in random::steps(),
        cookies in random::rules(),
        authorization in random::rules(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(play(behaviours, steps, cookies, authorization));
    }
}

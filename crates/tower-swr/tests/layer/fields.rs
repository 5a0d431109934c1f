//! What answers say about themselves.

use std::collections::BTreeMap;

use crate::house::{
    Answer, House, Origin, With as _, answers, ask, every_word, get, head, reply, start_all,
};
use tower::Layer as _;
use tower_swr::{CacheLayer, HttpCache, MemorySettings};

const FAMILIES: [&str; 5] = [
    "x-cache",
    "x-cache-key",
    "x-query-time-ms",
    "cache-status",
    "cache-control",
];

/// Which of our fields an answer has, on a miss, a collapsed miss and a hit alike.
async fn families(layer: CacheLayer) -> Vec<&'static str> {
    let origin = Origin::always(reply(200));
    let service = layer.layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, [get("/"), get("/")]).await;
    origin.release();
    let mut all = answers(asking).await;
    all.push(ask(&service, get("/")).await);
    let has = |answer: &Answer| -> Vec<&str> {
        let there = FAMILIES
            .into_iter()
            .filter(|name| answer.fields.contains_key(*name));
        there.collect()
    };
    assert!(
        all.iter().all(|answer| has(answer) == has(&all[0])),
        "{all:#?}"
    );
    has(&all[0])
}

#[tokio::test]
async fn each_family_can_be_turned_off_on_a_route() {
    let house = House::new();
    let layer = |name| house.cache.layer(name);
    assert_eq!(families(layer("all")).await, FAMILIES);
    assert_eq!(families(layer("x").x_cache(false)).await, FAMILIES[3..]);
    assert_eq!(
        families(layer("status").cache_status(false)).await,
        ["x-cache", "x-cache-key", "x-query-time-ms", "cache-control"]
    );
    assert_eq!(
        families(layer("control").cache_control(false)).await,
        FAMILIES[..4]
    );
    let none = layer("none")
        .x_cache(false)
        .cache_status(false)
        .cache_control(false);
    assert_eq!(families(none).await, [""; 0]);
}

#[tokio::test]
async fn a_whole_cache_can_turn_them_off_and_a_route_on_again() {
    let builder = HttpCache::builder(MemorySettings::new(1 << 20)).name("edge-1");
    let cache = builder
        .x_cache(false)
        .cache_status(false)
        .cache_control(false)
        .build();
    assert_eq!(families(cache.layer("none")).await, [""; 0]);
    let layer = cache
        .layer("all")
        .x_cache(true)
        .cache_status(true)
        .cache_control(true);
    assert_eq!(families(layer).await, FAMILIES);
}

#[tokio::test]
async fn what_is_passed_bypassed_or_a_problem_keeps_silent_too() {
    let house = House::new();
    let layer = house.layer().x_cache(false).cache_status(false);
    let origin = Origin::new(|call| match call.parts.uri.path() {
        "/panic" => panic!("as it should"),
        _ => Ok(reply(302).with("x-cache", "theirs").to_response(0)),
    });
    let service = layer.layer(origin);
    for request in [
        get("/"),
        get("/").with("cookie", "a=1"),
        get("/panic"),
        head("/"),
    ] {
        let answer = ask(&service, request).await;
        assert_eq!(
            (answer.field("cache-status"), answer.field("x-cache-key")),
            ("", "")
        );
        assert!(["", "theirs"].contains(&answer.x_cache()), "{answer:?}");
    }
}

/// `Cache-Status` as a list of structured fields (RFC 8941): the members' names, and the parameters of the last.
fn parsed(answer: &Answer) -> (Vec<String>, BTreeMap<String, String>) {
    let text = answer.lines("cache-status").join(", ");
    let is_token = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/*".contains(&byte))
    };
    let is_item = |text: &str| is_token(text) || text.parse::<i64>().is_ok();
    let (mut names, mut last) = (Vec::new(), BTreeMap::new());
    for member in text.split(", ") {
        let (name, parameters) = member.split_once("; ").unwrap_or((member, ""));
        assert!(is_token(name) || name.starts_with('"'), "{text}");
        names.push(name.to_owned());
        last = BTreeMap::new();
        for parameter in parameters
            .split("; ")
            .filter(|parameter| !parameter.is_empty())
        {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, "1"));
            assert!(
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{text}"
            );
            assert!(is_item(value), "{text}");
            assert!(
                last.insert(key.to_owned(), value.to_owned()).is_none(),
                "{key} twice in {text}"
            );
        }
    }
    (names, last)
}

fn is_known(parameters: &BTreeMap<String, String>) -> bool {
    let known = [
        "hit",
        "fwd",
        "fwd-status",
        "stored",
        "collapsed",
        "ttl",
        "detail",
    ];
    parameters.keys().all(|name| known.contains(&name.as_str()))
}

const WORDS: [&str; 8] = [
    "MISS",
    "COLLAPSED",
    "HIT",
    "STALE",
    "PASS",
    "BYPASS",
    "ERROR",
    "MISS",
];

#[tokio::test]
async fn every_answer_says_in_a_word_and_in_structured_fields_what_happened() {
    let house = House::new();
    let all = every_word(&house, None).await;
    assert_eq!(all.iter().map(Answer::x_cache).collect::<Vec<_>>(), WORDS);
    let said: Vec<&str> = all
        .iter()
        .map(|answer| answer.field("cache-status"))
        .collect();
    assert_eq!(
        said,
        [
            "tower-swr; fwd=uri-miss; fwd-status=200; stored; ttl=60",
            "tower-swr; fwd=uri-miss; collapsed",
            "tower-swr; hit; ttl=60",
            "tower-swr; hit; ttl=-1; detail=stale-while-revalidate",
            "tower-swr; fwd=uri-miss; fwd-status=200; detail=private",
            "tower-swr; fwd=bypass; detail=cookie",
            "tower-swr; fwd=uri-miss; detail=origin-panicked",
            "tower-swr; fwd=uri-miss; fwd-status=200; detail=head",
        ]
    );
    for answer in &all {
        let (names, parameters) = parsed(answer);
        assert_eq!(names, ["tower-swr"]);
        assert!(is_known(&parameters), "{parameters:?}");
        assert!(answer.field("x-query-time-ms").parse::<u64>().is_ok());
    }
}

#[tokio::test]
async fn what_caches_nearer_to_the_origin_said_comes_first() {
    let house = House::new();
    let theirs = "\"ori;gin, 1\"; hit; ttl=3";
    for answer in every_word(&house, Some(theirs)).await {
        let all = answer.lines("cache-status").join(", ");
        if answer.x_cache() == "ERROR" {
            continue;
        }
        let ours = all
            .strip_prefix(theirs)
            .and_then(|rest| rest.strip_prefix(", "));
        assert!(
            ours.is_some_and(|ours| ours.starts_with("tower-swr; ")),
            "{all}"
        );
    }
}

#[tokio::test]
async fn a_stored_answer_says_its_age_and_one_that_is_passed_says_what_the_handler_said() {
    let house = House::new();
    for answer in every_word(&house, None).await {
        let expected = match answer.x_cache() {
            "STALE" => "61",
            "HIT" | "COLLAPSED" => "0",
            "MISS" if answer.field("cache-status").contains("stored") => "0",
            _ => "",
        };
        assert_eq!(answer.field("age"), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn the_time_in_the_layer_is_told_in_milliseconds() {
    let house = House::new();
    let origin = Origin::always(reply(200));
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, [get("/"), get("/")]).await;
    house.pass(crate::house::millis(1234)).await;
    origin.release();
    for answer in answers(asking).await {
        assert_eq!(answer.field("x-query-time-ms"), "1234");
    }
    assert_eq!(ask(&service, get("/")).await.field("x-query-time-ms"), "0");
}

#[tokio::test]
async fn the_key_that_is_told_is_the_same_in_every_process_and_tells_nothing() {
    let secret = |path: &str| {
        get(path)
            .with("authorization", "Bearer secret")
            .with("cookie", "a=secret")
    };
    let mut told = Vec::new();
    for _ in 0..2 {
        let house = House::new();
        let layer = house.layer().key_authorization().key_cookies(["a"]);
        let service = layer.layer(Origin::always(reply(200)));
        for _ in 0..2 {
            told.push(
                ask(&service, secret("/secret?secret"))
                    .await
                    .field("x-cache-key")
                    .to_owned(),
            );
        }
        assert_ne!(
            ask(&service, secret("/other")).await.field("x-cache-key"),
            told[0]
        );
    }
    assert!(told.iter().all(|key| *key == told[0]), "{told:?}");
    let hash = told[0].strip_prefix("s:").expect("the scope");
    assert!(
        hash.len() == 32 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{hash}"
    );
}

#[tokio::test]
async fn a_cache_upstream_that_says_nothing_makes_no_difference() {
    let (house, origin) = (
        House::new(),
        Origin::always(reply(200).with("cache-status", "").with("cache-status", "")),
    );
    let service = house.layer().layer(origin.clone());
    for verb in ["MISS", "HIT"] {
        let answer = ask(&service, get("/")).await;
        assert_eq!(
            (answer.lines("x-cache"), answer.lines("x-query-time-ms")),
            (vec![verb], vec!["0"])
        );
        assert_eq!(answer.lines("cache-status").len(), 1);
    }
}

//! What is kept, and what is made of it.

use std::time::Duration;

use crate::support::{House, Message, Script, kept, said};

const ETAGGED: &str = "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nCache-Control: max-age=60, stale-while-revalidate=60\r\n\
                       Content-Length: 10\r\n\r\n0123456789";

#[tokio::test]
async fn the_second_is_answered_from_memory() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    let first = house.get("/a?b").await;
    assert_eq!((first.status(), first.verb()), (200, "MISS"));
    house.clock.advance(Duration::from_secs(5));
    let second = house.get("/a?b").await;
    assert_eq!((second.status(), second.verb()), (200, "HIT"));
    for answer in [&first, &second] {
        assert_eq!(
            (answer.field("content-length"), answer.body.as_str()),
            ("5", "hello")
        );
        assert_eq!(
            answer.field("cache-control"),
            "max-age=60",
            "the origin's own"
        );
    }
    assert_eq!(second.field("age"), "5");
    assert_eq!(house.origin.calls(), 1);
    assert_eq!(house.get("/a?c").await.verb(), "MISS");
}

#[tokio::test]
async fn it_adds_no_lifetime_of_its_own() {
    let bare = |_: &Message, _| said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let house = House::before(bare).await;
    for _ in 0..2 {
        let answer = house.get("/").await;
        assert_eq!((answer.verb(), answer.field("cache-control")), ("MISS", ""));
    }
    assert_eq!(house.origin.calls(), 2);
}

#[tokio::test]
async fn it_adds_the_lifetime_it_is_asked_to() {
    let bare = |_: &Message, _| said("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    let house = House::with(&["--max-age", "60"], bare).await;
    house.get("/").await;
    assert_eq!(house.get("/").await.verb(), "HIT");
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(house.get("/").await.verb(), "MISS", "and no stale window");
}

#[tokio::test]
async fn not_modified_and_parts_are_answered_from_memory() {
    let house = House::before(|_, _| said(ETAGGED)).await;
    house.get("/").await;
    let unchanged = house.ask("GET /", "If-None-Match: W/\"a\"\r\n").await;
    assert_eq!((unchanged.status(), unchanged.verb()), (304, "HIT"));
    assert_eq!(unchanged.field("etag"), "\"a\"");
    let part = house.ask("GET /", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status(), part.body.as_str()), (206, "234"));
    assert_eq!(part.field("content-range"), "bytes 2-4/10");
    let beyond = house.ask("GET /", "Range: bytes=10-\r\n").await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn a_part_that_nothing_is_kept_of_fills_the_cache_with_the_whole() {
    let house = House::before(|_, _| said(ETAGGED)).await;
    let part = house.ask("GET /", "Range: bytes=2-4\r\n").await;
    assert_eq!((part.status(), part.body.as_str()), (206, "234"));
    assert_eq!(house.origin.received(0).field("range"), "");
    assert_eq!(house.get("/").await.verb(), "HIT");
}

#[tokio::test]
async fn stale_is_served_at_once_while_one_refresh_asks_whether_it_has_changed() {
    let house = House::before(|request, _| match request.field("if-none-match") {
        "\"a\"" => {
            said("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\n\r\n")
        }
        _ => said(ETAGGED),
    })
    .await;
    house.get("/").await;
    house.clock.advance(Duration::from_secs(70));
    let stale = house.get("/").await;
    assert_eq!((stale.verb(), stale.body.as_str()), ("STALE", "0123456789"));
    house.origin.reached(2).await;
    house.settled().await;
    let fresh = house.get("/").await;
    assert_eq!((fresh.verb(), fresh.body.as_str()), ("HIT", "0123456789"));
    assert_eq!(house.origin.calls(), 2);
}

#[tokio::test]
async fn a_change_drops_what_is_kept() {
    let script = |request: &Message, number: usize| -> Script {
        match request.start.starts_with("GET") {
            true => kept("max-age=60", &format!("version {number}")),
            false => said("HTTP/1.1 204 No Content\r\n\r\n"),
        }
    };
    let house = House::before(script).await;
    assert_eq!(house.get("/").await.body, "version 0");
    let posted = house.ask("POST /", "Content-Length: 0\r\n").await;
    assert_eq!((posted.status(), posted.verb()), (204, "BYPASS"));
    assert_eq!(house.get("/").await.body, "version 2");
}

#[tokio::test]
async fn a_head_is_asked_as_a_get_that_answers_both() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    // One connection throughout: a body where there should be none would put it out of step.
    let mut wire = house.connect().await;
    for verb in ["MISS", "HIT"] {
        let answer = wire.ask("HEAD /", "").await;
        assert_eq!((answer.verb(), answer.field("content-length")), (verb, "5"));
        house.settled().await;
    }
    let answer = wire.get("/").await;
    assert_eq!((answer.verb(), answer.body.as_str()), ("HIT", "hello"));
    assert!(house.origin.received(0).start.starts_with("GET "));
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn clients_may_insist_on_the_origin_or_on_the_cache() {
    let house = House::before(|_, number| kept("max-age=60", &format!("version {number}"))).await;
    let only = house
        .ask("GET /", "Cache-Control: only-if-cached\r\n")
        .await;
    assert_eq!((only.status(), house.origin.calls()), (504, 0));
    house.get("/").await;
    let insisting = house.ask("GET /", "Cache-Control: no-cache\r\n").await;
    assert_eq!(insisting.body, "version 1");
    let only = house
        .ask("GET /", "Cache-Control: only-if-cached\r\n")
        .await;
    assert_eq!((only.verb(), only.body.as_str()), ("HIT", "version 1"));
}

#[tokio::test]
async fn freshness_is_guessed_where_the_origin_only_says_when_it_changed() {
    let old = "HTTP/1.1 200 OK\r\nLast-Modified: Thu, 01 Jan 1970 00:00:01 GMT\r\nContent-Length: 0\r\n\r\n";
    let house = House::before(move |_, _| said(old)).await;
    for verb in ["MISS", "HIT"] {
        assert_eq!(house.get("/").await.verb(), verb);
    }
}

#[tokio::test]
async fn variants_are_kept_apart() {
    let house = House::before(|request, _| {
        let language = request.field("accept-language");
        let length = language.len();
        said(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\n\
             Content-Length: {length}\r\n\r\n{language}"
        ))
    })
    .await;
    for verb in ["MISS", "HIT"] {
        for language in ["de", "fr"] {
            let field = format!("Accept-Language: {language}\r\n");
            let answer = house.ask("GET /", &field).await;
            assert_eq!((answer.verb(), answer.body.as_str()), (verb, language));
        }
    }
}

#[tokio::test]
async fn addresses_that_the_origin_says_to_be_equivalent_share_one_answer() {
    let house = House::before(|_, _| {
        said(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nNo-Vary-Search: params=(\"utm\")\r\n\
             Content-Length: 2\r\n\r\nok",
        )
    })
    .await;
    for (path, verb) in [("/?utm=1", "MISS"), ("/?utm=2", "HIT"), ("/?id=1", "MISS")] {
        let answer = house.get(path).await;
        assert_eq!(answer.verb(), verb, "{path}");
        assert_eq!(answer.field("no-vary-search"), "params=(\"utm\")");
    }
}

#[tokio::test]
async fn what_is_too_large_to_keep_is_handed_on_and_so_are_its_parts() {
    let large = "x".repeat(2000);
    let whole = large.clone();
    let house = House::with(&["--largest", "1K"], move |request, _| {
        match request.field("range") {
            "" => kept("max-age=60", &whole),
            _ => said(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/2000\r\nContent-Length: 2\r\n\r\nxx",
            ),
        }
    })
    .await;
    // The first may have to fill the cache, and is given the whole.
    let whole = house.ask("GET /", "Range: bytes=0-1\r\n").await;
    assert_eq!((whole.status(), whole.verb()), (200, "PASS"));
    assert_eq!(whole.body, large);
    let part = house.ask("GET /", "Range: bytes=0-1\r\n").await;
    assert_eq!(
        (part.status(), part.verb(), part.body.as_str()),
        (206, "PASS", "xx")
    );
}

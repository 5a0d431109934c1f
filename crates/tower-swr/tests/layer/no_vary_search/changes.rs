//! What changes: purges, unsafe requests, and what answers say of the query.

use http::{Method, Request, Uri};
use tower::Layer as _;
use tower_swr::{HttpCache, Purged};

use super::{UTM, layer, plain, saying, word};
use crate::house::{House, Origin, ask, get, secs, settle, start};

fn post(path: &str) -> Request<axum::body::Body> {
    let mut request = get(path);
    *request.method_mut() = Method::POST;
    request
}

type Purge = fn(&HttpCache, &Uri) -> Purged;

#[tokio::test]
async fn a_purge_of_any_of_the_uris_is_one_of_their_answer() {
    let purges: [Purge; 2] = [
        |cache, uri| cache.purge("s", uri),
        |cache, uri| cache.soft_purge("s", uri),
    ];
    for (purge, word_after) in purges.into_iter().zip(["MISS", "STALE"]) {
        let house = House::new();
        let (service, _) = saying(&house, UTM);
        for path in ["/a?id=1&utm=x", "/a?id=2&utm=x"] {
            ask(&service, get(path)).await;
        }
        for uri in [
            "/a?id=1&utm=never-seen",
            "http://example.com/a?id=1",
            "/a?%69d=1",
        ] {
            purge(&house.cache, &uri.parse().expect("a URI"));
            assert_eq!(word(&service, "/a?id=1&utm=y").await, word_after, "{uri}");
            settle().await;
            assert_eq!(word(&service, "/a?id=1&utm=y").await, "HIT", "{uri}");
        }
        for uri in ["/a?id=3", "/b?id=1", "/a", "http://example.org/a?id=1"] {
            purge(&house.cache, &uri.parse().expect("a URI"));
            assert_eq!(word(&service, "/a?id=1&utm=y").await, "HIT", "{uri}");
        }
        assert_eq!(word(&service, "/a?id=2&utm=z").await, "HIT");
    }
}

#[tokio::test]
async fn a_change_of_any_of_the_uris_drops_their_answer() {
    let house = House::new();
    let (service, _) = saying(&house, UTM);
    ask(&service, get("/a?id=1&utm=x")).await;
    ask(&service, post("/a?id=1&utm=y")).await;
    assert_eq!(word(&service, "/a?id=1&utm=x").await, "MISS");
    ask(&service, post("/a?id=2")).await;
    assert_eq!(word(&service, "/a?id=1&utm=z").await, "HIT");
}

#[tokio::test]
async fn scopes_tags_and_everything_are_purged_as_ever() {
    let house = House::new();
    let origin = Origin::always(
        plain()
            .with("no-vary-search", UTM)
            .with("cache-tag", "blue"),
    );
    let service = layer(&house).layer(origin);
    let purges: [fn(&HttpCache); 3] = [
        |cache| drop(cache.purge_tag("blue")),
        |cache| drop(cache.purge_scope("s")),
        |cache| drop(cache.purge_all()),
    ];
    word(&service, "/a?utm=0").await;
    for purge in purges {
        assert_eq!(word(&service, "/a?utm=1").await, "HIT");
        purge(&house.cache);
        assert_eq!(word(&service, "/a?utm=2").await, "MISS");
    }
}

/// The first answer of all tells of the parameter only when it comes: who purged meanwhile could not name its key.
#[tokio::test]
async fn a_purge_that_could_not_know_is_not_outlived() {
    let house = House::new();
    let (service, origin) = saying(&house, UTM);
    origin.hold();
    let first = start(&service, get("/a?utm=1")).await;
    settle().await;
    house.cache.purge("s", &Uri::from_static("/a?utm=2"));
    origin.release();
    assert_eq!(first.await.expect("it ends").text(), "call 0");
    let second = ask(&service, get("/a?utm=2")).await;
    assert_eq!((second.x_cache(), second.text()), ("MISS", "call 1"));
    assert_eq!(word(&service, "/a?utm=3").await, "HIT");
}

#[tokio::test]
async fn a_purge_during_a_call_reaches_it_by_any_of_its_uris() {
    let house = House::new();
    let (service, origin) = saying(&house, UTM);
    ask(&service, get("/a?id=0")).await;
    origin.hold();
    let first = start(&service, get("/a?id=1&utm=1")).await;
    settle().await;
    house.cache.purge("s", &Uri::from_static("/a?id=1&utm=2"));
    let second = start(&service, get("/a?id=1&utm=3")).await;
    settle().await;
    assert_eq!(origin.calls(), 3, "nobody joins it");
    origin.release();
    assert_eq!(first.await.expect("it ends").text(), "call 1");
    assert_eq!(second.await.expect("it ends").text(), "call 2");
    assert_eq!(ask(&service, get("/a?id=1")).await.text(), "call 2");
}

/// Answers with what `lines` say, one after the other.
fn telling(
    house: &House,
    lines: &'static [Option<&'static str>],
) -> (tower_swr::CacheService<Origin>, Origin) {
    let replies = lines.iter().map(|line| match line {
        Some(line) => plain().with("no-vary-search", line),
        None => plain(),
    });
    let origin = Origin::script(replies);
    (layer(house).layer(origin.clone()), origin)
}

#[tokio::test]
async fn the_newest_answers_word_counts() {
    let house = House::new();
    let (service, _) = telling(&house, &[Some(UTM), Some("params=(\"utm\" \"fb\")")]);
    assert_eq!(word(&service, "/a?id=1&utm=1").await, "MISS");
    assert_eq!(
        word(&service, "/a?id=1&fb=1").await,
        "MISS",
        "it did not say so"
    );
    let newest = ask(&service, get("/a?id=1&fb=2")).await;
    assert_eq!((newest.x_cache(), newest.text()), ("HIT", "call 1"));
    let both = ask(&service, get("/a?id=1&utm=2")).await;
    assert_eq!(
        (both.x_cache(), both.text()),
        ("HIT", "call 1"),
        "both are, and this is newer"
    );
}

#[tokio::test]
async fn an_older_answer_serves_on_where_the_newer_one_is_not_for_the_uri() {
    let house = House::new();
    let (service, _) = telling(&house, &[Some(UTM), Some("params=(\"fb\")")]);
    assert_eq!(word(&service, "/a?id=1&utm=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=2&fb=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=2&fb=2").await, "HIT");
    assert_eq!(word(&service, "/a?id=1&utm=2").await, "HIT");
    assert_eq!(
        word(&service, "/a?id=2&utm=2").await,
        "MISS",
        "that one said nothing of utm"
    );
}

#[tokio::test]
async fn after_an_answer_without_the_field_the_others_are_found_and_nothing_is_shared_anew() {
    let house = House::new();
    let (service, origin) = telling(&house, &[Some(UTM), None]);
    assert_eq!(word(&service, "/a?id=1&utm=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=2&utm=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=2&utm=1").await, "HIT");
    assert_eq!(word(&service, "/a?id=2&utm=2").await, "MISS");
    assert_eq!(word(&service, "/a?id=1&utm=2").await, "HIT");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn a_refresh_moves_the_answer_to_where_it_says_it_belongs() {
    let house = House::new();
    let (service, origin) = telling(&house, &[None, Some(UTM), None]);
    ask(&service, get("/a?utm=1")).await;
    for expected in ["call 0", "call 1"] {
        house.pass(secs(61)).await;
        let stale = ask(&service, get("/a?utm=1")).await;
        assert_eq!((stale.x_cache(), stale.text()), ("STALE", expected));
        settle().await;
        assert_eq!(house.entries(), 1, "what was renewed is gone");
        let renewed = ask(&service, get("/a?utm=1")).await;
        assert_eq!(renewed.x_cache(), "HIT", "{expected}");
    }
    assert_eq!(origin.calls(), 3);
    assert_eq!(word(&service, "/a?utm=2").await, "MISS");
}

/// Each began before any knew of the parameter, so there were two calls; that one failed shows when it comes, before the
/// other or after it.
#[tokio::test]
async fn a_failure_takes_no_good_answers_place_for_all_uris() {
    let said = |status| {
        let reply = crate::house::reply(status).with("no-vary-search", UTM);
        reply.with("cache-control", "max-age=60")
    };
    for statuses in [[200, 500], [500, 200]] {
        let house = House::new();
        let origin = Origin::script(statuses.map(said));
        let service = layer(&house).layer(origin.clone());
        origin.hold();
        let first = start(&service, get("/a?utm=1")).await;
        let second = start(&service, get("/a?utm=2")).await;
        settle().await;
        assert_eq!(origin.calls(), 2);
        origin.release();
        for (asked, status) in [first, second].into_iter().zip(statuses) {
            assert_eq!(asked.await.expect("it ends").status, status);
        }
        let kept = ask(&service, get("/a?utm=3")).await;
        assert_eq!((kept.x_cache(), kept.status.as_u16()), ("HIT", 200));
    }
}

/// A purge names what is kept under the variations that are known. One that was forgotten meanwhile, and is learned again,
/// must not lead to what that purge meant.
#[tokio::test]
async fn what_is_kept_under_a_forgotten_variation_is_not_found_again() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let line = format!("params=(\"{}\")", call.parts.uri.path());
        Ok(plain()
            .with("no-vary-search", line)
            .to_response(call.number))
    });
    let service = layer(&house).layer(origin);
    assert_eq!(word(&service, "/a?id=1&/a=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=1&/a=2").await, "HIT");
    for number in 0..16 {
        assert_eq!(
            word(&service, &format!("/b{number}?/b{number}=1")).await,
            "MISS"
        );
        assert_eq!(
            word(&service, &format!("/b{number}?/b{number}=2")).await,
            "HIT"
        );
    }
    house.cache.purge("s", &Uri::from_static("/a?id=1&/a=3"));
    assert_eq!(word(&service, "/a?id=2&/a=1").await, "MISS");
    assert_eq!(word(&service, "/a?id=2&/a=2").await, "HIT", "room was made");
    assert_eq!(
        word(&service, "/a?id=1&/a=2").await,
        "MISS",
        "it was purged"
    );
}

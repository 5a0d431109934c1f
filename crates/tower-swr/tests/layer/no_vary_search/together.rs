//! With everything else: `Vary`, conditions, ranges, `HEAD`, client directives.

use tower::Layer as _;

use super::{UTM, layer, plain, saying, word};
use crate::house::{
    House, Origin, With as _, answers, ask, count, get, head, secs, settle, start_all,
};

#[tokio::test]
async fn variants_are_told_apart_under_the_common_key() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let language = call.parts.headers.get("accept-language");
        let text = String::from_utf8_lossy(language.expect("it is there").as_bytes()).into_owned();
        let reply = plain()
            .with("no-vary-search", UTM)
            .with("vary", "accept-language");
        Ok(reply.text(text).to_response(call.number))
    });
    let service = layer(&house).layer(origin.clone());
    let of = |utm: usize, language: &str| {
        get(&format!("/a?utm={utm}")).with("accept-language", language)
    };
    for (utm, language, expected) in [
        (1, "en", "MISS"),
        (2, "fr", "MISS"),
        (3, "en", "HIT"),
        (4, "fr", "HIT"),
        (1, "fr", "HIT"),
    ] {
        let answer = ask(&service, of(utm, language)).await;
        assert_eq!(
            (answer.x_cache(), answer.text()),
            (expected, language),
            "{utm}"
        );
    }
    origin.hold();
    let crowd = (0..20).map(|utm| of(utm, if utm % 2 == 0 { "de" } else { "it" }));
    let asking = start_all(&service, crowd).await;
    assert_eq!(origin.calls(), 4);
    origin.release();
    let answers = answers(asking).await;
    assert_eq!(
        (count(&answers, "MISS"), count(&answers, "COLLAPSED")),
        (2, 18)
    );
    for (utm, answer) in answers.iter().enumerate() {
        assert_eq!(answer.text(), if utm % 2 == 0 { "de" } else { "it" });
    }
    let uri = "/a?utm=99".parse().expect("a URI");
    house.cache.purge("s", &uri);
    for language in ["en", "fr", "de", "it"] {
        assert_eq!(
            ask(&service, of(5, language)).await.x_cache(),
            "MISS",
            "{language}"
        );
    }
}

#[tokio::test]
async fn what_was_kept_by_its_own_uri_gives_way() {
    let house = House::new();
    let said = plain().with("no-vary-search", UTM).with("vary", "accept");
    let origin = Origin::script([plain().with("vary", "accept"), said]);
    let service = layer(&house).layer(origin.clone());
    let of = |path: &str, accept: &str| get(path).with("accept", accept);
    assert_eq!(ask(&service, of("/a?utm=1", "x")).await.x_cache(), "MISS");
    assert_eq!(ask(&service, of("/a?utm=1", "y")).await.x_cache(), "MISS");
    assert_eq!(ask(&service, of("/a?utm=1", "y")).await.x_cache(), "HIT");
    assert_eq!(ask(&service, of("/a?utm=2", "y")).await.x_cache(), "HIT");
    assert_eq!(ask(&service, of("/a?utm=1", "z")).await.x_cache(), "MISS");
    assert_eq!(ask(&service, of("/a?utm=1", "z")).await.x_cache(), "HIT");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn parts_conditions_and_heads_are_answered_from_it() {
    let house = House::new();
    let said = plain()
        .with("no-vary-search", UTM)
        .with("etag", "\"x\"")
        .text("0123456789");
    let origin = Origin::always(said);
    let service = layer(&house).layer(origin.clone());
    ask(&service, get("/a?utm=1")).await;
    let part = ask(&service, get("/a?utm=2").with("range", "bytes=2-4")).await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "234"));
    let same = ask(&service, get("/a?utm=3").with("if-none-match", "\"x\"")).await;
    assert_eq!(same.status, 304);
    let fields = ask(&service, head("/a?utm=4")).await;
    assert_eq!(
        (fields.x_cache(), fields.field("content-length")),
        ("HIT", "10")
    );
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn a_head_on_its_own_tells_nothing() {
    let house = House::new();
    let (service, _) = saying(&house, UTM);
    assert_eq!(ask(&service, head("/a?utm=1")).await.x_cache(), "MISS");
    assert_eq!(word(&service, "/a?utm=2").await, "MISS");
    assert_eq!(ask(&service, head("/a?utm=1")).await.x_cache(), "HIT");
}

#[tokio::test]
async fn a_confirmation_keeps_what_the_answer_said() {
    let house = House::new();
    let said = plain().with("no-vary-search", UTM).with("etag", "\"x\"");
    let origin = Origin::script([said, crate::house::reply(304).with("etag", "\"x\"")]);
    let service = layer(&house).layer(origin.clone());
    ask(&service, get("/a?utm=1")).await;
    house.pass(secs(61)).await;
    assert_eq!(word(&service, "/a?utm=2").await, "STALE");
    settle().await;
    assert_eq!(origin.seen()[1].fields["if-none-match"], "\"x\"");
    let confirmed = ask(&service, get("/a?utm=3")).await;
    assert_eq!((confirmed.x_cache(), confirmed.text()), ("HIT", "call 0"));
}

#[tokio::test]
async fn clients_directives_count_for_it_as_for_any() {
    let house = House::new();
    let origin = Origin::always(plain().with("no-vary-search", UTM));
    let service = layer(&house)
        .honor_client_directives()
        .layer(origin.clone());
    ask(&service, get("/a?utm=1")).await;
    let kept = ask(
        &service,
        get("/a?utm=2").with("cache-control", "only-if-cached"),
    )
    .await;
    assert_eq!(kept.x_cache(), "HIT");
    house.pass(secs(1)).await;
    let fresh = ask(&service, get("/a?utm=3").with("cache-control", "no-cache")).await;
    assert_eq!(fresh.text(), "call 1");
    assert_eq!(ask(&service, get("/a?utm=4")).await.text(), "call 1");
    let none = ask(
        &service,
        get("/a?id=9").with("cache-control", "only-if-cached"),
    )
    .await;
    assert_eq!(none.status, 504);
}

#[tokio::test]
async fn users_are_told_apart_as_ever() {
    let house = House::new();
    let origin = Origin::always(plain().with("no-vary-search", UTM));
    let service = layer(&house).key_cookies(["user"]).layer(origin);
    let of = |utm: usize, user: &str| {
        get(&format!("/a?utm={utm}")).with("cookie", format!("user={user}"))
    };
    assert_eq!(ask(&service, of(1, "a")).await.x_cache(), "MISS");
    assert_eq!(ask(&service, of(2, "a")).await.x_cache(), "HIT");
    assert_eq!(ask(&service, of(3, "b")).await.x_cache(), "MISS");
    assert_eq!(ask(&service, get("/a?utm=4")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn what_is_for_everybody_is_found_by_equivalence_too() {
    for (line, expected) in [("public, max-age=60", "HIT"), ("max-age=60", "MISS")] {
        let house = House::new();
        let said = plain().with("no-vary-search", UTM);
        let origin = Origin::always(said.with("cache-control", line));
        let service = layer(&house).as_proxy().layer(origin.clone());
        ask(&service, get("/a?utm=1").with("authorization", "me")).await;
        let other = ask(&service, get("/a?utm=2")).await;
        assert_eq!(other.x_cache(), expected, "{line}");
    }
}

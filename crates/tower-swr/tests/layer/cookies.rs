//! Whose answer is whose: cookies, `Authorization`, and answers that belong to one client.

use crate::house::{
    Answer, Call, House, Origin, With as _, answers, ask, count, get, reply, start_all,
};
use axum::body::Body;
use http::Request;
use tower::Layer as _;
use tower_swr::{CacheLayer, CacheService};

/// An origin that says which cookies and which `Authorization` it saw.
fn telling() -> Origin {
    Origin::new(|call| {
        let told = format!("{} {}", seen(&call, "cookie"), seen(&call, "authorization"));
        Ok(reply(200).text(told).to_response(call.number))
    })
}

fn seen(call: &Call, name: &str) -> String {
    let lines = call.parts.headers.get_all(name).into_iter();
    let lines: Vec<&str> = lines.map(|line| line.to_str().expect("text")).collect();
    if lines.is_empty() {
        "-".to_owned()
    } else {
        lines.join("|")
    }
}

fn service(layer: &CacheLayer) -> (Origin, CacheService<Origin>) {
    let origin = telling();
    (origin.clone(), layer.layer(origin))
}

fn cookie(value: &str) -> Request<Body> {
    get("/").with("cookie", value)
}

fn authorized(value: &str) -> Request<Body> {
    get("/").with("authorization", value)
}

async fn told(service: &CacheService<Origin>, request: Request<Body>) -> (String, String) {
    let answer = ask(service, request).await;
    (answer.x_cache().to_owned(), answer.text().to_owned())
}

fn pair(word: &str, text: &str) -> (String, String) {
    (word.to_owned(), text.to_owned())
}

#[tokio::test]
async fn a_request_with_a_cookie_or_authorization_bypasses_unless_the_layer_says_more() {
    let house = House::new();
    let (origin, service) = service(&house.layer());
    for (request, detail, text) in [
        (cookie("a=1"), "cookie", "a=1 -"),
        (cookie("a=2"), "cookie", "a=2 -"),
        (authorized("Bearer x"), "authorization", "- Bearer x"),
        (
            authorized("Bearer y").with("cookie", "a=1"),
            "authorization",
            "a=1 Bearer y",
        ),
        (cookie(""), "cookie", " -"),
    ] {
        let answer = ask(&service, request).await;
        assert_eq!(
            answer.field("cache-status"),
            format!("tower-swr; fwd=bypass; detail={detail}")
        );
        assert_eq!((answer.text(), answer.field("cache-control")), (text, ""));
    }
    assert_eq!((origin.calls(), house.entries()), (5, 0));
}

#[tokio::test]
async fn a_users_call_that_runs_is_not_joined_by_a_stranger() {
    let house = House::new();
    let (origin, service) = service(&house.layer());
    origin.hold();
    let asking = start_all(
        &service,
        [cookie("a=1"), get("/"), authorized("x"), get("/")],
    )
    .await;
    assert_eq!(origin.calls(), 3);
    origin.release();
    let texts: Vec<String> = answers(asking)
        .await
        .iter()
        .map(|answer| answer.text().to_owned())
        .collect();
    assert_eq!(texts, ["a=1 -", "- -", "- x", "- -"]);
}

#[tokio::test]
async fn ignored_cookies_are_not_seen_by_the_handler() {
    let house = House::new();
    let (origin, service) = service(&house.layer().ignore_cookies());
    assert_eq!(
        told(&service, cookie("session=1")).await,
        pair("MISS", "- -")
    );
    let split = cookie("a=1").with("cookie", "b=2");
    for request in [cookie("session=2"), get("/"), split] {
        assert_eq!(told(&service, request).await, pair("HIT", "- -"));
    }
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn named_cookies_bypass_and_all_others_are_not_seen() {
    let house = House::new();
    let (origin, service) = service(&house.layer().bypass_on_cookies(["session", "user"]));
    assert_eq!(
        told(&service, cookie("theme=dark")).await,
        pair("MISS", "- -")
    );
    for other in [
        "theme=light",
        "xsession=1",
        "session2=1",
        "SESSION=1",
        "a=session",
        "",
    ] {
        assert_eq!(
            told(&service, cookie(other)).await,
            pair("HIT", "- -"),
            "{other}"
        );
    }
    for named in [
        "session=1",
        "a=1; session=2",
        "a=1;user=",
        "user",
        " session = 1",
    ] {
        assert_eq!(
            told(&service, cookie(named)).await,
            pair("BYPASS", &format!("{} -", named))
        );
    }
    let split = cookie("a=1").with("cookie", "session=1");
    assert_eq!(
        told(&service, split).await,
        pair("BYPASS", "a=1|session=1 -")
    );
    assert_eq!(origin.calls(), 7);
}

#[tokio::test]
async fn keyed_cookies_keep_users_apart_and_are_all_that_the_handler_sees() {
    let house = House::new();
    let (origin, service) = service(&house.layer().key_cookies(["user", "currency"]));
    for (sent, seen) in [
        ("user=a", "user=a -"),
        ("user=b", "user=b -"),
        ("user=", "user= -"),
        ("user=a; currency=eur", "user=a; currency=eur -"),
        ("user=a; user=b", "user=a; user=b -"),
        ("user=b; user=a", "user=b; user=a -"),
        ("currency=a", "currency=a -"),
        ("user=a%3B currency=eur", "user=a%3B currency=eur -"),
        ("x=1", "- -"),
    ] {
        assert_eq!(told(&service, cookie(sent)).await, pair("MISS", seen));
        assert_eq!(told(&service, cookie(sent)).await, pair("HIT", seen));
    }
    assert_eq!(origin.calls(), 9);
}

#[tokio::test]
async fn other_cookies_order_and_split_fields_make_no_difference_to_the_key() {
    let house = House::new();
    let (origin, service) = service(&house.layer().key_cookies(["user", "currency"]));
    let first = told(&service, cookie("user=a; currency=eur")).await;
    for same in [
        "currency=eur; user=a",
        "x=1; user=a; y=2; currency=eur",
        "user=a;currency=eur",
        " user = a ;; currency=eur;",
    ] {
        assert_eq!(
            told(&service, cookie(same)).await,
            pair("HIT", &first.1),
            "{same}"
        );
    }
    let split = cookie("user=a")
        .with("cookie", "x=1")
        .with("cookie", "currency=eur");
    assert_eq!(told(&service, split).await, pair("HIT", &first.1));
    assert_eq!(origin.calls(), 1);
}

#[tokio::test]
async fn authorization_can_be_ignored_or_keyed() {
    let house = House::new();
    let (origin, open) = service(&house.cache.layer("open").ignore_authorization());
    assert_eq!(told(&open, authorized("x")).await, pair("MISS", "- -"));
    assert_eq!(told(&open, get("/")).await, pair("HIT", "- -"));
    assert_eq!(origin.calls(), 1);
    let (origin, keyed) = service(&house.cache.layer("keyed").key_authorization());
    for word in ["MISS", "HIT"] {
        for user in ["Bearer a", "Bearer b", "bearer a", ""] {
            assert_eq!(
                told(&keyed, authorized(user)).await,
                pair(word, &format!("- {user}"))
            );
        }
        assert_eq!(told(&keyed, get("/")).await, pair(word, "- -"));
    }
    assert_eq!(origin.calls(), 5);
}

#[tokio::test]
async fn caches_behind_this_one_are_told_what_it_decides_by() {
    let house = House::new();
    let layer = |name| house.cache.layer(name);
    for (layer, expected) in [
        (layer("a"), "cookie, authorization"),
        (layer("b").ignore_cookies(), "authorization"),
        (layer("c").ignore_cookies().ignore_authorization(), ""),
        (
            layer("d").key_cookies(["a"]).key_authorization(),
            "cookie, authorization",
        ),
        (
            layer("e").bypass_on_cookies(["a"]).ignore_authorization(),
            "cookie",
        ),
    ] {
        let (_, service) = service(&layer);
        assert_eq!(
            ask(&service, get("/")).await.lines("vary").join(", "),
            expected
        );
    }
}

/// A hundred clients at once, of an origin that answers each call with its number.
async fn hundred(name: &'static str, value: &'static str) -> (Origin, Vec<Answer>, House) {
    let origin = Origin::new(move |call| {
        let value = value.replace("{n}", &call.number.to_string());
        Ok(reply(200).with(name, value).to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(&service, (0..100).map(|_| get("/"))).await;
    assert_eq!(origin.calls(), 1);
    origin.release();
    let mut all = answers(asking).await;
    all.push(ask(&service, get("/")).await);
    (origin, all, house)
}

#[tokio::test]
async fn what_is_one_clients_own_reaches_no_other_neither_in_the_flight_nor_from_the_store() {
    for (name, value) in [
        ("set-cookie", "id={n}"),
        ("cache-control", "private"),
        ("cache-control", "no-store"),
        ("vary", "*"),
    ] {
        let (origin, all, _house) = hundred(name, value).await;
        let mut texts: Vec<&str> = all.iter().map(Answer::text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(
            (texts.len(), origin.calls(), count(&all, "PASS")),
            (101, 101, 101),
            "{name}"
        );
        for answer in all.iter().filter(|_| name == "set-cookie") {
            let number = answer.text().strip_prefix("call ").expect("a number");
            assert_eq!(answer.lines("set-cookie"), [format!("id={number}")]);
        }
    }
}

#[tokio::test]
async fn what_an_outer_middleware_puts_into_the_extensions_is_that_of_the_one_request_that_fills() {
    #[derive(Clone)]
    struct User(&'static str);
    let origin = Origin::new(|call| {
        let user = call
            .parts
            .extensions
            .get::<User>()
            .map_or("nobody", |user| user.0);
        Ok(reply(200).text(user).to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin);
    for _ in 0..2 {
        for user in ["alice", "bob"] {
            let mut request = get("/");
            request.extensions_mut().insert(User(user));
            // Documented: such a middleware belongs inside the layer.
            assert_eq!(ask(&service, request).await.text(), "alice");
        }
    }
}

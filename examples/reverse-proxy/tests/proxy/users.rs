//! Answers that are not for everybody.

use std::time::Duration;

use crate::support::{House, Message, Wire, kept, said};

/// The origin says what its answers depend on, and that counts.
#[tokio::test]
async fn answers_to_cookies_are_kept_apart_where_the_origin_says_so() {
    for said_so in [
        "Cache-Control: private, max-age=60",
        "Cache-Control: max-age=60\r\nVary: Cookie",
    ] {
        let house = House::before(move |request, _| {
            let cookie = request.field("cookie");
            let length = cookie.len();
            said(format!(
                "HTTP/1.1 200 OK\r\n{said_so}\r\nContent-Length: {length}\r\n\r\n{cookie}"
            ))
        })
        .await;
        for user in ["user=ann", "user=bob"] {
            let answer = house.ask("GET /", &format!("Cookie: {user}\r\n")).await;
            assert_eq!(answer.body, user);
        }
        assert_eq!(house.get("/").await.body, "");
    }
}

#[tokio::test]
async fn a_cookie_is_no_reason_to_ask_for_what_is_kept() {
    let house = House::before(|_, _| kept("max-age=60", "hello")).await;
    house.get("/").await;
    assert_eq!(house.ask("GET /", "Cookie: a=b\r\n").await.verb(), "HIT");
    house.clock.advance(Duration::from_secs(61));
    house.origin.stop().await;
    let answer = house.ask("GET /", "Cookie: a=b\r\n").await;
    assert_eq!(answer.verb(), "STALE", "nor to be left alone in an outage");
}

#[tokio::test]
async fn cookies_may_go_past_the_cache() {
    let house = House::with(&["--bypass-cookies"], |request, _| {
        kept("max-age=60", request.field("cookie"))
    })
    .await;
    for user in ["user=ann", "user=bob"] {
        let answer = house.ask("GET /", &format!("Cookie: {user}\r\n")).await;
        assert_eq!((answer.verb(), answer.body.as_str()), ("BYPASS", user));
    }
    assert_eq!(house.get("/").await.body, "");
}

#[tokio::test]
async fn credentials_reach_the_origin_and_their_answers_nobody_else() {
    let house =
        House::before(|request, _| kept("max-age=60", request.field("authorization"))).await;
    for user in ["Basic ann", "Basic bob"] {
        let answer = house
            .ask("GET /", &format!("Authorization: {user}\r\n"))
            .await;
        assert_eq!(answer.body, user);
    }
}

#[tokio::test]
async fn whoever_has_credentials_shares_what_is_public() {
    let house = House::before(|_, _| kept("public, max-age=60", "hello")).await;
    for (user, verb) in [("ann", "MISS"), ("bob", "HIT")] {
        let field = format!("Authorization: Basic {user}\r\n");
        assert_eq!(house.ask("GET /", &field).await.verb(), verb);
    }
}

#[tokio::test]
async fn an_answer_that_sets_a_cookie_is_for_one() {
    let house = House::before(|_, number| {
        said(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nSet-Cookie: id={number}\r\nContent-Length: 0\r\n\r\n"
        ))
    })
    .await;
    assert_eq!(house.get("/").await.field("set-cookie"), "id=0");
    assert_eq!(house.get("/").await.field("set-cookie"), "id=1");
}

/// Both fields are made by the proxy, behind the back of the cache where it does not take care.
#[tokio::test]
async fn answers_that_depend_on_the_clients_address_are_kept_apart() {
    for named in ["Forwarded", "x-forwarded-for"] {
        let house = House::before(move |request, _| {
            let address = request.field("x-forwarded-for").to_owned();
            let length = address.len();
            said(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: {named}\r\nContent-Length: {length}\r\n\r\n\
                 {address}"
            ))
        })
        .await;
        for verb in ["MISS", "HIT"] {
            for address in ["127.0.0.1", "127.0.0.2"] {
                let mut wire = Wire::from(house.address, address.parse().unwrap()).await;
                let answer = wire.get("/").await;
                assert_eq!(
                    (answer.verb(), answer.body.as_str()),
                    (verb, address),
                    "{named}"
                );
            }
        }
    }
}

/// A client takes away by `Connection` what the key was made of, and would fill the variant of another with it.
#[tokio::test]
async fn connection_cannot_poison_a_variant() {
    let house = House::before(|request: &Message, _| {
        let tenant = request.field("x-tenant").to_owned();
        let length = tenant.len();
        said(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: X-Tenant\r\nContent-Length: {length}\r\n\r\n{tenant}"
        ))
    })
    .await;
    let poison = house
        .ask("GET /", "X-Tenant: ann\r\nConnection: x-tenant\r\n")
        .await;
    assert_eq!(poison.body, "");
    assert_eq!(house.ask("GET /", "X-Tenant: ann\r\n").await.body, "ann");
}

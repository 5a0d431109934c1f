//! Answers of one address that differ by a field of the request, and a follower who sends another.

use crate::house::{House, Origin, With as _, answers, ask, get, reply, secs, settle, start_all};
use tower::Layer as _;

#[tokio::test]
async fn another_kind_of_answer_to_the_same_address_is_kept_apart() {
    let origin = Origin::new(|call| {
        let is_part = call.parts.headers.contains_key("rsc");
        let kind = if is_part {
            "text/x-component"
        } else {
            "text/html"
        };
        let said = reply(200)
            .with("vary", "RSC, Next-Router-State-Tree")
            .with("content-type", kind);
        Ok(said
            .with("cache-control", "s-maxage=60")
            .text(kind)
            .to_response(call.number))
    });
    let house = House::new();
    for layer in [house.layer(), house.cache.layer("proxy").as_proxy()] {
        let service = layer.layer(origin.clone());
        for _ in 0..2 {
            origin.hold();
            let part = || get("/").with("rsc", "1");
            let asking = start_all(&service, [part(), get("/"), part(), get("/")]).await;
            origin.release();
            let answers = answers(asking).await;
            let kinds: Vec<&str> = answers.iter().map(|answer| answer.text()).collect();
            assert_eq!(
                kinds,
                [
                    "text/x-component",
                    "text/html",
                    "text/x-component",
                    "text/html"
                ]
            );
        }
    }
    assert_eq!(origin.calls(), 4);
}

#[tokio::test]
async fn a_tenant_that_vary_names_has_answers_of_its_own() {
    let origin = Origin::new(|call| {
        let tenant = call
            .parts
            .headers
            .get("x-tenant")
            .map(|name| format!("{name:?}"));
        let said = reply(200)
            .with("vary", "X-Tenant")
            .with("cache-control", "max-age=60");
        Ok(said.text(format!("{tenant:?}")).to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    let of = |tenant: Option<&str>| {
        tenant.map_or_else(|| get("/"), |tenant| get("/").with("x-tenant", tenant))
    };
    for _ in 0..2 {
        for tenant in [None, Some(""), Some("a"), Some("b"), Some("A")] {
            let expected = tenant.map(|tenant| format!("{tenant:?}"));
            assert_eq!(
                ask(&service, of(tenant)).await.text(),
                format!("{expected:?}")
            );
        }
    }
    assert_eq!(origin.calls(), 5);
}

#[tokio::test]
async fn a_304_that_varies_by_more_is_heeded_from_then_on() {
    let origin = Origin::new(|call| {
        let is_asked = call.parts.headers.contains_key("if-none-match");
        let language = call.parts.headers["accept-language"]
            .to_str()
            .expect("text");
        let said = if is_asked {
            reply(304).with("vary", "accept-language")
        } else {
            reply(200)
        };
        let said = said
            .with("etag", "\"1\"")
            .with("cache-control", "max-age=5");
        let text = if is_asked {
            String::new()
        } else {
            language.to_owned()
        };
        Ok(said.text(text).to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    let of = |language: &str| get("/").with("accept-language", language);
    ask(&service, of("de")).await;
    house.pass(secs(5)).await;
    assert_eq!(ask(&service, of("de")).await.text(), "de");
    settle().await;
    assert_eq!(ask(&service, of("en")).await.text(), "en");
}

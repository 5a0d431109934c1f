//! Which fields tell variants apart, and how they are compared.

use super::{in_language, said, speaking};
use crate::house::{House, Origin, With as _, ask, get, reply};
use http::header::{ACCEPT_LANGUAGE, HeaderName};
use tower::Layer as _;

#[tokio::test]
async fn fields_that_are_named_later_are_heeded_from_then_on() {
    let origin = Origin::new(|call| {
        let vary = if call.number == 0 {
            "accept"
        } else {
            "accept-language"
        };
        let text = format!(
            "{} {}",
            said(&call, "accept"),
            said(&call, "accept-language")
        );
        Ok(reply(200)
            .with("vary", vary)
            .text(text)
            .to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    let request = |accept, language| {
        get("/")
            .with("accept", accept)
            .with("accept-language", language)
    };
    ask(&service, request("a", "de")).await;
    // The first answer said that the language is of no account.
    assert_eq!(ask(&service, request("a", "en")).await.text(), "a de");
    assert_eq!(ask(&service, request("b", "de")).await.text(), "b de");
    for (accept, language) in [("b", "en"), ("a", "en"), ("a", "de"), ("b", "de")] {
        let answer = ask(&service, request(accept, language)).await;
        assert_eq!(answer.text(), format!("{accept} {language}"));
    }
    let hit = ask(&service, request("b", "en")).await;
    assert_eq!((hit.x_cache(), hit.text()), ("HIT", "b en"));
}

#[tokio::test]
async fn an_answer_without_vary_does_not_mix_the_variants_that_are_known() {
    let origin = Origin::new(|call| {
        let first = reply(200).with("vary", "accept-language");
        let reply = if call.number == 0 { first } else { reply(200) };
        Ok(reply
            .text(said(&call, "accept-language"))
            .to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    for language in ["de", "en", "de", "en"] {
        assert_eq!(ask(&service, in_language(language)).await.text(), language);
    }
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn fields_that_the_handler_never_sees_make_no_variants() {
    let house = House::new();
    let origin = speaking("Cookie, Authorization, Range, If-None-Match, Host, X-Forwarded-Host");
    let layer = house.layer().ignore_cookies().ignore_authorization();
    let service = layer.layer(origin.clone());
    for n in 0..3 {
        let request = get("/")
            .with("cookie", format!("a={n}"))
            .with("range", format!("bytes={n}-"));
        let request = request.with("authorization", format!("b {n}"));
        ask(&service, request.with("if-none-match", format!("\"{n}\""))).await;
    }
    assert_eq!((origin.calls(), house.entries()), (1, 1));
}

#[tokio::test]
async fn spacing_and_lines_make_no_difference_and_case_and_order_do() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let first = in_language("de, en;q=0.5");
    ask(&service, first).await;
    for same in ["de,en;q=0.5", " de ,\ten;q=0.5 "] {
        assert_eq!(
            ask(&service, in_language(same)).await.x_cache(),
            "HIT",
            "{same}"
        );
    }
    let lines = in_language("de").with("accept-language", "en;q=0.5");
    assert_eq!(ask(&service, lines).await.x_cache(), "HIT");
    for other in [
        "DE, en;q=0.5",
        "en;q=0.5, de",
        "de",
        "de, en; q=0.5",
        "de, e n;q=0.5",
    ] {
        assert_eq!(ask(&service, in_language(other)).await.text(), other);
    }
}

#[tokio::test]
async fn an_empty_field_is_not_an_absent_one() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    for _ in 0..2 {
        assert_eq!(ask(&service, get("/")).await.text(), "nothing");
        assert_eq!(ask(&service, in_language("")).await.text(), "");
    }
    assert_eq!(origin.calls(), 2);
}

#[tokio::test]
async fn fields_named_on_the_layer_are_keyed_and_told() {
    let x_group = HeaderName::from_static("x-group");
    let origin = Origin::new(|call| {
        Ok(reply(200)
            .with("vary", "Accept")
            .text(said(&call, "x-group"))
            .to_response(call.number))
    });
    let house = House::new();
    let service = house
        .layer()
        .vary([ACCEPT_LANGUAGE, x_group])
        .layer(origin.clone());
    for expected in ["MISS", "HIT"] {
        for group in ["a", "b"] {
            let answer = ask(&service, get("/").with("x-group", group)).await;
            assert_eq!((answer.x_cache(), answer.text()), (expected, group));
            let vary = ["Accept, accept-language, x-group, cookie, authorization"];
            assert_eq!(answer.lines("vary"), vary);
        }
    }
}

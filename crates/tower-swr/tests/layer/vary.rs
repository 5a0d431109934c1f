//! Answers that differ by request fields: each client gets its own, with one call per variant.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::house::{
    Answer, Call, House, Origin, With as _, answers, ask, count, get, open, reply, secs, settle,
    stage, start_all,
};
use axum::body::Body;
use http::header::{ACCEPT_LANGUAGE, HeaderName};
use http::{Request, Uri};
use tower::{Layer as _, service_fn};
use tower_swr::{BoxError, MemorySettings};
use tower_swr_core::Clock as _;

/// What the handler saw of `name`, which is what its answer says.
fn said(call: &Call, name: &str) -> String {
    let lines = call.parts.headers.get_all(name).into_iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        .collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.join("|")
    }
}

/// An origin that answers in the request's language and says so.
fn speaking(vary: &'static str) -> Origin {
    Origin::new(move |call| {
        let text = said(&call, "accept-language");
        Ok(reply(200)
            .with("vary", vary)
            .text(text)
            .to_response(call.number))
    })
}

fn in_language(language: &str) -> Request<Body> {
    get("/").with("accept-language", language)
}

#[tokio::test]
async fn variants_are_kept_apart_and_each_is_hit() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    for expected in ["MISS", "HIT"] {
        for language in ["de", "en", "fr"] {
            let answer = ask(&service, in_language(language)).await;
            assert_eq!((answer.x_cache(), answer.text()), (expected, language));
        }
    }
    assert_eq!(origin.calls(), 3);
    let other = ask(&service, in_language("it")).await;
    assert_eq!(
        other.field("cache-status"),
        "tower-swr; fwd=vary-miss; fwd-status=200; stored; ttl=60"
    );
}

#[tokio::test]
async fn ten_variants_of_twenty_clients_each_are_ten_calls_and_then_none() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let requests = || (0..200).map(|n| in_language(&format!("l{}", n % 10)));
    for expected in ["COLLAPSED", "HIT"] {
        origin.hold();
        let asking = start_all(&service, requests()).await;
        origin.release();
        let all = answers(asking).await;
        for (n, answer) in all.iter().enumerate() {
            assert_eq!(answer.text(), format!("l{}", n % 10));
        }
        assert!(count(&all, expected) >= 190, "{}", count(&all, expected));
        assert_eq!(origin.calls(), 10);
    }
    assert_eq!(house.cache.stats().stampede_violations, 0);
}

#[tokio::test]
async fn what_is_shared_and_not_kept_is_told_apart_in_the_flight_too() {
    let origin = Origin::new(|call| {
        let text = said(&call, "accept-language");
        let reply = reply(404).with("vary", "accept-language").text(text);
        Ok(reply.to_response(call.number))
    });
    let house = House::new();
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let asking = start_all(
        &service,
        (0..60).map(|n| in_language(&format!("l{}", n % 6))),
    )
    .await;
    origin.release();
    for (n, answer) in answers(asking).await.iter().enumerate() {
        assert_eq!(answer.text(), format!("l{}", n % 6));
    }
    assert_eq!(origin.calls(), 6);
}

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
async fn more_variants_than_are_kept_are_right_and_bounded() {
    let house = House::with(MemorySettings::new(1 << 20));
    let origin = speaking("accept-language");
    let service = house.layer().layer(origin.clone());
    for n in 0..300 {
        let language = format!("l{n}");
        assert_eq!(ask(&service, in_language(&language)).await.text(), language);
    }
    assert_eq!(house.entries(), 65, "64 variants and what leads to them");
    assert!(house.cache.stats().bytes < 1 << 20);
    assert_eq!(ask(&service, in_language("l299")).await.x_cache(), "HIT");
    assert_eq!(ask(&service, in_language("l0")).await.x_cache(), "MISS");
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
async fn a_purge_takes_all_variants() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    for expected in [3, 6] {
        for language in ["de", "en", "fr"] {
            ask(&service, in_language(language)).await;
        }
        assert_eq!(origin.calls(), expected);
        house.cache.purge("s", &Uri::from_static("/"));
    }
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

#[tokio::test]
async fn each_variant_has_an_age_of_its_own() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    ask(&service, in_language("de")).await;
    house.pass(secs(40)).await;
    ask(&service, in_language("en")).await;
    house.pass(secs(30)).await;
    assert_eq!(ask(&service, in_language("de")).await.x_cache(), "STALE");
    let other = ask(&service, in_language("en")).await;
    assert_eq!((other.x_cache(), other.field("age")), ("HIT", "30"));
    crate::house::settle().await;
    assert_eq!(ask(&service, in_language("de")).await.field("age"), "0");
    assert_eq!(origin.calls(), 3);
}

#[tokio::test]
async fn a_variant_that_is_too_long_to_be_a_key_is_nobody_elses() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let long = || get("/").with("accept-language", "x".repeat(20_000));
    for _ in 0..2 {
        let answer = ask(&service, long()).await;
        assert_eq!(answer.x_cache(), "PASS");
        assert!(
            answer
                .field("cache-status")
                .ends_with("detail=vary-unusable")
        );
    }
    assert_eq!(house.entries(), 0);
}

#[tokio::test]
async fn the_variant_that_was_renewed_longest_ago_makes_room() {
    let (house, origin) = (House::new(), speaking("accept-language"));
    let service = house.layer().layer(origin.clone());
    let language = |number: usize| get("/").with("accept-language", number.to_string());
    for number in 0..64 {
        ask(&service, language(number)).await;
    }
    house.pass(secs(60)).await;
    ask(&service, language(0)).await;
    settle().await; // renewed
    ask(&service, language(64)).await;
    assert_eq!(ask(&service, language(0)).await.x_cache(), "HIT");
    assert_eq!(ask(&service, language(1)).await.x_cache(), "MISS");
}

#[tokio::test]
async fn names_without_end_do_not_gather() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let names: Vec<String> = (0..10)
            .map(|name| format!("x-{}-{name}", call.number))
            .collect();
        Ok(reply(200)
            .with("vary", names.join(", "))
            .to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    for number in 0..50 {
        // A value of the newest name makes it another variant.
        let request = get("/").with(&format!("x-{}-0", usize::max(number, 1) - 1), "new");
        ask(&service, request).await;
    }
    assert!(
        house.cache.stats().bytes < 256 * 1024,
        "{:?}",
        house.cache.stats()
    );
}

#[tokio::test]
async fn a_failing_origin_is_asked_once_for_each_variant() {
    let house = House::new();
    let origin = Origin::new(|call| {
        Ok(reply(500)
            .with("vary", "accept-language")
            .to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    origin.hold();
    let requests =
        (0..100).map(|number| get("/").with("accept-language", (number % 10).to_string()));
    let asking = start_all(&service, requests).await;
    origin.release();
    let answers = answers(asking).await;
    assert!(answers.iter().all(|answer| answer.status == 500));
    assert_eq!((origin.calls(), count(&answers, "PASS")), (10, 0));
}

#[tokio::test]
async fn a_variant_that_may_not_be_shared_leaves_the_others_alone() {
    let house = House::new();
    let origin = Origin::new(|call| {
        let control = match said(&call, "accept").as_str() {
            "text/html" => "no-store",
            _ => "max-age=60",
        };
        let reply = reply(200)
            .with("vary", "accept")
            .with("cache-control", control);
        Ok(reply.to_response(call.number))
    });
    let service = house.layer().layer(origin.clone());
    let accepting = |kind: &'static str| (0..10).map(move |_| get("/").with("accept", kind));
    ask(&service, get("/").with("accept", "text/html")).await;
    for (kind, calls) in [
        ("application/json", 1),
        ("text/html", 10),
        ("application/json", 0),
        ("text/html", 10),
    ] {
        let before = origin.calls();
        origin.hold();
        let asking = start_all(&service, accepting(kind)).await;
        assert_eq!(origin.calls() - before, calls, "{kind}, at once");
        origin.release();
        answers(asking).await;
    }
}

#[tokio::test]
async fn who_wants_the_variant_that_is_streamed_joins_the_stream() {
    let mut stage = stage(reply(200).with("vary", "accept-language"), House::layer);
    let english = || get("/").with("accept-language", "en");
    let first = open(&stage.service, english()).await;
    stage.pipes[0].send("one");
    settle().await;
    let second = open(&stage.service, english()).await;
    assert_eq!(
        (&second.headers()["x-cache"], stage.origin.calls()),
        (&"COLLAPSED".parse().expect("a value"), 1)
    );
    let _german = open(&stage.service, get("/").with("accept-language", "de")).await;
    assert_eq!(stage.origin.calls(), 2);
    stage.pipes[0].end();
    for reader in [first, second] {
        assert_eq!(Answer::read(reader).await.text(), "one");
    }
    settle().await;
    assert_eq!(ask(&stage.service, english()).await.x_cache(), "HIT");
}

#[tokio::test]
async fn no_number_of_hops_makes_a_wait_longer() {
    let (house, calls) = (House::new(), Arc::new(AtomicUsize::new(0)));
    let clock = house.clock.clone();
    let origin = service_fn(move |_: Request<Body>| {
        let takes = match calls.fetch_add(1, Ordering::SeqCst) {
            0 => secs(6),
            _ => secs(3600),
        };
        let made = clock.sleep(takes);
        async move {
            made.await;
            Ok::<_, BoxError>(reply(200).with("vary", "accept-language").to_response(0))
        }
    });
    let layer = house.layer().wait_timeout(secs(10));
    let service = layer.layer(origin);
    let requests = ["en", "de", "de"].map(in_language);
    let asking = start_all(&service, requests).await;
    house.pass(secs(6)).await;
    house.pass(secs(4)).await;
    let statuses: Vec<_> = answers(asking)
        .await
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    assert_eq!(statuses, [200, 503, 503]);
}

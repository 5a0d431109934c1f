//! Fields of an answer on their way through the gate: ages, dates, lengths, and those of the connection.

use super::{burst, said};
use crate::house::{House, Origin, ask, count, get, reply, secs};
use tower::Layer as _;

#[tokio::test]
async fn the_age_that_an_answer_brings_counts() {
    let (house, origin) = (House::new(), Origin::always(reply(200).with("age", "50")));
    let service = house.layer().layer(origin.clone());
    assert_eq!(ask(&service, get("/")).await.field("age"), "50");
    house.pass(secs(9)).await;
    let hit = ask(&service, get("/")).await;
    assert_eq!((hit.x_cache(), hit.field("age")), ("HIT", "59"));
    house.pass(secs(1)).await;
    assert_eq!(ask(&service, get("/")).await.x_cache(), "STALE");
}

#[tokio::test]
async fn an_answer_that_arrives_too_old_to_be_kept_says_how_old_it_is() {
    for old in [said(200, "max-age=10"), reply(404), reply(500)] {
        let (first, _, _) = burst(old.with("age", "30")).await;
        for answer in first {
            assert_eq!(answer.lines("age"), ["30"], "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_date_is_kept_and_one_is_given_where_there_is_none() {
    let dated = reply(200)
        .with("date", "Thu, 01 Jan 2026 00:00:00 GMT")
        .with("age", "1");
    for (reply, expected) in [
        (dated, "Thu, 01 Jan 2026 00:00:00 GMT"),
        (reply(200), "Thu, 01 Jan 2026 00:00:05 GMT"),
    ] {
        let (house, origin) = (House::new(), Origin::always(reply));
        let service = house.layer().layer(origin);
        house.pass(secs(5)).await;
        assert_eq!(ask(&service, get("/")).await.field("date"), expected);
        house.pass(secs(5)).await;
        assert_eq!(ask(&service, get("/")).await.lines("date"), [expected]);
    }
}

#[tokio::test]
async fn a_lifetime_of_ours_is_told_and_the_handlers_is_left_as_it_is() {
    let ours = "max-age=60, stale-while-revalidate=120";
    for (line, expected) in [
        ("", vec![ours]),
        ("public", vec!["public", ours]),
        ("max-age=7", vec!["max-age=7"]),
        ("s-maxage=7, public", vec!["s-maxage=7, public"]),
    ] {
        let plain = if line.is_empty() {
            reply(200)
        } else {
            said(200, line)
        };
        let (first, hit, _) = burst(plain).await;
        for answer in first.iter().chain([&hit]) {
            assert_eq!(answer.lines("cache-control"), expected, "{line}");
        }
    }
    let (first, _, _) = burst(reply(404)).await;
    assert!(
        first
            .iter()
            .all(|answer| answer.field("cache-control").is_empty())
    );
}

#[tokio::test]
async fn fields_that_end_at_the_origins_connection_are_not_shared() {
    let reply = reply(200)
        .with("connection", "close, x-hop")
        .with("connection", "X-Other")
        .with("x-hop", "1")
        .with("x-other", "1")
        .with("keep-alive", "timeout=5")
        .with("proxy-connection", "close")
        .with("te", "trailers")
        .with("upgrade", "h2c")
        .with("proxy-authenticate", "Basic")
        .with("x-end", "1");
    let (first, hit, _) = burst(reply).await;
    for answer in first.iter().chain([&hit]) {
        let names = [
            "connection",
            "x-hop",
            "x-other",
            "keep-alive",
            "proxy-connection",
            "te",
            "upgrade",
        ];
        for name in names.into_iter().chain(["proxy-authenticate"]) {
            assert_eq!(answer.lines(name), [""; 0], "{name}");
        }
        assert_eq!(answer.field("x-end"), "1");
    }
}

#[tokio::test]
async fn lines_of_one_field_stay_apart_and_in_order() {
    let links = reply(200)
        .with("link", "</b>")
        .with("x", "1")
        .with("link", "</a>")
        .with("link", "</b>");
    let (_, hit, _) = burst(links).await;
    assert_eq!(hit.lines("link"), ["</b>", "</a>", "</b>"]);
    let cookies = reply(200)
        .with("set-cookie", "b=1")
        .with("set-cookie", "a=2");
    let (first, next, _) = burst(cookies).await;
    for answer in first.iter().chain([&next]) {
        assert_eq!(answer.lines("set-cookie"), ["b=1", "a=2"]);
    }
}

#[tokio::test]
async fn a_length_that_the_handler_states_stays() {
    let (first, hit, _) = burst(reply(200).text("12345").with("content-length", "5")).await;
    for answer in first.iter().chain([&hit]) {
        assert_eq!(
            (answer.lines("content-length"), answer.length),
            (vec!["5"], Some(5))
        );
    }
}

/// So that whoever sends it need not add it to each of a thousand answers.
#[tokio::test]
async fn what_is_kept_says_how_long_it_is() {
    let (_, hit, _) = burst(reply(200).text("12345")).await;
    assert_eq!(
        (hit.x_cache(), hit.lines("content-length")),
        ("HIT", vec!["5"])
    );
}

/// RFC 9110 section 8.6, and RFC 9112 section 6.3: whatever the handler says.
#[tokio::test]
async fn what_has_no_content_says_no_length() {
    let nothing = || said(204, "max-age=60").text("");
    let stating = |length| nothing().with("content-length", length);
    let both = stating("0").with("content-length", "5");
    for told in [nothing(), stating("0"), stating("5"), stating("x"), both] {
        let (first, hit, _) = burst(told).await;
        assert_eq!((hit.status.as_u16(), hit.x_cache()), (204, "HIT"));
        for answer in first.iter().chain([&hit]) {
            assert!(answer.lines("content-length").is_empty(), "{answer:?}");
        }
    }
    // An empty body has a length, and may be told to be none (RFC 9110 section 15.3.6).
    let reset = said(205, "max-age=60").text("").with("content-length", "0");
    let (_, hit, _) = burst(reset).await;
    assert_eq!(hit.lines("content-length"), ["0"]);
}

#[tokio::test]
async fn a_length_that_is_none_is_the_clients_own() {
    let malformed: [&[&str]; 6] = [&["5", "6"], &["5, 6"], &["+5"], &["abc"], &[""], &["5", ""]];
    for lines in malformed {
        let told = lines.iter().fold(reply(200).text("01234"), |reply, line| {
            reply.with("content-length", line)
        });
        let (answers, later, _) = burst(told).await;
        assert_eq!(count(&answers, "PASS"), answers.len(), "{lines:?}");
        assert_eq!(later.x_cache(), "PASS", "{lines:?}");
        assert!(
            answers[0]
                .field("cache-status")
                .ends_with("detail=content-length")
        );
    }
}

#[tokio::test]
async fn one_length_that_is_said_twice_is_told_once() {
    for lines in [&["5", "5"][..], &["5, 5"], &["5 ,5"]] {
        let told = lines.iter().fold(reply(200).text("01234"), |reply, line| {
            reply.with("content-length", line)
        });
        let (_, later, calls) = burst(told).await;
        assert_eq!((later.x_cache(), calls), ("HIT", 1), "{lines:?}");
        assert_eq!(later.lines("content-length"), ["5"], "{lines:?}");
    }
}

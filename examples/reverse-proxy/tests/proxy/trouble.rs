//! An origin that fails, in all the ways it can.

use std::time::Duration;

use futures_util::future::join_all;

use crate::support::{Gate, House, Script, Step, kept, said, until};

/// Long enough for a loopback, short enough for a test that has to live through it.
const SHORT: [&str; 2] = ["--origin-timeout", "0.2"];

fn hang_up_after(text: &str) -> Script {
    vec![Step::Say(text.to_owned()), Step::HangUp]
}

/// Fresh for a minute: the clock then goes past it.
async fn with_a_kept_answer(control: &'static str, arguments: &[&str], later: Script) -> House {
    let house = House::with(arguments, move |_, number| match number {
        0 => kept(control, "old"),
        _ => later.clone(),
    })
    .await;
    assert_eq!(house.get("/").await.body, "old");
    house.settled().await;
    house.clock.advance(Duration::from_secs(61));
    house
}

async fn assert_stands_in(house: &House) {
    let answer = house.get("/").await;
    assert_eq!(
        (answer.status(), answer.verb()),
        (200, "STALE"),
        "{answer:?}"
    );
    assert_eq!((answer.body.as_str(), answer.field("age")), ("old", "61"));
}

#[tokio::test]
async fn an_origin_that_refuses_is_stood_in_for() {
    for control in ["max-age=60, stale-if-error=600", "max-age=60"] {
        let house = with_a_kept_answer(control, &[], Script::new()).await;
        house.origin.stop().await;
        assert_stands_in(&house).await;
    }
}

#[tokio::test]
async fn nothing_stands_in_where_it_is_forbidden_or_not_wanted() {
    for control in [
        "max-age=60, must-revalidate",
        "max-age=60, proxy-revalidate",
        "s-maxage=60",
    ] {
        let house = with_a_kept_answer(control, &[], Script::new()).await;
        house.origin.stop().await;
        house.get("/").await.assert_problem(502);
    }
    let unwanted = ["--stale-if-error", "0"];
    let house = with_a_kept_answer("max-age=60", &unwanted, Script::new()).await;
    house.origin.stop().await;
    house.get("/").await.assert_problem(502);
}

#[tokio::test]
async fn an_origin_that_hangs_up_fails_or_errs_is_stood_in_for() {
    let error = said("HTTP/1.1 500 Oh\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n");
    for trouble in [
        hang_up_after(""),
        hang_up_after("HTTP/1.1 2"),
        said("nonsense\r\n\r\n"),
        error,
    ] {
        let house = with_a_kept_answer("max-age=60", &[], trouble).await;
        assert_stands_in(&house).await;
        let attempts = house.origin.calls();
        assert_stands_in(&house).await;
        assert_eq!(
            house.origin.calls(),
            attempts,
            "it is left alone for a while"
        );
    }
}

#[tokio::test]
async fn an_origin_that_hangs_is_stood_in_for_at_the_soft_timeout() {
    let gate = Gate::default();
    let house = with_a_kept_answer("max-age=60", &[], vec![Step::Wait(gate.clone())]).await;
    let asking = house.get("/");
    let waiting = async {
        house.origin.reached(2).await;
        until("the client to wait", || house.clock.sleepers() > 1).await;
        house.clock.advance(Duration::from_secs(1));
    };
    let (answer, ()) = tokio::join!(asking, waiting);
    assert_eq!((answer.verb(), answer.body.as_str()), ("STALE", "old"));
    gate.open();
}

#[tokio::test]
async fn without_an_answer_there_is_a_problem() {
    for trouble in [
        hang_up_after(""),
        hang_up_after("HTTP/1.1 200 OK\r\nA"),
        said("nonsense\r\n\r\n"),
    ] {
        let house = House::before(move |_, _| trouble.clone()).await;
        house.get("/").await.assert_problem(502);
        house
            .ask("POST /", "Content-Length: 0\r\n")
            .await
            .assert_problem(502);
        assert_eq!(house.origin.calls(), 2, "what is new is not tried again");
    }
    let house = House::before(|_, _| Script::new()).await;
    house.origin.stop().await;
    house.get("/").await.assert_problem(502);
    house.ask("HEAD /", "").await;
}

#[tokio::test]
async fn an_origin_that_hangs_is_given_up() {
    let house = House::with(&SHORT, |_, _| vec![Step::Wait(Gate::default())]).await;
    house.get("/").await.assert_problem(504);
    house
        .ask("POST /", "Content-Length: 0\r\n")
        .await
        .assert_problem(504);
    house.settled().await;
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_request_is_told_so() {
    let house = House::with(&SHORT, |_, _| kept("no-store", "never")).await;
    let mut wire = house.connect().await;
    wire.begin("POST /", "Content-Length: 10\r\n").await;
    wire.write("half ").await;
    wire.answer().await.unwrap().assert_problem(408);
}

/// Nobody else is to blame, and no framing is guessed: the connection to the origin ends with the request.
#[tokio::test]
async fn a_client_whose_body_is_no_http_is_told_so() {
    for chunks in [
        "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\n0\n\n",
        "3;a\nabc\r\n0\r\n\r\n",
        "3\r\nabcXX0\r\n\r\n",
    ] {
        let house = House::before(|_, _| kept("no-store", "never")).await;
        let mut wire = house.connect().await;
        wire.begin("POST /", "Transfer-Encoding: chunked\r\n").await;
        wire.write(chunks).await;
        wire.answer().await.unwrap().assert_problem(400);
        assert_eq!(wire.rest().await, "", "{chunks:?}");
    }
}

#[tokio::test]
async fn all_who_wait_share_the_failure() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |_, _| vec![Step::Wait(held.clone()), Step::HangUp]).await;
    let asking = (0..10).map(|_| house.get("/"));
    let opening = async {
        until("all to wait", || house.clock.sleepers() > 10).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(join_all(asking), opening);
    for answer in answers {
        answer.assert_problem(502);
        assert!(
            answer.body.contains("proper answer"),
            "all are told the reason"
        );
    }
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn a_body_that_is_cut_never_ends_cleanly_and_is_not_kept() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
    for cut in [
        format!("{head}Content-Length: 10\r\n\r\nhalf "),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"),
        format!("{head}Set-Cookie: a=b\r\nContent-Length: 10\r\n\r\nhalf "),
        format!("{head}Set-Cookie: a=b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n"),
    ] {
        let house = House::before(move |_, number| match number {
            0 => hang_up_after(&cut),
            _ => kept("max-age=60", "whole"),
        })
        .await;
        let mut wire = house.connect().await;
        wire.begin("GET /", "").await;
        assert!(wire.answer().await.is_none(), "half of an answer is none");
        assert_eq!(wire.rest().await, "", "and the connection ends");
        house.settled().await;
        let whole = house.get("/").await;
        assert_eq!(whole.body, "whole", "{whole:?}");
    }
}

/// A connection that the origin closes just as it is used again: of what may be repeated nobody notices.
#[tokio::test]
async fn a_connection_that_had_been_closed_is_replaced() {
    let house = House::before(|_, number| match number {
        1 => vec![Step::HangUp],
        _ => kept("no-store", "hello"),
    })
    .await;
    assert_eq!(house.get("/").await.body, "hello");
    assert_eq!(house.get("/").await.body, "hello");
    assert_eq!(house.origin.calls(), 3, "one of them got no answer");
}

#[tokio::test]
async fn what_may_not_be_repeated_is_not() {
    for (line, fields, body) in [
        ("POST /", "Content-Length: 0\r\n", ""),
        ("PUT /", "Content-Length: 2\r\n", "hi"),
    ] {
        let house = House::before(|_, number| match number {
            1 => vec![Step::HangUp],
            _ => kept("no-store", "hello"),
        })
        .await;
        house.get("/").await;
        let mut wire = house.connect().await;
        wire.begin(line, fields).await;
        wire.write(body).await;
        wire.answer().await.unwrap().assert_problem(502);
        assert_eq!(house.origin.calls(), 2);
    }
}

#[tokio::test]
async fn an_origin_that_began_to_answer_is_not_asked_again() {
    let house = House::before(|_, number| match number {
        1 => hang_up_after("HTTP/1.1 200"),
        _ => kept("no-store", "hello"),
    })
    .await;
    house.get("/").await;
    house.get("/").await.assert_problem(502);
    assert_eq!(house.origin.calls(), 2);
}

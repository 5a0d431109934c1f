//! An origin whose answers are not what HTTP says: nobody takes them for good ones, and nothing of them is kept.

use crate::support::{House, Script, Step, kept, said};

const OK: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";

/// An origin that answers so once, and then properly.
async fn once(answer: Script) -> House {
    House::before(move |_, number| match number {
        0 => answer.clone(),
        _ => kept("max-age=60", "whole"),
    })
    .await
}

async fn assert_nothing_was_kept(house: &House) {
    house.settled().await;
    let answer = house.get("/").await;
    assert_eq!((answer.verb(), answer.body.as_str()), ("MISS", "whole"));
}

async fn assert_is_no_answer(answer: String) {
    let house = once(said(answer.clone())).await;
    let problem = house.get("/").await;
    assert_eq!(problem.status(), 502, "{answer:.200?} became {problem:?}");
    problem.assert_problem(502);
    assert_nothing_was_kept(&house).await;
}

#[tokio::test]
async fn lengths_that_cannot_be_are_no_answer() {
    for lengths in [
        "Content-Length: 3\r\nContent-Length: 5",
        "Content-Length: 3, 5",
        "Content-Length: -1",
        "Content-Length: +5",
        "Content-Length: 5x",
        "Content-Length: 99999999999999999999999",
    ] {
        assert_is_no_answer(format!("{OK}{lengths}\r\n\r\nhello")).await;
    }
}

#[tokio::test]
async fn heads_that_cannot_be_read_are_no_answer() {
    for head in [
        "HTTP/1.1 99 Low\r\n",
        "HTTP/1.1 1000 High\r\n",
        "HTTP/1.1 OK\r\n",
        "HTTP/9.9 200 OK\r\n",
        "ICY 200 OK\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}",
        "HTTP/1.1 200 OK\r\nX-A : b\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\0c\r\n",
        "HTTP/1.1 200 OK\r\nX-A: b\r\n folded\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n",
    ] {
        assert_is_no_answer(format!("{head}Content-Length: 5\r\n\r\nhello")).await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_no_answer() {
    let long = "x".repeat(1 << 20);
    assert_is_no_answer(format!("{OK}X-Long: {long}\r\nContent-Length: 0\r\n\r\n")).await;
    let many = "X-Many: x\r\n".repeat(1000);
    assert_is_no_answer(format!("{OK}{many}Content-Length: 0\r\n\r\n")).await;
}

/// What cannot be undone here would reach clients as if it were the body itself.
#[tokio::test]
async fn a_transfer_coding_that_nobody_asked_for_is_no_answer() {
    for codings in ["gzip, chunked", "X-Gzip", "deflate", "chunked, chunked"] {
        let coded = format!("{OK}Transfer-Encoding: {codings}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        let house = once(vec![Step::Say(coded), Step::HangUp]).await;
        let answer = house.get("/").await;
        assert_eq!(answer.status(), 502, "{codings}: {answer:?}");
        assert_nothing_was_kept(&house).await;
    }
}

#[tokio::test]
async fn what_answers_another_question_is_no_answer() {
    let answer = "HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\nETag: \"a\"\r\n\r\n";
    assert_is_no_answer(answer.to_owned()).await;
}

#[tokio::test]
async fn an_end_before_the_head_is_over_is_no_answer() {
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let house = once(vec![Step::Say(begun.to_owned()), Step::Reset]).await;
        house.get("/").await.assert_problem(502);
        assert_nothing_was_kept(&house).await;
    }
}

#[tokio::test]
async fn a_body_that_breaks_never_ends_cleanly_and_is_not_kept() {
    let sized = format!("{OK}Content-Length: 10\r\n\r\nhalf ");
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhalf \r\n");
    let odd = |chunk| vec![Step::Say(format!("{chunked}{chunk}"))];
    for broken in [
        vec![Step::Say(sized), Step::Reset],
        vec![Step::Say(chunked.clone()), Step::Reset],
        vec![Step::Say(format!("{chunked}5\r\nha")), Step::HangUp],
        odd("nonsense\r\n"),
        odd("-5\r\nhello\r\n0\r\n\r\n"),
        odd("fffffffffffffffff\r\n"),
        odd("2\r\nlonger\r\n0\r\n\r\n"),
    ] {
        let what = format!("{broken:?}");
        let house = once(broken).await;
        let mut wire = house.connect().await;
        wire.begin("GET /", "").await;
        // The head may have gone out before the body broke.
        if let Some(answer) = wire.answer().await {
            assert_eq!(answer.status(), 502, "{what} became {answer:?}");
        }
        assert_nothing_was_kept(&house).await;
    }
}

/// What is more than the origin said is nobody's answer, least of all the next one's.
#[tokio::test]
async fn a_surplus_is_not_taken_for_the_next_answer() {
    let evil = format!("{OK}Content-Length: 4\r\n\r\nevil");
    for head in [
        format!("{OK}Content-Length: 5\r\n\r\nhello"),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        "HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
    ] {
        let lie = format!("{head}{evil}");
        let house = House::before(move |request, _| match request.start.contains("/lie") {
            true => said(lie.clone()),
            false => kept("max-age=60", "whole"),
        })
        .await;
        for number in 0..20 {
            let answer = house.get(&format!("/lie/{number}")).await;
            assert!(matches!(answer.body.as_str(), "" | "hello"), "{answer:?}");
            let answer = house.get(&format!("/{number}")).await;
            assert_ne!(answer.body, "evil");
        }
    }
}

/// Past the cache, too, where nobody counts: the length would cut the body, and look whole.
#[tokio::test]
async fn of_two_framings_the_transfer_coding_counts() {
    let both = |length| {
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n"
        )
    };
    for length in ["3", "5", "50"] {
        let house = House::before(move |_, _| vec![Step::Say(both(length)), Step::HangUp]).await;
        for line in ["GET /", "POST /"] {
            let answer = house.ask(line, "").await;
            assert_eq!(
                (answer.status(), answer.body.as_str()),
                (200, "hello"),
                "{length}"
            );
            assert_eq!(answer.field("content-length"), "");
        }
    }
}

/// The version is each hop's own: an answer of HTTP/1.0 would end where the connection does, however it broke.
#[tokio::test]
async fn an_old_origins_broken_body_never_ends_cleanly() {
    for line in ["GET /", "POST /"] {
        let old = "HTTP/1.0 200 OK\r\nCache-Control: no-store\r\n\r\nhalf ".to_owned();
        let house = House::before(move |_, _| vec![Step::Say(old.clone()), Step::Reset]).await;
        let mut wire = house.connect().await;
        wire.begin(line, "").await;
        if let Some(head) = wire.head().await {
            assert!(head.start.starts_with("HTTP/1.1"), "{head:?}");
            let rest = wire.rest().await;
            assert!(!rest.ends_with("0\r\n\r\n"), "{rest:?}");
        }
    }
}

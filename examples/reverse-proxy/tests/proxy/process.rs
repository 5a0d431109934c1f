//! The program itself: what it says, how it refuses, how it stops.

#![cfg(unix)]

use tokio::net::TcpListener;

use crate::support::{Gate, Origin, Running, Step, Wire, kept, program, within};

fn line<'l>(log: &'l str, part: &str) -> &'l str {
    let found = log.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no line with {part} in {log}"))
}

#[tokio::test]
async fn it_serves_logs_and_obeys_both_signals() {
    for signal in ["TERM", "INT"] {
        let origin = Origin::start(|_, _| kept("max-age=60", "hello")).await;
        let program = Running::before(&origin).await;
        for verb in ["MISS", "HIT"] {
            let answer = Wire::to(program.address).await.get("/a?b").await;
            assert_eq!(answer.verb(), verb);
        }
        let log = program.log_until(signal).await;
        let hit = line(&log, "cache=\"HIT\"");
        for part in [
            "reverse_proxy::access",
            "client=\"127.0.0.1\"",
            "method=\"GET\"",
            "host=\"test\"",
            "target=\"/a?b\"",
            "status=200",
            "bytes=5",
            "end=\"whole\"",
            "millis=",
        ] {
            assert!(hit.contains(part), "{part} in {hit}");
        }
    }
}

#[tokio::test]
async fn the_log_tells_how_far_an_answer_got() {
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf ";
    let origin = Origin::start(move |request, _| match request.start.contains("/cut") {
        true => vec![Step::Say(cut.to_owned()), Step::HangUp],
        false => vec![Step::Wait(Gate::default())],
    })
    .await;
    let program = Running::before(&origin).await;
    let mut wire = Wire::to(program.address).await;
    wire.begin("POST /cut", "").await;
    assert!(wire.answer().await.is_none());
    let mut leaving = Wire::to(program.address).await;
    leaving.begin("POST /left", "").await;
    origin.reached(2).await;
    drop(leaving);
    let log = program.log_until("TERM").await;
    let cut = line(&log, "target=\"/cut");
    assert!(
        cut.contains("bytes=5") && cut.contains("end=\"cut\""),
        "{cut}"
    );
    let left = line(&log, "target=\"/left");
    assert!(
        left.contains("end=\"left\"") && !left.contains("status="),
        "{left}"
    );
}

/// And of no setter, which nobody can call who only has the program.
#[tokio::test]
async fn the_log_speaks_of_options() {
    let origin = Origin::start(|_, _| kept("max-age=60", "hello")).await;
    let program = Running::with(&["--bypass-cookies", "--memory=1M"], &origin).await;
    let mut wire = Wire::to(program.address).await;
    let answer = wire.ask("GET /", "Cookie: a=b\r\n").await;
    assert_eq!(answer.verb(), "BYPASS");
    let log = program.log_until("TERM").await;
    line(&log, "--bypass-cookies: requests with cookies");
    line(&log, "--largest: answers of more bytes");
    assert!(!log.contains("ignore_cookies"), "{log}");
}

#[tokio::test]
async fn bad_values_are_named_and_end_with_2() {
    let origin = "--origin=http://127.0.0.1:1";
    for (bad, said) in [
        ("--origin=https://example.com", "http://127.0.0.1:8000"),
        ("--origin=http://example.com/shop", "http://127.0.0.1:8000"),
        ("--origin=http://me@example.com", "http://127.0.0.1:8000"),
        ("--origin=example.com:80", "http://127.0.0.1:8000"),
        ("--listen=here", "127.0.0.1:8080"),
        ("--memory=1K", "at least 64K"),
        ("--memory=much", "such as 64M"),
        ("--max-age=-1", "0 for none"),
        ("--max-age=inf", "0 for none"),
        ("--origin-timeout=0", "above 0"),
        ("--idle-timeout=0", "above 0"),
        ("--connections=0", "above 0"),
        ("--name=a b", "letters"),
        ("--log=a=b=c", "reverse_proxy::access"),
        ("--redis=http://127.0.0.1", "redis://"),
        ("--redis=redis://127.0.0.1:99999", "redis://"),
    ] {
        let arguments = match bad.starts_with("--origin=") {
            true => vec![bad],
            false => vec![origin, bad],
        };
        let output = within("a refusal", program(&arguments).output())
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

/// Other values are, and whoever reads the log need not know it.
#[tokio::test]
async fn a_password_is_not_named() {
    let bad = "--redis=redis://:secret@127.0.0.1:6379/0/1";
    let arguments = ["--origin=http://127.0.0.1:1", bad];
    let output = within("a refusal", program(&arguments).output())
        .await
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--redis"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_taken_port_is_named_and_ends_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["--origin", "http://127.0.0.1:1", "--listen", &address];
    let output = within("a refusal", program(&arguments).output())
        .await
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains(&address) && error.contains("--listen"),
        "{error}"
    );
}

//! The program itself: what it says, how it refuses, how it stops.

#![cfg(unix)]

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::support::{Origin, Wire, kept, within};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reverse-proxy"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_serves_logs_and_obeys_both_signals() {
    for signal in ["TERM", "INT"] {
        let origin = Origin::start(|_, _| kept("max-age=60", "hello")).await;
        let address = format!("http://{}", origin.address);
        let mut child = program(&["--listen", "127.0.0.1:0", "--origin", &address])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut welcome = String::new();
        while !welcome.contains("Stop:") {
            let line = within("the welcome", lines.next_line()).await.unwrap();
            welcome += &line.expect("the program is still talking");
        }
        assert!(welcome.contains(&address), "{welcome}");
        let open = welcome.split("Open:     http://").nth(1).unwrap();
        let server = open.split('/').next().unwrap().parse().unwrap();
        for verb in ["MISS", "HIT"] {
            assert_eq!(Wire::to(server).await.get("/a?b").await.verb(), verb);
        }

        let pid = child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(within("kill", sent).await.unwrap().success());
        let mut log = String::new();
        let mut stderr = child.stderr.take().unwrap();
        within("the log", stderr.read_to_string(&mut log))
            .await
            .unwrap();
        assert_eq!(
            within("the end", child.wait()).await.unwrap().code(),
            Some(0)
        );
        let hit = log.lines().find(|line| line.contains("cache=\"HIT\""));
        let hit = hit.unwrap_or_else(|| panic!("no line for the hit in {log}"));
        for part in [
            "reverse_proxy::access",
            "client=\"127.0.0.1\"",
            "method=\"GET\"",
            "host=\"test\"",
            "target=/a?b",
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
        ("--name=a b", "letters"),
        ("--log=a=b=c", "reverse_proxy::access"),
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

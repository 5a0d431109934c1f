//! The program itself: what it prints, how it refuses, how it stops.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]
#![cfg(unix)]

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};

/// Far above what any step needs: reaching it means that the step hangs.
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_says_what_to_open_and_answers_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path(), &[]).await;
    assert!(
        folder.path().join("axum-db.sqlite").exists(),
        "the default is a file in the working folder"
    );
    assert!(
        server.welcome.contains("curl -i http://"),
        "{}",
        server.welcome
    );
    assert!(server.welcome.contains("500 orders"), "{}", server.welcome);

    let answer = server.get("/report/north").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn both_signals_end_it_with_success() {
    for name in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server::start(folder.path(), &[]).await;
        server.signal(name).await;
        assert_eq!(server.exit_code().await, Some(0), "SIG{name}");
    }
}

#[tokio::test]
async fn a_request_under_way_gets_its_answer_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    // Enough orders that the query still runs when the signal arrives.
    let mut server = Server::start(folder.path(), &["--orders", "60000"]).await;
    let mut connection = server.send("/raw/report/west").await;
    server.wait_for_query().await;
    server.signal("TERM").await;

    let mut answer = String::new();
    within(connection.read_to_string(&mut answer))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.trim_end().ends_with('}'), "the answer is whole");
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_fill_that_was_killed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut killed = program(folder.path(), &["--orders", "5000000"])
        .spawn()
        .unwrap();
    let mut log = BufReader::new(killed.stderr.take().unwrap()).lines();
    while !next_line(&mut log).await.contains("filling the database") {}
    // The transaction has outgrown the memory and is being written into the file.
    let file = folder.path().join("axum-db.sqlite");
    within(async {
        while file.metadata().unwrap().len() < 1024 * 1024 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    within(killed.kill()).await.unwrap();

    let mut server = Server::start(folder.path(), &[]).await;
    assert!(server.welcome.contains("500 orders"), "{}", server.welcome);
    server.signal("TERM").await;
    assert_eq!(server.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_signal_during_the_fill_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let mut filling = program(folder.path(), &["--orders", "5000000"])
        .spawn()
        .unwrap();
    let mut log = BufReader::new(filling.stderr.take().unwrap()).lines();
    while !next_line(&mut log).await.contains("filling the database") {}
    signal(&filling, "TERM").await;
    assert_eq!(within(filling.wait()).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn bad_values_are_named_and_end_with_2() {
    for (arguments, said) in [
        (["--listen", "here"], "127.0.0.1:3000"),
        (["--max-age", "0"], "at least 1"),
        (["--max-age", "1m"], "whole seconds"),
        (["--stale-while-revalidate", "-1"], "whole seconds"),
        (["--orders", "none"], "whole number"),
        (["--database", "mysql://localhost/shop"], "postgres://"),
        (["--database", ":memory:"], "path"),
        (["--log", "a=b=c"], "axum_db=debug"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let joined = format!("{}={}", arguments[0], arguments[1]);
        let output = run(folder.path(), &[&joined]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains(arguments[1]) && error.contains(said),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_environment_is_read_and_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let output = within(
        program(folder.path(), &[])
            .env("AXUM_DB_MAX_AGE", "soon")
            .output(),
    )
    .await
    .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("soon"), "{error}");
}

#[tokio::test]
async fn help_never_prints_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let mut help = program(folder.path(), &["--help"]);
    let output = within(
        help.env("AXUM_DB_DATABASE", "postgres://ann:secret@localhost/shop")
            .output(),
    )
    .await
    .unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains("secret"));
}

#[tokio::test]
async fn a_refused_url_is_not_named_where_it_may_hold_a_password() {
    for (argument, url) in [
        ("--redis", "redis://:secret@localhost/0/1"),
        ("--database", "postgres://ann:secret@localhost:port/shop"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = run(folder.path(), &[&format!("{argument}={url}")]).await;
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(
            error.contains(argument) && !error.contains("secret"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_taken_port_is_named_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(folder.path(), &["--listen", &address]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains(&address) && error.contains("--listen"),
        "{error}"
    );
    assert!(
        !folder.path().join("axum-db.sqlite").exists(),
        "nothing is filled for a server that cannot run"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_at_once_and_without_the_password() {
    let folder = tempfile::tempdir().unwrap();
    // Port 1 of the loopback: nothing listens there, and the refusal is immediate.
    let output = run(
        folder.path(),
        &["--database", "postgres://ann:secret@127.0.0.1:1/shop"],
    )
    .await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("postgres://ann@127.0.0.1:1/shop") && error.contains("refused"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

/// The running program, killed when the test ends early.
struct Server {
    child: Child,
    welcome: String,
    address: String,
}

impl Server {
    async fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut child = program(folder, arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let welcome = welcome(&mut lines).await;
        let address = welcome
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next())
            .unwrap()
            .to_owned();
        Self {
            child,
            welcome,
            address,
        }
    }

    async fn send(&self, path: &str) -> TcpStream {
        let mut connection = within(TcpStream::connect(&self.address)).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        );
        within(connection.write_all(request.as_bytes()))
            .await
            .unwrap();
        connection
    }

    async fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        within(self.send(path).await.read_to_string(&mut answer))
            .await
            .unwrap();
        answer
    }

    async fn wait_for_query(&self) {
        within(async { while !self.get("/stats").await.contains("\"queries\":1") {} }).await;
    }

    async fn signal(&self, name: &str) {
        signal(&self.child, name).await;
    }

    async fn exit_code(&mut self) -> Option<i32> {
        within(self.child.wait()).await.unwrap().code()
    }
}

async fn signal(child: &Child, name: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(within(sent).await.unwrap().success());
}

/// The program in `folder`, on a free port, over a small database unless `arguments` say otherwise.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-db"));
    command
        .current_dir(folder)
        .args(arguments)
        .env_remove("RUST_LOG");
    command
        .env("AXUM_DB_LISTEN", "127.0.0.1:0")
        .env("AXUM_DB_ORDERS", "500");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(folder: &Path, arguments: &[&str]) -> Output {
    within(program(folder, arguments).output()).await.unwrap()
}

async fn welcome(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    let mut text = String::new();
    while !text.contains("Stop:") {
        text += &next_line(lines).await;
        text.push('\n');
    }
    text
}

async fn next_line<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>) -> String {
    within(lines.next_line())
        .await
        .unwrap()
        .expect("the program is still talking")
}

#[allow(clippy::disallowed_methods, reason = "real processes take real time")]
async fn within<F: Future>(step: F) -> F::Output {
    tokio::time::timeout(DEADLINE, step)
        .await
        .expect("the step ends before the deadline")
}

//! A process that serves and one that works, behind a Redis of their own. Real sockets and real time, with deadlines far
//! above what is expected.
#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]
#![allow(clippy::disallowed_methods, reason = "real processes take real time")]
#![cfg(unix)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

#[test]
fn a_worker_computes_what_the_web_process_serves() {
    let (redis, web_folder) = (Redis::start(), tempfile::tempdir().unwrap());
    let worker_folder = tempfile::tempdir().unwrap();
    let mut web = Process::start(web_folder.path(), &redis, &["--max-age", "1"]);
    let address = web.line("Open:");
    let address = address
        .split("http://")
        .nth(1)
        .unwrap()
        .trim_end_matches('/');
    let mut worker = Process::start(
        worker_folder.path(),
        &redis,
        &["--max-age", "1", "--worker"],
    );
    worker.line("Works on refreshes");
    eventually("the worker says that it is there", || {
        redis.ask("EXISTS {swr:w1:q}:w") == ":1"
    });

    assert_eq!(x_cache(address), "MISS");
    assert_eq!(counted(address, "queries"), 1);
    // A busy machine may be slower than a budget, and then the web process computes by itself, as it should. Without a
    // worker it does so each time.
    let by_worker = (0..10).any(|_| {
        let before = counted(address, "queries");
        eventually("it is stale", || x_cache(address) == "STALE");
        eventually("it is fresh again", || x_cache(address) == "HIT");
        let counts = ["queries", "origin_calls"].map(|name| counted(address, name));
        counts == [before, before]
    });
    assert!(by_worker, "each time the web process computed it");
    assert_eq!(counted(address, "stampede_violations"), 0);

    // Where nobody is at work any more, it computes at once.
    worker.end();
    eventually("nobody is there", || {
        redis.ask("EXISTS {swr:w1:q}:w") == ":0"
    });
    let before = counted(address, "queries");
    eventually("it is stale", || x_cache(address) == "STALE");
    eventually("it computes", || counted(address, "queries") > before);
    web.end();
}

#[test]
fn a_worker_without_a_redis_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_axum-db"))
        .arg("--worker")
        .env_remove("AXUM_DB_REDIS")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("--redis <URL>"), "{error}");
}

fn x_cache(address: &str) -> String {
    let answer = get(address, "/report/north");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-cache: "));
    line.unwrap().to_owned()
}

fn counted(address: &str, name: &str) -> u64 {
    let answer = get(address, "/stats");
    let json: serde_json::Value =
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    json[name].as_u64().unwrap()
}

fn get(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        sleep(PAUSE);
    }
}

/// The program, killed when the test ends early.
struct Process {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(folder: &Path, redis: &Redis, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axum-db"))
            .current_dir(folder)
            .args([
                "--listen",
                "127.0.0.1:0",
                "--orders",
                "500",
                "--redis",
                &redis.url,
            ])
            .args(arguments)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// The next line that begins like this.
    fn line(&mut self, begins: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(begins) {
            line.clear();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        line.trim_end().to_owned()
    }

    /// Ends it in order.
    fn end(&mut self) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", "INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of our own; it goes when this is dropped.
struct Redis {
    url: String,
    port: u16,
    child: Child,
}

impl Redis {
    fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is there: `./tests/run` installs it");
        eventually("redis-server answers", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let url = format!("redis://127.0.0.1:{port}");
        Self { url, port, child }
    }

    /// Asks something that has one line for an answer.
    fn ask(&self, question: &str) -> String {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(connection, "{question}\r\n").unwrap();
        let mut answer = String::new();
        BufReader::new(connection).read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

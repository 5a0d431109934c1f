//! Eight proxies with one Redis: for each key, one of them asks the origin, and what one is told to change all change.

#![cfg(unix)]

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::process::Running;
use crate::support::{Gate, Message, Origin, Step, Wire, kept, within};

const PROXIES: usize = 8;
const CLIENTS: usize = 25;

/// A server of our own, killed with the test.
struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    async fn start() -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server is on the PATH: install the package redis-server, or run ./tests/run, which does");
        within("Redis to answer", async { while !pings(port).await {} }).await;
        Self { process, port }
    }
}

async fn pings(port: u16) -> bool {
    tokio::task::yield_now().await;
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return false;
    };
    let (mut answer, asked) = ([0; 5], stream.write_all(b"PING\r\n").await);
    asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == *b"+PONG"
}

/// How often each line was asked for.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<HashMap<String, usize>>>);

impl Calls {
    fn count(&self, line: &str) -> usize {
        *self.0.lock().unwrap().get(line).unwrap_or(&0)
    }

    fn add(&self, line: &str) -> usize {
        let mut calls = self.0.lock().unwrap();
        let count = calls.entry(line.to_owned()).or_default();
        *count += 1;
        *count - 1
    }
}

struct Fleet {
    redis: Redis,
    proxies: Vec<Running>,
    calls: Calls,
    /// Holds the first call of `/held` and `/killed`.
    gate: Gate,
    // Lives as long as the fleet.
    _origin: Origin,
}

impl Fleet {
    async fn start() -> Self {
        let (redis, calls, gate) = (Redis::start().await, Calls::default(), Gate::default());
        let (counted, held) = (calls.clone(), gate.clone());
        let origin = Origin::start(move |request: &Message, _| {
            let line = request.start.trim_end_matches(" HTTP/1.1");
            let number = counted.add(line);
            let control = match (line, number) {
                ("GET /held", 0) => "max-age=1",
                _ => "max-age=600",
            };
            let mut script = kept(control, &format!("{line} {number}"));
            if number == 0 && ["GET /held", "GET /killed"].contains(&line) {
                script.insert(0, Step::Wait(held.clone()));
            }
            script
        })
        .await;
        let url = format!("redis://127.0.0.1:{}", redis.port);
        let arguments = ["--redis", &url, "--log", "warn"];
        let proxies = (0..PROXIES).map(|_| Running::with(&arguments, &origin));
        let fleet = Self {
            proxies: join_all(proxies).await,
            redis,
            calls,
            gate,
            _origin: origin,
        };
        for number in 1..PROXIES {
            within("all to be connected", fleet.connected(number)).await;
        }
        fleet
    }

    /// Until one finds what the first has, and hears of what is changed there.
    async fn connected(&self, number: usize) {
        for attempt in 0.. {
            let path = format!("/connected/{number}/{attempt}");
            self.ask(0, "GET", &path).await;
            let found = self.ask(number, "GET", &path).await;
            self.ask(0, "POST", &path).await;
            pause(20).await;
            let after = self.ask(number, "GET", &path).await;
            if found.verb() != "MISS" && after.body != found.body {
                return;
            }
        }
    }

    async fn ask(&self, number: usize, method: &str, path: &str) -> Message {
        let mut wire = Wire::to(self.proxies[number].address).await;
        wire.ask(&format!("{method} {path}"), "").await
    }

    /// What a crowd before each of the proxies gets, of which the first `without` have gone.
    async fn crowd(&self, without: usize, path: &str) -> Vec<Message> {
        let everywhere = (without..PROXIES).flat_map(|number| [number; CLIENTS]);
        join_all(everywhere.map(|number| self.ask(number, "GET", path))).await
    }
}

#[allow(clippy::disallowed_methods, reason = "real processes have real clocks")]
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

fn bodies(answers: &[Message]) -> Vec<&str> {
    assert!(answers.iter().all(|answer| answer.status() == 200));
    let mut bodies: Vec<_> = answers.iter().map(|answer| answer.body.as_str()).collect();
    bodies.sort_unstable();
    bodies.dedup();
    bodies
}

#[tokio::test]
async fn eight_proxies_with_one_redis_ask_the_origin_once() {
    let fleet = Fleet::start().await;
    let (cold, ()) = futures_util::join!(fleet.crowd(0, "/held"), async {
        pause(300).await;
        fleet.gate.open();
    });
    assert_eq!(bodies(&cold), ["GET /held 0"]);
    assert_eq!(fleet.calls.count("GET /held"), 1, "cold");

    pause(1_100).await;
    let expired = fleet.crowd(0, "/held").await;
    assert_eq!(bodies(&expired), ["GET /held 1"]);
    assert_eq!(fleet.calls.count("GET /held"), 2, "expired");
}

#[tokio::test]
async fn what_is_changed_through_one_proxy_is_seen_through_all() {
    let fleet = Fleet::start().await;
    for round in 0..5 {
        let before = fleet.crowd(0, "/changed").await;
        assert_eq!(bodies(&before), [format!("GET /changed {round}")]);
        let changed = fleet.ask(round, "POST", "/changed").await;
        assert_eq!(changed.status(), 200);
        // The log is a message away.
        pause(50).await;
        let after = fleet.crowd(0, "/changed").await;
        assert_eq!(bodies(&after), [format!("GET /changed {}", round + 1)]);
    }
}

#[tokio::test]
async fn a_proxy_that_is_killed_while_it_asks_is_replaced() {
    let mut fleet = Fleet::start().await;
    let mut leader = Wire::to(fleet.proxies[0].address).await;
    leader.begin("GET /killed", "").await;
    within("the call", async {
        while fleet.calls.count("GET /killed") == 0 {
            pause(1).await;
        }
    })
    .await;
    fleet.proxies[0].kill().await;
    let answers = within("a second leader", fleet.crowd(1, "/killed")).await;
    assert_eq!(bodies(&answers), ["GET /killed 1"]);
    assert_eq!(fleet.calls.count("GET /killed"), 2);
}

#[tokio::test]
async fn without_redis_each_proxy_goes_on_alone() {
    let mut fleet = Fleet::start().await;
    assert_eq!(bodies(&fleet.crowd(0, "/kept").await).len(), 1);
    within("the end", fleet.redis.process.kill()).await.unwrap();
    assert_eq!(bodies(&fleet.crowd(0, "/kept").await), ["GET /kept 0"]);
    assert!(bodies(&fleet.crowd(0, "/alone").await).len() <= PROXIES);
    assert!(fleet.calls.count("GET /alone") <= PROXIES);
    assert_eq!(fleet.ask(0, "POST", "/kept").await.status(), 200);
    assert_ne!(fleet.ask(0, "GET", "/kept").await.body, "GET /kept 0");
}

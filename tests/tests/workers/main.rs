//! Processes that serve, worker processes that refresh for them, and a Redis between: real processes that are really killed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use house_tests::{RedisServer, Teller, told_by, until, within};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_swr::{HttpCache, MemorySettings, Mode};
use tower_swr_redis::Redis;

/// What all processes have in common.
struct World {
    redis: RedisServer,
    teller: Teller,
}

/// A process that serves.
struct Web {
    app: Router,
    cache: HttpCache,
}

/// A process that works; killed when this is dropped.
struct Worker(Child);

impl World {
    async fn new() -> Self {
        Self {
            redis: RedisServer::start().await,
            teller: Teller::start().await,
        }
    }

    async fn web(&self) -> Web {
        let builder = Redis::builder(&self.redis.url()).lease(Duration::from_secs(1));
        let redis = builder.connect().expect("a sound URL");
        while redis.ready().await.is_err() {
            tokio::task::yield_now().await;
        }
        let builder = HttpCache::builder(MemorySettings::new(8 << 20)).far(redis.clone());
        let cache = builder.remote_refreshes(redis).build();
        Web {
            app: told_by(self.teller.address, "web", &cache),
            cache,
        }
    }

    /// A worker that is there, and taken for dead a second after it was heard of last.
    async fn worker(&self, name: &str) -> Worker {
        self.mortal(name, Duration::from_secs(1)).await
    }

    /// The same, after `span`.
    async fn mortal(&self, name: &str, span: Duration) -> Worker {
        let _ = self.redis.ask("DEL {swr:w1:q}:w");
        let program = Command::new(env!("CARGO_BIN_EXE_refresh_worker"))
            .args([&self.redis.url(), &self.teller.address.to_string(), name])
            .arg(span.as_millis().to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("the program runs");
        let worker = Worker(program);
        self.attended().await;
        worker
    }

    async fn attended(&self) {
        let is_there = || self.redis.ask("EXISTS {swr:w1:q}:w") == ":1";
        until("a worker says that it is there", is_there).await;
    }
}

impl Web {
    /// How it answers now: its word for it, and the text.
    async fn ask(&self) -> (String, String) {
        let request = axum::http::Request::get("/").header("host", "example.com");
        let request = request.body(Body::empty()).expect("a request");
        let asking = self.app.clone().oneshot(request);
        let answer = within("an answer", asking).await.expect("it answers");
        assert_eq!(answer.status(), 200);
        let word = answer.headers()["x-cache"]
            .to_str()
            .expect("a word")
            .to_owned();
        let body = answer.into_body().collect().await.expect("a whole body");
        (word, String::from_utf8_lossy(&body.to_bytes()).into_owned())
    }

    /// Asks until it is answered like this.
    async fn until_it_says(&self, word: &str, text: &str) {
        let asking = async {
            while self.ask().await != (word.to_owned(), text.to_owned()) {
                tokio::task::yield_now().await;
            }
        };
        within(&format!("{word} {text}"), asking).await;
    }

    /// Asks for the first time, which makes the only call that is its own.
    async fn begin(&self, world: &World) {
        let answering = async {
            let call = world.teller.call().await;
            assert_eq!(call.name, "web");
            call.say("first").await;
        };
        let ((word, _), ()) = futures_util::future::join(self.ask(), answering).await;
        assert_eq!(word, "MISS");
    }

    fn calls(&self) -> u64 {
        self.cache.stats().origin_calls
    }
}

impl Worker {
    /// Has it stand still, or go on.
    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill is there").success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // With SIGKILL: it has no time for anything.
        self.0.kill().expect("it runs");
        self.0.wait().expect("it is our child");
    }
}

#[tokio::test]
async fn one_expiry_at_two_processes_costs_one_call_which_the_worker_makes() {
    let world = World::new().await;
    let (one, other) = (world.web().await, world.web().await);
    one.begin(&world).await;
    other.until_it_says("HIT", "first").await;
    let _worker = world.worker("worker").await;
    one.until_it_says("STALE", "first").await;
    other.until_it_says("STALE", "first").await;
    let call = world.teller.call().await;
    assert_eq!(call.name, "worker");
    // Nobody waits for it.
    assert_eq!(one.ask().await.0, "STALE");
    assert_eq!(other.ask().await.0, "STALE");
    call.say("second").await;
    one.until_it_says("HIT", "second").await;
    other.until_it_says("HIT", "second").await;
    assert_eq!((one.calls(), other.calls()), (1, 0));
    until("the queue is empty", || {
        world.redis.ask("XLEN {swr:w1:q}:s") == ":0"
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_is_killed_in_a_job_is_replaced_by_another() {
    let world = World::new().await;
    let web = world.web().await;
    web.begin(&world).await;
    let first = world.worker("first").await;
    web.until_it_says("STALE", "first").await;
    let call = world.teller.call().await;
    assert_eq!(call.name, "first");
    drop(first);
    let _second = world.worker("second").await;
    let again = world.teller.call().await;
    assert_eq!(
        again.name, "second",
        "before the process that serves is out of patience"
    );
    again.say("again").await;
    web.until_it_says("HIT", "again").await;
    assert_eq!(web.calls(), 1);
    until("the queue is empty", || {
        world.redis.ask("XLEN {swr:w1:q}:s") == ":0"
    })
    .await;
    assert_eq!(world.redis.ask("XLEN {swr:w1:q}:dead"), ":0");
}

#[tokio::test]
async fn a_job_that_kills_five_workers_is_put_aside_and_clients_are_answered() {
    let world = World::new().await;
    let (asking, serving) = (world.web().await, world.web().await);
    asking.begin(&world).await;
    serving.until_it_says("HIT", "first").await;
    // What it would refresh by itself in the meantime is not what this is about.
    serving.cache.mode(Mode::ServeStale);
    let span = Duration::from_millis(200);
    let mut worker = world.mortal("1", span).await;
    asking.until_it_says("STALE", "first").await;
    for delivery in 1..=5 {
        let call = world.teller.call().await;
        assert_eq!(call.name, delivery.to_string());
        assert_eq!(
            serving.ask().await,
            ("STALE".to_owned(), "first".to_owned())
        );
        assert_eq!(world.redis.ask("XLEN {swr:w1:q}:dead"), ":0");
        if delivery == 1 {
            // The process that has offered the job ends, or after five seconds it would make the call itself.
            asking.cache.drain(Duration::ZERO).await;
        }
        drop(worker);
        worker = world.mortal(&(delivery + 1).to_string(), span).await;
    }
    until("it is among the dead letters", || {
        world.redis.ask("XLEN {swr:w1:q}:dead") == ":1"
    })
    .await;
    assert_eq!(world.redis.ask("XLEN {swr:w1:q}:s"), ":0");
    assert_eq!(serving.ask().await.0, "STALE");

    // The key may be offered again, and this worker lives.
    serving.cache.mode(Mode::Normal);
    serving.until_it_says("STALE", "first").await;
    let call = world.teller.call().await;
    assert_eq!(call.name, "6");
    call.say("second").await;
    serving.until_it_says("HIT", "second").await;
    assert_eq!((asking.calls(), serving.calls()), (1, 0));
}

#[tokio::test]
async fn a_worker_that_stands_still_is_waited_for_five_seconds_and_repeats_no_call() {
    let world = World::new().await;
    let web = world.web().await;
    web.begin(&world).await;
    let worker = world.worker("worker").await;
    worker.signal("STOP");
    web.until_it_says("STALE", "first").await;
    let call = world.teller.call().await;
    assert_eq!(call.name, "web", "nobody else is left");
    // Clients need not wait for any of it.
    assert_eq!(web.ask().await.0, "STALE");
    call.say("second").await;
    web.until_it_says("HIT", "second").await;
    worker.signal("CONT");
    until("the worker finds that it is done", || {
        world.redis.ask("XLEN {swr:w1:q}:s") == ":0"
    })
    .await;
    assert_eq!(web.calls(), 2);
    let far = web.cache.stats().far;
    assert_eq!((far.offered, far.overdue, far.declined), (1, 1, 0));
    assert_eq!(world.redis.ask("XLEN {swr:w1:q}:dead"), ":0");
}

#[tokio::test]
async fn a_queue_that_was_flushed_is_made_anew() {
    let world = World::new().await;
    let web = world.web().await;
    web.begin(&world).await;
    let _worker = world.worker("worker").await;
    assert_eq!(world.redis.ask("FLUSHALL"), "+OK");
    // Whoever is asked meanwhile makes the call, and in the end that is the worker again.
    let telling = async {
        for number in 0_u64.. {
            let call = world.teller.call().await;
            let is_worker = call.name == "worker";
            call.say(&format!(
                "{number} by {}",
                if is_worker { "worker" } else { "web" }
            ))
            .await;
            if is_worker {
                return number;
            }
        }
        0
    };
    let asking = async {
        loop {
            let (_, text) = web.ask().await;
            if text.ends_with("worker") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let both = futures_util::future::join(telling, asking);
    within("the worker works again", both).await;
}

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Mutex, MutexGuard};

use crate::server::Server;
use crate::shop::Shop;
use crate::support::{Crowd, Message, Running, Wire, within};

/// What anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// One fleet at a time: each has more processes than most machines have cores.
static TURN: Mutex<()> = Mutex::const_new(());

/// Processes of the proxy before one origin, with one Redis.
pub(crate) struct Fleet {
    pub(crate) proxies: Vec<Running>,
    pub(crate) redis: Server,
    pub(crate) shop: Shop,
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// So many, connected.
    pub(crate) async fn of(proxies: usize) -> Self {
        let redis = Server::start();
        let url = redis.url();
        Self::with(proxies, redis, &url).await.connected().await
    }

    /// So many that look for Redis at `url`.
    pub(crate) async fn with(proxies: usize, redis: Server, url: &str) -> Self {
        let turn = TURN.lock().await;
        let shop = Shop::open().await;
        let proxies = (0..proxies).map(|_| begin(url, &shop));
        Self {
            proxies: join_all(proxies).await,
            redis,
            shop,
            _turn: turn,
        }
    }

    /// One more, which has only just begun.
    pub(crate) async fn grow(&mut self) {
        let proxy = begin(&self.redis.url(), &self.shop).await;
        self.proxies.push(proxy);
    }

    /// Once all of them have found Redis.
    pub(crate) async fn connected(self) -> Self {
        for number in 1..self.proxies.len() {
            within("all to be connected", self.shares(number)).await;
        }
        self
    }

    /// Until this one finds what the first has, and hears of what is changed there.
    pub(crate) async fn shares(&self, number: usize) {
        for attempt in 0.. {
            let path = format!("/shared/{number}/{attempt}");
            self.ask(0, "GET", &path).await;
            let found = self.ask(number, "GET", &path).await;
            self.ask(0, "POST", &path).await;
            pause(Duration::from_millis(20)).await;
            let after = self.ask(number, "GET", &path).await;
            if found.verb() != "MISS" && after.body != found.body {
                return;
            }
        }
    }

    /// The answer of a proxy on a connection of its own.
    pub(crate) async fn ask(&self, number: usize, method: &str, path: &str) -> Message {
        let answer = self
            .connect(number)
            .await
            .ask(&format!("{method} {path}"), "")
            .await;
        assert_eq!(answer.status(), 200, "{method} {path}: {answer:?}");
        answer
    }

    /// What a proxy has under `path`.
    pub(crate) async fn get(&self, number: usize, path: &str) -> String {
        self.ask(number, "GET", path).await.body
    }

    pub(crate) async fn connect(&self, number: usize) -> Wire {
        Wire::to(self.proxies[number].address).await
    }

    /// So many clients before each of them.
    pub(crate) async fn crowd(&self, clients: usize) -> Crowd {
        Crowd::at(self.addresses(), clients).await
    }

    /// What each of them has under `path`, asked at the same time: each body once.
    pub(crate) async fn bodies(&self, path: &str) -> BTreeSet<String> {
        let all = (0..self.proxies.len()).map(|number| self.get(number, path));
        join_all(all).await.into_iter().collect()
    }

    /// Waits until every proxy has `body` under `path`.
    pub(crate) async fn all_have(&self, path: &str, body: &str) {
        self.all_agree(path, |found| found == body).await;
    }

    /// Waits until what every proxy has under `path` is as it should be.
    pub(crate) async fn all_agree(&self, path: &str, is_right: impl Fn(&str) -> bool) {
        let mut bodies = BTreeSet::new();
        let agreed = async {
            loop {
                bodies = self.bodies(path).await;
                if bodies.iter().all(|body| is_right(body)) {
                    return;
                }
                pause(Duration::from_millis(2)).await;
            }
        };
        let agreed = tokio::time::timeout(PATIENCE, agreed).await;
        assert!(
            agreed.is_ok(),
            "not within {PATIENCE:?}: {path} is {bodies:?}"
        );
    }

    fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.proxies.iter().map(|proxy| proxy.address)
    }
}

async fn begin(redis: &str, shop: &Shop) -> Running {
    Running::with(&["--redis", redis, "--log", "error"], &shop.origin).await
}

pub(crate) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

/// That all are whole, and the same but for where they were kept.
pub(crate) fn assert_all(answers: &[Option<Message>], body: &str) {
    let is_it = |answer: &&Option<Message>| {
        (answer.as_ref()).is_some_and(|it| it.status() == 200 && it.body == body)
    };
    let others: Vec<_> = answers.iter().filter(|it| !is_it(it)).take(3).collect();
    assert!(others.is_empty(), "not all are {body}: {others:?}");
}

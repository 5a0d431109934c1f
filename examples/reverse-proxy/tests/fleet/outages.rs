//! Redis is away, silent, slow or full: clients do not notice.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, pause};
use crate::load::Load;
use crate::network::Proxy;
use crate::server::Server;
use crate::support::within;

#[tokio::test]
async fn proxies_begin_without_their_redis_and_share_once_it_is_there() {
    let redis = Server::planned(&[]);
    let url = redis.url();
    let mut fleet = Fleet::with(2, redis, &url).await;
    let mut crowd = fleet.crowd(25).await;
    let answers = crowd.get().await;
    assert!(answers.0.iter().all(|answer| answer.status() == 200));
    assert_eq!(fleet.shop.calls("GET /"), 2, "each process asks once");
    let again = crowd.get().await;
    assert_eq!(again.count("HIT"), 50, "each has it in its memory");
    fleet.redis.restart();
    within("all to share", fleet.shares(1)).await;
}

#[tokio::test]
async fn a_proxy_that_has_only_just_begun_finds_what_is_shared() {
    let mut fleet = Fleet::of(1).await;
    let paths: Vec<String> = (0..20).map(|number| format!("/shared/{number}")).collect();
    for path in &paths {
        fleet.get(0, path).await;
    }
    fleet.grow().await;
    let crowd = paths.iter().chain(&paths).map(|path| fleet.get(1, path));
    let bodies = futures_util::future::join_all(crowd).await;
    assert_eq!(bodies.len(), 2 * paths.len());
    for path in paths {
        assert_eq!(fleet.shop.calls(&format!("GET {path}")), 1, "{path}");
    }
}

#[tokio::test]
async fn without_redis_each_proxy_goes_on_alone() {
    let mut fleet = Fleet::of(3).await;
    assert_eq!(fleet.bodies("/kept").await.len(), 1);
    fleet.redis.kill();
    fleet.all_have("/kept", "GET /kept 0").await;
    assert!(fleet.bodies("/alone").await.len() <= 3);
    assert!(fleet.shop.calls("GET /alone") <= 3);
    fleet.ask(0, "POST", "/kept").await;
    assert_ne!(fleet.get(0, "/kept").await, "GET /kept 0");
}

#[tokio::test]
async fn a_redis_that_is_killed_and_comes_back_empty_costs_no_client_an_error() {
    let mut fleet = Fleet::of(3).await;
    fleet.all_have("/kept", "GET /kept 0").await;
    let load = Load::on(&fleet, 8).await;
    pause(Duration::from_millis(500)).await;
    fleet.redis.kill();
    pause(Duration::from_secs(2)).await;
    fleet.redis.restart();
    let back = Instant::now();
    // What was changed meanwhile cannot be known, so nobody goes on with what they have.
    fleet.all_agree("/kept", |body| body != "GET /kept 0").await;
    within("all to share", fleet.shares(1)).await;
    within("all to share", fleet.shares(2)).await;
    println!("shared again {:?} after it is back", back.elapsed());
    let report = load.end().await;
    println!(
        "{} answers, the slowest {:?}",
        report.answers, report.longest
    );
    report.assert_no_error();
}

#[tokio::test]
async fn a_redis_that_stands_still_costs_no_client_an_error_and_gives_nobody_anothers_answer() {
    let fleet = Fleet::of(3).await;
    // With some in Redis that are in no memory but the first's.
    for number in 0..50 {
        fleet.get(0, &format!("/load/{number}")).await;
    }
    let load = Load::on(&fleet, 8).await;
    pause(Duration::from_millis(100)).await;
    fleet.redis.freeze();
    pause(Duration::from_secs(3)).await;
    fleet.redis.thaw();
    // What was asked before the stop is answered now, to nobody.
    pause(Duration::from_secs(1)).await;
    within("all to share", fleet.shares(1)).await;
    let report = load.end().await;
    println!(
        "{} answers, the slowest {:?}",
        report.answers, report.longest
    );
    report.assert_no_error();
}

/// Later than a step may take, yet not so late that the connection is given up.
#[tokio::test]
async fn a_redis_that_answers_late_holds_no_client_up_and_what_is_stale_is_served() {
    let redis = Server::start();
    let network = Proxy::to(redis.port).await;
    let fleet = Fleet::with(2, redis, &network.url())
        .await
        .connected()
        .await;
    fleet.all_have("/short/stale", "GET /short/stale 0").await;
    network.delay(Duration::from_millis(80));
    let load = Load::on(&fleet, 8).await;
    pause(crate::shop::SHORT).await;
    let answer = fleet.ask(0, "GET", "/short/stale").await;
    assert_eq!(
        (answer.verb(), &*answer.body),
        ("STALE", "GET /short/stale 0")
    );
    // Each process may have to renew it alone, since reading takes longer than it waits for.
    fleet
        .all_agree("/short/stale", |body| body != "GET /short/stale 0")
        .await;
    assert!(fleet.shop.calls("GET /short/stale") <= 3);
    let report = load.end().await;
    println!(
        "{} answers, the slowest {:?}",
        report.answers, report.longest
    );
    report.assert_no_error();
    network.delay(Duration::ZERO);
    within("all to share", fleet.shares(1)).await;
}

#[tokio::test]
async fn a_redis_that_is_full_costs_no_client_an_error() {
    let redis = Server::start_with(&["--maxmemory", "2mb", "--maxmemory-policy", "noeviction"]);
    let url = redis.url();
    let fleet = Fleet::with(2, redis, &url).await.connected().await;
    // Almost: what the proxies store does the rest.
    let ballast = "x".repeat(32 << 10);
    for number in 0.. {
        if memory_of(&fleet.redis) + 2 * ballast.len() > 2 << 20 {
            break;
        }
        let name = format!("ballast {number}");
        let _: String = fleet.redis.ask(&["SET", &name, &ballast]);
    }
    let load = Load::on(&fleet, 8).await;
    pause(Duration::from_secs(1)).await;
    fleet.get(0, "/full").await;
    assert_eq!(fleet.get(0, "/full").await, "GET /full 0", "from memory");
    // A change cannot be recorded now, and is made up for.
    fleet.ask(0, "POST", "/full").await;
    load.end().await.assert_no_error();
    let about: String = fleet.redis.ask(&["INFO", "errorstats"]);
    assert!(about.contains("errorstat_OOM"), "never full: {about}");
    let _: String = fleet.redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    within("all to share", fleet.shares(1)).await;
}

fn memory_of(redis: &Server) -> usize {
    let about: String = redis.ask(&["INFO", "memory"]);
    let mut lines = about.lines();
    let used = lines.find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().trim().parse().unwrap()
}

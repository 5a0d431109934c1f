//! Eight processes, a thousand clients before each, one key. On a machine with two cores that takes minutes and everything
//! it has, so as a rule it is fewer; `.ci/deep` takes the thousand.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, assert_all, pause};
use crate::shop::SHORT;
use crate::support::{Crowd, require_descriptors, within};

const PROXIES: usize = 8;

/// The lease that a proxy asks for.
const LEASE: Duration = Duration::from_secs(5);

/// Clients before each proxy, unless `FLEET_CLIENTS` says how many.
const CLIENTS: usize = 250;

fn clients() -> usize {
    let set = std::env::var("FLEET_CLIENTS").ok();
    let clients = set.map_or(CLIENTS, |it| it.parse().expect("FLEET_CLIENTS is a number"));
    // Each is a socket here, and one in its proxy, which may have as many as this process.
    require_descriptors(PROXIES * clients + 512);
    clients
}

/// All of them have asked and wait.
async fn all_ask(crowd: &mut Crowd, path: &str) {
    within("all to have asked", crowd.begin(path)).await;
}

#[tokio::test]
async fn thousands_of_clients_cost_one_call_where_nothing_is_kept() {
    let fleet = Fleet::of(PROXIES).await;
    let mut crowd = fleet.crowd(clients()).await;
    all_ask(&mut crowd, "/held").await;
    fleet.shop.reached("GET /held", 1).await;
    pause(Duration::from_secs(1)).await;
    fleet.shop.gate.open();
    let began = Instant::now();
    let cold = crowd.answers().await;
    println!("cold: {} answers in {:?}", cold.len(), began.elapsed());
    assert_all(&cold, "GET /held 0");
    assert_eq!(fleet.shop.calls("GET /held"), 1);
}

#[tokio::test]
async fn thousands_of_clients_cost_one_call_when_what_is_kept_has_run_out() {
    let fleet = Fleet::of(PROXIES).await;
    let mut crowd = fleet.crowd(clients()).await;
    fleet.all_have("/short", "GET /short 0").await;
    // No process holds it to be younger than this one does.
    pause(SHORT + Duration::from_millis(500)).await;
    let began = Instant::now();
    all_ask(&mut crowd, "/short").await;
    let expired = crowd.answers().await;
    println!(
        "run out: {} answers in {:?}",
        expired.len(),
        began.elapsed()
    );
    assert_all(&expired, "GET /short 1");
    assert_eq!(fleet.shop.calls("GET /short"), 2);
}

#[tokio::test]
async fn thousands_of_clients_cost_one_call_of_an_origin_that_outlasts_the_lease_thrice() {
    let fleet = Fleet::of(PROXIES).await;
    let mut crowd = fleet.crowd(clients()).await;
    all_ask(&mut crowd, "/held").await;
    fleet.shop.reached("GET /held", 1).await;
    pause(LEASE * 3).await;
    fleet.shop.gate.open();
    assert_all(&crowd.answers().await, "GET /held 0");
    assert_eq!(fleet.shop.calls("GET /held"), 1);
}

/// But those before the process that is killed, whose connections die with it.
#[tokio::test]
async fn thousands_of_clients_cost_two_calls_where_the_leader_is_killed() {
    let mut fleet = Fleet::of(PROXIES).await;
    let mut leader = fleet.connect(0).await;
    leader.begin("GET /held", "").await;
    fleet.shop.reached("GET /held", 1).await;
    let clients = clients();
    let mut crowd = fleet.crowd(clients).await;
    all_ask(&mut crowd, "/held").await;
    pause(Duration::from_secs(1)).await;
    fleet.proxies[0].kill().await;
    let answers = crowd.answers().await;
    let (its_own, others) = answers.split_at(clients);
    assert!(its_own.iter().all(Option::is_none), "nobody is lied to");
    assert_all(others, "GET /held 1");
    assert_eq!(fleet.shop.calls("GET /held"), 2);
}

/// By an unsafe request, which invalidates its own target, and by one whose answer invalidates a group of pages.
#[tokio::test]
async fn what_is_changed_through_any_process_is_gone_from_all_when_they_are_asked_next() {
    let fleet = Fleet::of(PROXIES).await;
    let mut crowd = fleet.crowd(clients()).await;
    let mut longest = Duration::ZERO;
    for (path, change) in [("/changed", "/changed"), ("/grouped", "/purge")] {
        for round in 0..PROXIES {
            let before = format!("GET {path} {round}");
            fleet.all_have(path, &before).await;
            fleet.ask(round, "POST", change).await;
            let began = Instant::now();
            let after = format!("GET {path} {}", round + 1);
            assert_eq!(fleet.get(round, path).await, after, "in its own process");
            fleet.all_have(path, &after).await;
            longest = longest.max(began.elapsed());
        }
        all_ask(&mut crowd, path).await;
        assert_all(&crowd.answers().await, &format!("GET {path} {PROXIES}"));
        assert_eq!(fleet.shop.calls(&format!("GET {path}")), PROXIES + 1);
    }
    println!("a change was seen by all within {longest:?}");
}

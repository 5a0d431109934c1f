//! The process that calls the origin for all, and what becomes of it meanwhile.

use std::time::Duration;

use crate::fleet::{Fleet, pause};
use crate::support::within;

/// As a machine that is suspended, or a process that is swapped out.
#[tokio::test]
async fn a_leader_that_is_stopped_beyond_its_lease_cannot_write_and_answers_its_client() {
    let fleet = Fleet::of(3).await;
    let mut leader = fleet.connect(0).await;
    leader.begin("GET /held", "").await;
    fleet.shop.reached("GET /held", 1).await;
    fleet.proxies[0].freeze().await;
    let second = within("a second leader", fleet.get(1, "/held")).await;
    assert_eq!(second, "GET /held 1");
    fleet.shop.gate.open();
    fleet.proxies[0].thaw().await;
    let answer = leader.answer().await.expect("its client waits");
    assert_eq!((answer.status(), &*answer.body), (200, "GET /held 0"));
    // Not over the second's, neither in Redis nor in its own memory.
    fleet.all_have("/held", "GET /held 1").await;
    assert_eq!(fleet.get(2, "/held").await, "GET /held 1");
    assert_eq!(fleet.shop.calls("GET /held"), 2);
}

#[tokio::test]
async fn an_answer_whose_first_client_hangs_up_is_everybodys_after_one_call() {
    let fleet = Fleet::of(3).await;
    let mut leader = fleet.connect(0).await;
    leader.begin("GET /held", "").await;
    fleet.shop.reached("GET /held", 1).await;
    drop(leader);
    let waiting = fleet.bodies("/held");
    let opening = async {
        pause(Duration::from_millis(500)).await;
        fleet.shop.gate.open();
    };
    let (bodies, ()) = futures_util::join!(waiting, opening);
    assert_eq!(Vec::from_iter(bodies), ["GET /held 0"]);
    assert_eq!(fleet.shop.calls("GET /held"), 1);
}

#[tokio::test]
async fn what_is_changed_while_the_origin_is_asked_is_given_to_who_waits_and_kept_by_nobody() {
    let fleet = Fleet::of(3).await;
    let mut first = fleet.connect(0).await;
    first.begin("GET /held", "").await;
    fleet.shop.reached("GET /held", 1).await;
    fleet.ask(1, "POST", "/held").await;
    // Whoever asks from now on must not get what was asked for before: the first process still waits for that.
    fleet.all_have("/held", "GET /held 1").await;
    fleet.shop.gate.open();
    let answer = first.answer().await.expect("its client waits");
    assert_eq!((answer.status(), &*answer.body), (200, "GET /held 0"));
    pause(Duration::from_millis(100)).await;
    fleet.all_have("/held", "GET /held 1").await;
    assert_eq!(fleet.shop.calls("GET /held"), 2);
}

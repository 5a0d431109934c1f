//! Many at once, before an origin that a test holds: what runs at the same time is what has reached it meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{
    Crowd, Gate, House, Message, Script, Step, kept, require_descriptors, said, until,
};

/// What `answer` says, once the gate is open.
fn behind(gate: &Gate, answer: Script) -> Script {
    let mut script = vec![Step::Wait(gate.clone())];
    script.extend(answer);
    script
}

/// Waits until so many clients wait for the one call: each has a deadline of its own, and the call has one.
async fn all_wait(house: &House, clients: usize) {
    until("all to wait", || house.clock.sleepers() > clients).await;
}

#[tokio::test]
async fn a_thousand_cold_clients_are_one_call() {
    require_descriptors(4096);
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |_, _| behind(&held, kept("max-age=60", "hello"))).await;
    let mut crowd = Crowd::of(&house, 1000).await;
    let opening = async {
        all_wait(&house, 1000).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(crowd.get(), opening);
    answers.assert_all(200, "hello");
    assert_eq!(
        (answers.count("MISS"), answers.count("COLLAPSED")),
        (1, 999)
    );
    assert_eq!(house.origin.calls(), 1);
    house.settled().await;
}

#[tokio::test]
async fn a_thousand_find_it_stale_and_are_served_while_one_refresh_runs() {
    require_descriptors(4096);
    let gate = Gate::default();
    let held = gate.clone();
    let control = "max-age=60, stale-while-revalidate=60";
    let house = House::before(move |_, number| match number {
        0 => kept(control, "old"),
        _ => behind(&held, kept(control, "new")),
    })
    .await;
    house.get("/").await;
    house.settled().await;
    house.clock.advance(Duration::from_secs(70));
    let mut crowd = Crowd::of(&house, 1000).await;
    // The origin says nothing until all of them have been answered.
    let answers = crowd.get().await;
    answers.assert_all(200, "old");
    assert_eq!(answers.count("STALE"), 1000);
    house.origin.reached(2).await;
    gate.open();
    house.settled().await;
    let answers = crowd.get().await;
    answers.assert_all(200, "new");
    assert_eq!(answers.count("HIT"), 1000);
    assert_eq!(house.origin.calls(), 2);
}

#[tokio::test]
async fn ten_variants_of_twenty_clients_each_are_ten_calls_and_then_none() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |request, _| {
        let language = request.field("accept-language");
        let length = language.len();
        let answer = said(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nVary: Accept-Language\r\n\
             Content-Length: {length}\r\n\r\n{language}"
        ));
        behind(&held, answer)
    })
    .await;
    let language = |number: usize| format!("x-{}", number % 10);
    let fields = |number| format!("Accept-Language: {}\r\n", language(number));
    let mut crowd = Crowd::of(&house, 200).await;
    let opening = async {
        all_wait(&house, 200).await;
        gate.open();
    };
    let (cold, ()) = tokio::join!(crowd.ask(fields), opening);
    assert_eq!((house.origin.calls(), cold.count("MISS")), (10, 10));
    house.settled().await;
    let again = crowd.ask(fields).await;
    assert_eq!((house.origin.calls(), again.count("HIT")), (10, 200));
    for answers in [cold, again] {
        for (number, answer) in answers.0.iter().enumerate() {
            assert_eq!(answer.body, language(number));
        }
    }
}

/// Of the first wave somebody has to find out that it may not be shared. Nobody waits for anybody after that.
#[tokio::test]
async fn two_waves_of_no_store_run_side_by_side() {
    let gates = [Gate::default(), Gate::default(), Gate::default()];
    let [first, others, second] = gates.clone();
    let house = House::before(move |_, number| {
        let gate = match number {
            0 => &first,
            1..100 => &others,
            _ => &second,
        };
        behind(gate, kept("no-store", &number.to_string()))
    })
    .await;
    let [first, others, second] = gates;
    let mut crowd = Crowd::of(&house, 100).await;
    let opening = async {
        all_wait(&house, 100).await;
        house.origin.reached(1).await;
        assert_eq!(house.origin.calls(), 1);
        first.open();
        // None of the others has been answered: all of them are at the origin at once.
        house.origin.reached(100).await;
        others.open();
    };
    let (wave, ()) = tokio::join!(crowd.get(), opening);
    assert_eq!(wave.bodies(), numbers(0..100), "each has its own");
    let opening = async {
        house.origin.reached(200).await;
        second.open();
    };
    let (wave, ()) = tokio::join!(crowd.get(), opening);
    assert_eq!(wave.bodies(), numbers(100..200), "each has its own");
    assert_eq!(house.origin.calls(), 200);
}

fn numbers(range: std::ops::Range<usize>) -> BTreeSet<&'static str> {
    let texts = range.map(|number| &*number.to_string().leak());
    texts.collect()
}

#[tokio::test]
async fn a_hundred_share_one_error() {
    let gate = Gate::default();
    let held = gate.clone();
    let error = "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nsick";
    let house = House::before(move |_, _| behind(&held, said(error))).await;
    let mut crowd = Crowd::of(&house, 100).await;
    let opening = async {
        all_wait(&house, 100).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(crowd.get(), opening);
    answers.assert_all(500, "sick");
    assert_eq!(house.origin.calls(), 1, "one round of the origin for all");
    house.settled().await;
    // Nothing was kept, nor is it remembered as one to go past the cache with.
    assert_eq!(house.get("/").await.verb(), "MISS");
}

#[tokio::test]
async fn who_comes_during_a_body_gets_what_is_there_of_it() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |_, _| {
        vec![
            Step::Say(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
                    .to_owned(),
            ),
            Step::Wait(held.clone()),
            Step::Say("4\r\nlast\r\n0\r\n\r\n".to_owned()),
        ]
    })
    .await;
    let mut wires = Vec::new();
    for verb in ["MISS", "COLLAPSED"] {
        let mut wire = house.connect().await;
        wire.begin("GET /", "").await;
        assert_eq!(wire.head().await.unwrap().verb(), verb);
        assert_eq!(wire.chunk().await, "first");
        wires.push(wire);
    }
    gate.open();
    for wire in &mut wires {
        assert_eq!(wire.chunk().await, "last");
        assert_eq!(wire.exactly(5).await, "0\r\n\r\n");
    }
    assert_eq!(house.origin.calls(), 1);
}

#[tokio::test]
async fn the_one_leaves_whose_request_it_was_and_all_others_are_answered() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |_, _| behind(&held, kept("max-age=60", "hello"))).await;
    let mut leader = house.connect().await;
    leader.begin("GET /", "").await;
    house.origin.reached(1).await;
    let mut crowd = Crowd::of(&house, 50).await;
    let leaving = async {
        all_wait(&house, 51).await;
        drop(leader);
        until("its going to be seen", || house.clock.sleepers() < 52).await;
        gate.open();
    };
    let (answers, ()) = tokio::join!(crowd.get(), leaving);
    answers.assert_all(200, "hello");
    assert_eq!(answers.count("COLLAPSED"), 50);
    assert_eq!(house.origin.calls(), 1);
    house.settled().await;
}

/// Half of them have credentials, each its own, and the origin forgets to say `private`.
#[tokio::test]
async fn nobody_gets_what_the_credentials_of_another_got() {
    let gate = Gate::default();
    let held = gate.clone();
    let house = House::before(move |request: &Message, _| {
        let who = format!("for <{}>", request.field("authorization"));
        behind(&held, kept("max-age=60", &who))
    })
    .await;
    let fields = |number: usize| match number % 2 {
        0 => format!("Authorization: Basic {number}\r\n"),
        _ => String::new(),
    };
    let mut crowd = Crowd::of(&house, 100).await;
    let opening = async {
        house.origin.reached(2).await;
        gate.open();
    };
    let (together, ()) = tokio::join!(crowd.ask(fields), opening);
    house.settled().await;
    for answers in [together, crowd.ask(fields).await] {
        for (number, answer) in answers.0.iter().enumerate() {
            let own = match number % 2 {
                0 => format!("for <Basic {number}>"),
                _ => "for <>".to_owned(),
            };
            assert_eq!(answer.body, own);
        }
    }
}

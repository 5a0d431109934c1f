//! What an origin says of a request before it answers it.

use crate::support::{Gate, House, Script, Step, kept};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

fn hinted(hint: &str, gate: &Gate, body: &str) -> Script {
    let hint = Step::Say(hint.to_owned());
    let wait = Step::Wait(gate.clone());
    let answer = kept("max-age=60, stale-while-revalidate=60", body);
    [hint, wait].into_iter().chain(answer).collect()
}

#[tokio::test]
async fn early_hints_come_before_the_answer_and_are_not_kept() {
    let gate = Gate::default();
    let shut = gate.clone();
    let house = House::before(move |_, _| hinted(HINT, &shut, "page")).await;
    let mut wire = house.connect().await;
    for line in ["GET /", "POST /form"] {
        wire.begin(line, "").await;
        let hint = wire.head().await.unwrap();
        assert_eq!(hint.start, "HTTP/1.1 103 Early Hints");
        assert_eq!(hint.field("link"), "</style.css>; rel=preload");
        assert!(hint.field("via").starts_with("1.1 tower-swr-"));
        gate.open();
        let answer = wire.answer().await.unwrap();
        assert_eq!((answer.status(), answer.body.as_str()), (200, "page"));
    }
    let kept = house.get("/").await;
    assert_eq!(
        (kept.status(), kept.verb(), kept.body.as_str()),
        (200, "HIT", "page")
    );
}

#[tokio::test]
async fn several_are_said_in_order_without_what_ends_at_this_hop() {
    let gate = Gate::default();
    gate.open();
    let said = "HTTP/1.1 102 Processing\r\nConnection: x-hop\r\nX-Hop: 1\r\nContent-Length: 3\r\n\r\n\
                HTTP/1.1 100 Continue\r\n\r\n";
    let said = format!("{said}{HINT}").replace("1.1 103", "1.0 103");
    let house = House::before(move |_, _| hinted(&said, &gate, "page")).await;
    let mut wire = house.connect().await;
    wire.begin("GET /", "").await;
    let first = wire.head().await.unwrap();
    assert_eq!(first.status(), 102);
    for name in ["connection", "x-hop", "content-length"] {
        assert_eq!(first.field(name), "", "{name}");
    }
    let second = wire.head().await.unwrap();
    assert_eq!(second.status(), 103);
    assert!(second.field("via").starts_with("1.0 tower-swr-"));
    assert_eq!(wire.answer().await.unwrap().body, "page");
}

#[tokio::test]
async fn who_waits_for_the_same_call_is_told_the_answer_alone() {
    let gate = Gate::default();
    let shut = gate.clone();
    let house = House::before(move |_, _| hinted(HINT, &shut, "page")).await;
    let mut first = house.connect().await;
    first.begin("GET /", "").await;
    assert_eq!(first.head().await.unwrap().status(), 103);
    let mut second = house.connect().await;
    second.begin("GET /", "").await;
    gate.open();
    let answer = second.head().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(first.answer().await.unwrap().status(), 200);
    assert_eq!(house.origin.calls(), 1);
}

/// The connection has another request by then, which is not told either.
#[tokio::test]
async fn what_is_said_to_a_refresh_is_for_nobody() {
    let [refresh, other] = [(); 2].map(|()| Gate::default());
    let [refreshing, asking] = [&refresh, &other].map(Gate::clone);
    let house = House::before(move |request, number| match number {
        0 => kept("max-age=60, stale-while-revalidate=60", "old"),
        _ if request.start.starts_with("GET /other") => {
            let wait = Step::Wait(asking.clone());
            [wait]
                .into_iter()
                .chain(kept("max-age=60", "other"))
                .collect()
        }
        _ => {
            let wait = Step::Wait(refreshing.clone());
            let answer = kept("max-age=60", "new");
            [wait, Step::Say(HINT.to_owned())]
                .into_iter()
                .chain(answer)
                .collect()
        }
    })
    .await;
    let mut wire = house.connect().await;
    wire.get("/").await;
    house.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(wire.get("/").await.verb(), "STALE");
    house.origin.reached(2).await;
    wire.begin("GET /other", "").await;
    house.origin.reached(3).await;
    refresh.open();
    while house.get("/").await.body != "new" {}
    other.open();
    let answer = wire.answer().await.unwrap();
    assert_eq!((answer.status(), answer.body.as_str()), (200, "other"));
}

#[tokio::test]
async fn a_client_of_http_1_0_is_told_the_answer_alone() {
    let gate = Gate::default();
    gate.open();
    let house = House::before(move |_, _| hinted(HINT, &gate, "page")).await;
    let mut wire = house.connect().await;
    wire.write("GET / HTTP/1.0\r\n\r\n").await;
    let all = wire.rest().await;
    assert!(
        all.split(' ').nth(1) == Some("200") && all.ends_with("page"),
        "{all}"
    );
}

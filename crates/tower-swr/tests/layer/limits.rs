//! Bodies that are larger than what is kept, or that stop coming.

use crate::house::{Answer, Stage, ask, get, is_cut, next, open, reply, secs, settle, stage};

/// A body that may take up to 1000 bytes before it is too large to be kept.
fn limited() -> Stage {
    stage(reply(200), |house| house.layer().max_body(1000))
}

fn chunk() -> String {
    "x".repeat(400)
}

#[tokio::test]
async fn a_body_over_the_limit_reaches_everybody_and_is_not_kept() {
    let mut stage = limited();
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(open(&stage.service, get("/")).await);
    }
    for _ in 0..5 {
        stage.pipes[0].send(chunk());
        for reader in &mut readers {
            assert_eq!(next(reader).await, chunk());
        }
    }
    stage.pipes[0].end();
    for reader in readers {
        assert_eq!(Answer::read(reader).await.text(), "");
    }
    stage.pipes[1].end();
    assert_eq!(ask(&stage.service, get("/")).await.x_cache(), "PASS");
}

#[tokio::test]
async fn over_the_limit_a_reader_that_stands_still_is_cut_off_and_the_others_finish() {
    let mut stage = limited();
    let mut quick = open(&stage.service, get("/")).await;
    let slow = open(&stage.service, get("/")).await;
    for _ in 0..8 {
        stage.pipes[0].send(chunk());
    }
    stage.pipes[0].end();
    let mut read = String::new();
    for step in 0.. {
        match next(&mut quick).await.as_str() {
            "the end" => break,
            "nothing yet" => stage.house.pass(secs(30)).await,
            text => read.push_str(text),
        }
        assert!(step < 50, "the quick reader is held up for ever");
    }
    assert_eq!(read.len(), 3200);
    assert!(is_cut(slow, "cut").await);
}

#[tokio::test]
async fn over_the_limit_a_body_that_nobody_reads_is_dropped() {
    let stage = limited();
    let reader = open(&stage.service, get("/")).await;
    stage.pipes[0].send(chunk());
    drop(reader);
    settle().await;
    assert!(!stage.pipes[0].is_dropped(), "it may still be kept");
    for _ in 0..3 {
        stage.pipes[0].send(chunk());
    }
    settle().await;
    assert!(stage.pipes[0].is_dropped());
}

#[tokio::test]
async fn a_body_that_stops_coming_is_cut_after_the_idle_timeout() {
    let mut stage = stage(reply(200), |house| house.layer().body_idle_timeout(secs(5)));
    let leader = open(&stage.service, get("/")).await;
    stage.pipes[0].send("one");
    settle().await;
    stage.house.pass(secs(4)).await;
    stage.pipes[0].send("two");
    settle().await;
    stage.house.pass(secs(4)).await;
    assert!(
        !stage.pipes[0].is_dropped(),
        "each chunk begins the time anew"
    );
    stage.house.pass(secs(1)).await;
    assert!(is_cut(leader, "idle timeout").await);
    assert!(stage.pipes[0].is_dropped());
    stage.pipes[1].end();
    assert_eq!(ask(&stage.service, get("/")).await.x_cache(), "MISS");
}

#[tokio::test]
async fn a_body_of_one_byte_chunks_is_bounded_by_what_it_costs() {
    let stage = stage(reply(200), |house| house.layer().max_body(10_000));
    let reader = open(&stage.service, get("/")).await;
    (0..2000).for_each(|_| stage.pipes[0].send("x"));
    settle().await;
    drop(reader);
    stage.pipes[0].send("x");
    settle().await;
    assert!(
        stage.pipes[0].is_dropped(),
        "2000 bytes cost more than 10,000"
    );
}

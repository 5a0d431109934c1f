//! The queue of refreshes.

use redis::Script;

use super::super::{BURY, DECLINE, DONE, ENQUEUE, FORGET, PROMOTE, RETRY};
use super::{Scripts, connect};

/// As long as tokens are, since `PROMOTE` counts on that.
const TOKEN: &str = "tttttttttttttttttttttttt";

/// A worker is there.
fn attended() -> Scripts {
    let mut on = Scripts::start();
    let _: String = on.ask(&["SET", "w", ""]);
    on
}

fn enqueue(on: &mut Scripts) -> u8 {
    let args = [TOKEN, "5000", "10", "key", "payload"];
    on.run(&ENQUEUE, &["pending", "s", "w"], &args)
}

/// Runs a script that begins as `DONE` does, with the first delivery of `entry` to `worker` as what is held.
fn end(
    on: &mut Scripts,
    script: &Script,
    entry: &str,
    worker: &str,
    further: (&str, &[&str]),
) -> u8 {
    let (key, further) = further;
    let args = [&["g", entry, worker, "1", TOKEN], further].concat();
    on.run(script, &["s", "pending", key], &args)
}

#[test]
fn enqueue_queues_a_key_once_as_long_as_it_is_in_line() {
    let mut on = Scripts::start();
    assert_eq!(enqueue(&mut on), 2, "nobody is at work");
    assert_eq!(on.exists(&["pending", "s"]), 0);
    let _: String = on.ask(&["SET", "w", ""]);
    assert_eq!((enqueue(&mut on), enqueue(&mut on)), (1, 0));
    assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 1);
    assert!((1..=5000).contains(&on.left("pending")));
    let _: u8 = on.ask(&["XTRIM", "s", "MAXLEN", "0"]);
    assert_eq!(enqueue(&mut on), 1, "what is trimmed holds nothing up");
    let _: String = on.ask(&["SET", "pending", TOKEN]);
    assert_eq!(enqueue(&mut on), 0, "what is put off counts");
}

#[test]
fn enqueue_leaves_nothing_pending_where_the_stream_takes_no_entry() {
    let mut on = attended();
    let _: u8 = on.ask(&["LPUSH", "s", "a list"]);
    let mut script = ENQUEUE.prepare_invoke();
    script.key("pending").key("s").key("w");
    for arg in [TOKEN, "5000", "10", "key", "payload"] {
        script.arg(arg);
    }
    let refused: Result<u8, _> = script.invoke(&mut on.connection);
    assert!(refused.is_err());
    assert_eq!(on.exists(&["pending"]), 0);
}

#[test]
fn done_ends_what_is_held_and_nothing_else() {
    let mut on = attended();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let done = |on: &mut Scripts, worker| end(on, &DONE, &entry, worker, ("-", &[]));
    assert_eq!(done(&mut on, "two"), 0, "another's");
    on.hand_over(&entry, "one");
    assert_eq!(done(&mut on, "one"), 0, "handed out again");
    assert_eq!(on.exists(&["pending"]), 1);
    let again = ["g", &entry, "one", "2", TOKEN];
    assert_eq!(on.run::<u8>(&DONE, &["s", "pending"], &again), 1);
    assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 0);
    assert_eq!(on.exists(&["pending"]), 0);
    assert_eq!(on.run::<u8>(&DONE, &["s", "pending"], &again), 0, "once");
    assert_eq!(enqueue(&mut on), 1);
}

#[test]
fn decline_ends_what_is_held_and_tells() {
    let mut on = attended();
    let mut waiting = connect(&on.server);
    let patience = Some(std::time::Duration::from_secs(20));
    waiting.set_read_timeout(patience).unwrap();
    let mut waiting = waiting.as_pubsub();
    waiting.subscribe("done").unwrap();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let decline =
        |on: &mut Scripts, worker| end(on, &DECLINE, &entry, worker, ("-", &["done", "declined"]));
    assert_eq!(decline(&mut on, "two"), 0, "another's");
    assert_eq!(on.exists(&["pending"]), 1);
    assert_eq!((decline(&mut on, "one"), decline(&mut on, "one")), (1, 0));
    let told: String = waiting.get_message().unwrap().get_payload().unwrap();
    assert_eq!(told, "declined");
    assert_eq!(
        (on.ask::<u8>(&["XLEN", "s"]), on.exists(&["pending"])),
        (0, 0)
    );
    assert_eq!(enqueue(&mut on), 1);
}

#[test]
fn done_leaves_what_is_pending_by_another_entry() {
    let mut on = attended();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let _: String = on.ask(&["SET", "pending", "of another"]);
    assert_eq!(end(&mut on, &DONE, &entry, "one", ("-", &[])), 1);
    assert_eq!(on.exists(&["pending"]), 1);
}

#[test]
fn retry_puts_off_what_is_held_and_promote_puts_it_back_in_line() {
    let mut on = attended();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let put_off = format!("{}{TOKEN}\u{1}payload", "k".repeat(16));
    let retry = |on: &mut Scripts, worker, wait| {
        let further = [wait, "70000", &put_off];
        end(on, &RETRY, &entry, worker, ("later", &further))
    };
    assert_eq!(retry(&mut on, "two", "0"), 0, "another's");
    assert_eq!(on.exists(&["later"]), 0);
    assert_eq!(retry(&mut on, "one", "0"), 1);
    assert_eq!(retry(&mut on, "one", "0"), 0, "once");
    assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 0);
    assert!(on.left("pending") > 5000, "it stays pending");
    assert_eq!(enqueue(&mut on), 0);
    let promote = |on: &mut Scripts| -> u8 { on.run(&PROMOTE, &["later", "s"], &["10"]) };
    assert_eq!((promote(&mut on), promote(&mut on)), (1, 0), "once");
    let taken = on.take("one");
    let again: redis::streams::StreamRangeReply = on.ask(&["XRANGE", "s", &taken, &taken]);
    let field = |name| again.ids[0].get::<String>(name).unwrap();
    assert_eq!(
        ["k", "t", "p"].map(field),
        [&"k".repeat(16), TOKEN, "payload"]
    );
    assert_eq!(field("a"), "1", "attempts");
}

#[test]
fn promote_leaves_what_is_not_due_and_throws_away_what_is_none_of_ours() {
    let mut on = attended();
    let _: u8 = on.ask(&["ZADD", "later", "1", "short", "9e15", &"x".repeat(50)]);
    let promoted: u8 = on.run(&PROMOTE, &["later", "s"], &["10"]);
    assert_eq!(promoted, 1);
    assert_eq!(on.exists(&["s"]), 0);
    assert_eq!(on.ask::<u8>(&["ZCARD", "later"]), 1);
}

#[test]
fn bury_puts_what_is_held_among_the_dead() {
    let mut on = attended();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let bury =
        |on: &mut Scripts, worker| end(on, &BURY, &entry, worker, ("dead", &["key", "payload"]));
    assert_eq!((bury(&mut on, "two"), on.exists(&["dead"])), (0, 0));
    assert_eq!((bury(&mut on, "one"), bury(&mut on, "one")), (1, 0), "once");
    assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 0);
    assert_eq!(on.ask::<u8>(&["XLEN", "dead"]), 1);
    assert_eq!(on.exists(&["pending"]), 0);
}

#[test]
fn forget_keeps_workers_that_hold_an_entry_or_have_just_asked() {
    let mut on = attended();
    assert_eq!(on.run::<u8>(&FORGET, &["s"], &["g", "0"]), 0, "no group");
    let _: String = on.ask(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
    assert_eq!(enqueue(&mut on), 1);
    let _: redis::Value = on.ask(&["XREADGROUP", "GROUP", "g", "holds", "STREAMS", "s", ">"]);
    let _: u8 = on.ask(&["XGROUP", "CREATECONSUMER", "s", "g", "idle"]);
    assert_eq!(on.run::<u8>(&FORGET, &["s"], &["g", "60000"]), 0);
    assert_eq!(on.run::<u8>(&FORGET, &["s"], &["g", "0"]), 1);
    let left = on.ask::<Vec<redis::Value>>(&["XINFO", "CONSUMERS", "s", "g"]);
    assert_eq!(left.len(), 1);
    let pending: (u64, redis::Value, redis::Value, redis::Value) = on.ask(&["XPENDING", "s", "g"]);
    assert_eq!(pending.0, 1, "what is held stays so");
}

//! Each script does what its line says.

use std::time::Duration;

use super::server::Server;
use super::*;
use redis::{Connection, FromRedisValue};

struct Scripts {
    server: Server,
    connection: Connection,
}

impl Scripts {
    fn start() -> Self {
        let server = Server::start();
        let connection = connect(&server);
        Self { server, connection }
    }

    fn run<T: FromRedisValue>(&mut self, script: &Script, keys: &[&str], args: &[&str]) -> T {
        let mut script = script.prepare_invoke();
        for key in keys {
            script.key(*key);
        }
        for arg in args {
            script.arg(*arg);
        }
        script.invoke(&mut self.connection).unwrap()
    }

    fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut question = redis::cmd(words[0]);
        question.arg(&words[1..]);
        question.query(&mut self.connection).unwrap()
    }

    fn exists(&mut self, keys: &[&str]) -> u8 {
        self.ask(&[&["EXISTS"], keys].concat())
    }

    fn left(&mut self, key: &str) -> i64 {
        self.ask(&["PTTL", key])
    }

    /// The entry that a worker is handed next.
    fn take(&mut self, worker: &str) -> String {
        let mut group = redis::cmd("XGROUP");
        group.arg(&["CREATE", "s", "g", "0", "MKSTREAM"]);
        // It may be there.
        let _ = group.exec(&mut self.connection);
        let question = ["XREADGROUP", "GROUP", "g", worker, "STREAMS", "s", ">"];
        let taken: redis::streams::StreamReadReply = self.ask(&question);
        taken.keys[0].ids[0].id.clone()
    }

    /// Hands the entry to another.
    fn hand_over(&mut self, entry: &str, worker: &str) {
        let _: redis::Value = self.ask(&["XCLAIM", "s", "g", worker, "0", entry]);
    }
}

fn connect(server: &Server) -> Connection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_connection().unwrap()
}

// --- Leases and values -----------------------------------------------------------------------------------------------

/// KEYS of a key's lease, as `ACQUIRE` has them.
const KEYS: [&str; 3] = ["v", "refresh", "fence"];

fn acquire(on: &mut Scripts, token: &str, have: &str) -> (u8, i64) {
    on.run(&ACQUIRE, &KEYS, &[token, "5000", have, "60000"])
}

fn renew(on: &mut Scripts, token: &str) -> u8 {
    on.run(&RENEW, &KEYS[1..], &[token, "90000"])
}

fn release(on: &mut Scripts, token: &str) -> u8 {
    on.run(&RELEASE, &KEYS[1..], &[token, "done", "released"])
}

fn commit(on: &mut Scripts, token: &str) -> u8 {
    let args = [token, "done", "stored", "one", "5000", "two", "9000"];
    on.run(&COMMIT, &["refresh", "fence", "v", "v.2"], &args)
}

fn purge(on: &mut Scripts) {
    let _: u8 = on.run(&PURGE, &KEYS, &["done", "purged", "60000"]);
}

#[test]
fn acquire_gives_the_mutex_to_one_who_has_seen_what_is_there() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    let (outcome, left) = acquire(&mut on, "two", "");
    assert!(outcome == 0 && (1..=5000).contains(&left), "{left}");
    let _: String = on.ask(&["SET", "v", "HC......version1 and more"]);
    assert_eq!(acquire(&mut on, "two", ""), (2, 0));
    assert_eq!(acquire(&mut on, "two", "version0"), (2, 0));
    assert_eq!(acquire(&mut on, "two", "version1").0, 0);
    let _: String = on.ask(&["SET", "v", "of somebody else, and long"]);
    assert_eq!(acquire(&mut on, "two", "").0, 0, "as if nothing were there");
}

#[test]
fn acquire_takes_what_nobody_can_write_by_for_free() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", ""), (1, 0));
    let _: u8 = on.ask(&["PERSIST", "refresh"]);
    assert_eq!(acquire(&mut on, "two", ""), (1, 0), "it would never end");
    let _: u8 = on.ask(&["PEXPIRE", "refresh", "3700000"]);
    assert_eq!(acquire(&mut on, "thr", ""), (1, 0), "not within an hour");
    let _: u8 = on.ask(&["DEL", "refresh"]);
    let _: u8 = on.ask(&["LPUSH", "refresh", "a list"]);
    assert_eq!(acquire(&mut on, "fou", ""), (1, 0), "of another type");
    assert_eq!(renew(&mut on, "fou"), 1);
    let _: String = on.ask(&["SET", "fence", "new", "PX", "1000"]);
    assert_eq!(acquire(&mut on, "fiv", ""), (1, 0), "before the last purge");
    assert_eq!((renew(&mut on, "fou"), renew(&mut on, "fiv")), (0, 1));
    assert!(on.left("fence") > 50_000, "it outlives the lease");
}

#[test]
fn renew_and_release_are_for_who_holds_the_token_unless_there_was_a_purge() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!((renew(&mut on, "two"), release(&mut on, "two")), (0, 0));
    assert!(on.left("refresh") <= 5000);
    assert_eq!(renew(&mut on, "one"), 1);
    assert!(on.left("refresh") > 5000);
    assert_eq!((release(&mut on, "one"), release(&mut on, "one")), (1, 0));
    assert_eq!(on.exists(&["refresh"]), 0);
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    let _: String = on.ask(&["SET", "fence", "new"]);
    assert_eq!((renew(&mut on, "one"), release(&mut on, "one")), (0, 0));
    assert_eq!(on.exists(&["refresh"]), 1);
}

#[test]
fn commit_writes_all_or_nothing() {
    let mut on = Scripts::start();
    assert_eq!(commit(&mut on, "one"), 0, "no lease");
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!(commit(&mut on, "two"), 0);
    assert_eq!(on.exists(&["v", "v.2"]), 0);
    assert_eq!(commit(&mut on, "one"), 1);
    let values: Vec<String> = on.ask(&["MGET", "v", "v.2"]);
    assert_eq!(values, ["one", "two"]);
    assert!((1..=5000).contains(&on.left("v")));
    assert!((5001..=9000).contains(&on.left("v.2")));
    assert_eq!(commit(&mut on, "one"), 0, "once");
}

/// Of a variant nothing is deleted but what its own key has: its lease ends by the fence alone.
#[test]
fn commit_after_a_purge_writes_nothing() {
    let mut on = Scripts::start();
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    let mutex: String = on.ask(&["GET", "refresh"]);
    purge(&mut on);
    let _: String = on.ask(&["SET", "refresh", &mutex]);
    assert_eq!(commit(&mut on, "one"), 0);
    assert_eq!(on.exists(&["v", "v.2"]), 0);
}

#[test]
fn purge_takes_value_and_mutex_and_leaves_another_fence() {
    let mut on = Scripts::start();
    let _: String = on.ask(&["MSET", "v", "value", "refresh", "one", "other", "stays"]);
    purge(&mut on);
    assert_eq!(on.exists(&["v", "refresh", "other"]), 1);
    let first: String = on.ask(&["GET", "fence"]);
    assert!((50_000..=60_000).contains(&on.left("fence")));
    purge(&mut on);
    assert_ne!(on.ask::<String>(&["GET", "fence"]), first);
}

#[test]
fn those_who_wait_are_told_how_a_lease_ended_and_of_a_purge() {
    let mut on = Scripts::start();
    let mut waiting = connect(&on.server);
    let patience = Some(Duration::from_secs(20));
    waiting.set_read_timeout(patience).unwrap();
    let mut waiting = waiting.as_pubsub();
    waiting.subscribe("done").unwrap();
    let mut told = || -> String { waiting.get_message().unwrap().get_payload().unwrap() };
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!((commit(&mut on, "two"), release(&mut on, "two")), (0, 0));
    assert_eq!(commit(&mut on, "one"), 1);
    assert_eq!(told(), "stored", "and nothing before");
    assert_eq!(acquire(&mut on, "one", "").0, 1);
    assert_eq!(release(&mut on, "one"), 1);
    assert_eq!(told(), "released");
    purge(&mut on);
    assert_eq!(told(), "purged");
}

// --- The log ---------------------------------------------------------------------------------------------------------

#[test]
fn stamp_never_goes_back() {
    let mut on = Scripts::start();
    for (major, minor, stamp) in [("7", "2", "7-2"), ("7", "1", "7-2"), ("10", "0", "10-0")] {
        let _: u8 = on.run(&STAMP, &["stamp"], &[major, minor, "5000"]);
        assert_eq!(on.ask::<String>(&["GET", "stamp"]), stamp);
    }
}

#[test]
fn history_tells_what_came_after_a_position_that_is_there() {
    type History = (String, u8, Vec<redis::Value>);
    let mut on = Scripts::start();
    let (last, is_there, _): History = on.run(&HISTORY, &["inv"], &["0-0", "9"]);
    assert_eq!(is_there, 0);
    for _ in 0..3 {
        let _: String = on.ask(&["XADD", "inv", "*", "s", "subject"]);
    }
    let (_, is_there, after): History = on.run(&HISTORY, &["inv"], &[&last, "2"]);
    assert_eq!((is_there, after.len()), (1, 2));
}

// --- The queue -------------------------------------------------------------------------------------------------------

/// As long as tokens are, since `PROMOTE` counts on that.
const TOKEN: &str = "tttttttttttttttttttttttt";

fn enqueue(on: &mut Scripts) -> u8 {
    let args = [TOKEN, "5000", "10", "key", "payload"];
    on.run(&ENQUEUE, &["pending", "s"], &args)
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
    let mut on = Scripts::start();
    let _: u8 = on.ask(&["LPUSH", "s", "a list"]);
    let mut script = ENQUEUE.prepare_invoke();
    script.key("pending").key("s");
    for arg in [TOKEN, "5000", "10", "key", "payload"] {
        script.arg(arg);
    }
    let refused: Result<u8, _> = script.invoke(&mut on.connection);
    assert!(refused.is_err());
    assert_eq!(on.exists(&["pending"]), 0);
}

#[test]
fn done_ends_what_is_held_and_nothing_else() {
    let mut on = Scripts::start();
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
fn done_leaves_what_is_pending_by_another_entry() {
    let mut on = Scripts::start();
    assert_eq!(enqueue(&mut on), 1);
    let entry = on.take("one");
    let _: String = on.ask(&["SET", "pending", "of another"]);
    assert_eq!(end(&mut on, &DONE, &entry, "one", ("-", &[])), 1);
    assert_eq!(on.exists(&["pending"]), 1);
}

#[test]
fn retry_puts_off_what_is_held_and_promote_puts_it_back_in_line() {
    let mut on = Scripts::start();
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
    let mut on = Scripts::start();
    let _: u8 = on.ask(&["ZADD", "later", "1", "short", "9e15", &"x".repeat(50)]);
    let promoted: u8 = on.run(&PROMOTE, &["later", "s"], &["10"]);
    assert_eq!(promoted, 1);
    assert_eq!(on.exists(&["s"]), 0);
    assert_eq!(on.ask::<u8>(&["ZCARD", "later"]), 1);
}

#[test]
fn bury_puts_what_is_held_among_the_dead() {
    let mut on = Scripts::start();
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

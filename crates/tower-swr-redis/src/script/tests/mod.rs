//! Each script does what its line says.

mod leases;
mod queue;

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

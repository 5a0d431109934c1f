//! The scripts: each step that must not be torn apart. They run on the server one at a time, so what they compare still
//! holds when they write.
//!
//! They never read a body into Lua: of a value they read the few bytes that tell its version.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| Script::new($text));)*
    };
}

scripts! {
    /// KEYS value, mutex. ARGV token, time to live in ms, version seen (or nothing).
    /// Another version is there: `{2, 0}`. The mutex was free and holds the token now: `{1, 0}`. Otherwise `{0, ms left}`.
    /// What does not run out within an hour is no mutex of ours, and counts as free.
    ACQUIRE = r"
        local there = ''
        local head = redis.pcall('GETRANGE', KEYS[1], 0, 15)
        if type(head) == 'string' and #head == 16 and string.sub(head, 1, 2) == 'HC' then
            there = string.sub(head, 9, 16)
        end
        if there ~= '' and there ~= ARGV[3] then
            return {2, 0}
        end
        if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
            return {1, 0}
        end
        local left = redis.call('PTTL', KEYS[2])
        if left < 0 or left > 3600000 then
            redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
            return {1, 0}
        end
        return {0, left}
    ";

    /// KEYS mutex. ARGV token, ms. The mutex holds the token: it lasts that long from now, and 1. Otherwise 0.
    RENEW = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then
            return 0
        end
        return redis.call('PEXPIRE', KEYS[1], ARGV[2])
    ";

    /// KEYS mutex, values. ARGV token, channel, message, then a blob and its ms for every value.
    /// The mutex holds the token: all is written, the mutex is free, those who wait are told, and 1. Otherwise 0.
    COMMIT = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then
            return 0
        end
        for at = 2, #KEYS do
            redis.call('SET', KEYS[at], ARGV[2 * at], 'PX', ARGV[2 * at + 1])
        end
        redis.call('DEL', KEYS[1])
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
    ";

    /// KEYS mutex. ARGV token, channel, message. The mutex holds the token: it is free, those who wait are told, and 1.
    /// Otherwise 0.
    RELEASE = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then
            return 0
        end
        redis.call('DEL', KEYS[1])
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
    ";

    /// KEYS value, mutex. ARGV channel, message. Both are gone, which fences whoever held the mutex, and those who wait
    /// are told.
    PURGE = r"
        redis.call('DEL', KEYS[1], KEYS[2])
        redis.call('PUBLISH', ARGV[1], ARGV[2])
        return 1
    ";

    /// KEYS stamp. ARGV major, minor, ms. The stamp holds the later of what it held and what is given, for so long at
    /// least.
    STAMP = r"
        local major, minor = string.match(redis.call('GET', KEYS[1]) or '0-0', '^(%d+)-(%d+)$')
        major, minor = tonumber(major) or 0, tonumber(minor) or 0
        local new_major, new_minor = tonumber(ARGV[1]), tonumber(ARGV[2])
        if new_major > major or (new_major == major and new_minor > minor) then
            redis.call('SET', KEYS[1], ARGV[1] .. '-' .. ARGV[2], 'PX', ARGV[3])
        else
            redis.call('PEXPIRE', KEYS[1], ARGV[3])
        end
        return 1
    ";

    /// KEYS stream. ARGV position, count. `{last position ever, position is still there, entries after it}`. A stream that
    /// is not there begins with an entry that says nothing, so that there is a position before which nothing is known.
    HISTORY = r"
        if redis.call('EXISTS', KEYS[1]) == 0 then
            redis.call('XADD', KEYS[1], '*', 'b', '')
        end
        local about = redis.call('XINFO', 'STREAM', KEYS[1])
        local last = ''
        for at = 1, #about, 2 do
            if about[at] == 'last-generated-id' then
                last = about[at + 1]
            end
        end
        local there = #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
        local after = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
        return {last, there, after}
    ";

    /// KEYS pending, stream. ARGV token, ms, most entries, key, payload. A refresh of the key is pending: 0. Otherwise it is
    /// queued, and 1.
    ENQUEUE = r"
        if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
            return 0
        end
        redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'k', ARGV[4], 't', ARGV[1], 'a', '0', 'p', ARGV[5])
        return 1
    ";

    /// KEYS stream, pending. ARGV group, entry, token. The entry is gone, and so is what says that it is pending, if it
    /// says that of this entry.
    DONE = r"
        redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
        redis.call('XDEL', KEYS[1], ARGV[2])
        if redis.call('GET', KEYS[2]) == ARGV[3] then
            redis.call('DEL', KEYS[2])
        end
        return 1
    ";

    /// KEYS stream, pending, set of those put off. ARGV group, entry, token, ms to wait, ms to be pending, what to put off.
    /// Whoever still holds the entry puts it off; who does not changes nothing, and 0.
    RETRY = r"
        if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
            return 0
        end
        redis.call('XDEL', KEYS[1], ARGV[2])
        local now = redis.call('TIME')
        redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[4], ARGV[6])
        if redis.call('GET', KEYS[2]) == ARGV[3] then
            redis.call('PEXPIRE', KEYS[2], ARGV[5])
        end
        return 1
    ";

    /// KEYS stream, pending, dead letters. ARGV group, entry, token, key, payload. The entry is among the dead, a thousand
    /// of which are kept.
    BURY = r"
        if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then
            return 0
        end
        redis.call('XDEL', KEYS[1], ARGV[2])
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'k', ARGV[4], 'p', ARGV[5])
        if redis.call('GET', KEYS[2]) == ARGV[3] then
            redis.call('DEL', KEYS[2])
        end
        return 1
    ";

    /// KEYS set of those put off, stream. ARGV most entries. Up to a hundred whose time has come are back in line; how many.
    /// What is put off is the key in 16 bytes, the token in 24, the attempts in one, and the payload.
    PROMOTE = r"
        local now = redis.call('TIME')
        local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now[1] * 1000 + math.floor(now[2] / 1000), 'LIMIT', 0, 100)
        for _, job in ipairs(due) do
            redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'k', string.sub(job, 1, 16),
                't', string.sub(job, 17, 40), 'a', string.byte(job, 41), 'p', string.sub(job, 42))
            redis.call('ZREM', KEYS[1], job)
        end
        return #due
    ";
}

#[cfg(test)]
#[path = "../tests/redis/support/server.rs"]
mod server;

/// Each script does what its line says.
#[cfg(test)]
mod tests {
    use super::server::Server;
    use super::*;
    use redis::{Connection, FromRedisValue};

    struct Scripts {
        _server: Server,
        connection: Connection,
    }

    impl Scripts {
        fn start() -> Self {
            let server = Server::start();
            let client = redis::Client::open(server.url()).unwrap();
            Self {
                connection: client.get_connection().unwrap(),
                _server: server,
            }
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
    }

    #[test]
    fn acquire_gives_the_mutex_to_one_who_has_seen_what_is_there() {
        let mut on = Scripts::start();
        let keys = ["v", "refresh"];
        let acquire = |on: &mut Scripts, have| -> (u8, i64) {
            on.run(&ACQUIRE, &keys, &["token", "5000", have])
        };
        assert_eq!(acquire(&mut on, ""), (1, 0));
        let (outcome, left) = acquire(&mut on, "");
        assert!(outcome == 0 && (1..=5000).contains(&left), "{left}");
        let _: String = on.ask(&["SET", "v", "HC......version1 and more"]);
        assert_eq!(acquire(&mut on, ""), (2, 0));
        assert_eq!(acquire(&mut on, "version0"), (2, 0));
        assert_eq!(acquire(&mut on, "version1").0, 0);
        let _: u8 = on.ask(&["PERSIST", "refresh"]);
        assert_eq!(acquire(&mut on, "version1"), (1, 0), "it would never end");
    }

    #[test]
    fn renew_and_release_are_for_who_holds_the_token() {
        let mut on = Scripts::start();
        let _: String = on.ask(&["SET", "refresh", "token", "PX", "100000"]);
        assert_eq!(on.run::<u8>(&RENEW, &["refresh"], &["other", "9"]), 0);
        assert_eq!(on.run::<u8>(&RENEW, &["refresh"], &["token", "5000"]), 1);
        assert!(on.ask::<i64>(&["PTTL", "refresh"]) <= 5000);
        let release = |on: &mut Scripts, token| -> u8 {
            on.run(&RELEASE, &["refresh"], &[token, "done", "message"])
        };
        assert_eq!(release(&mut on, "other"), 0);
        assert_eq!(release(&mut on, "token"), 1);
        assert_eq!(release(&mut on, "token"), 0);
    }

    #[test]
    fn commit_writes_all_or_nothing() {
        let mut on = Scripts::start();
        let _: String = on.ask(&["SET", "refresh", "token"]);
        let commit = |on: &mut Scripts, token| -> u8 {
            let args = [token, "done", "message", "one", "5000", "two", "9000"];
            on.run(&COMMIT, &["refresh", "v", "v.2"], &args)
        };
        assert_eq!(commit(&mut on, "other"), 0);
        assert_eq!(on.ask::<u8>(&["EXISTS", "v", "v.2"]), 0);
        assert_eq!(commit(&mut on, "token"), 1);
        let values: Vec<String> = on.ask(&["MGET", "v", "v.2"]);
        assert_eq!(values, ["one", "two"]);
        assert!(on.ask::<i64>(&["PTTL", "v"]) <= 5000);
        assert_eq!(commit(&mut on, "token"), 0, "once");
    }

    #[test]
    fn purge_takes_value_and_mutex() {
        let mut on = Scripts::start();
        let _: String = on.ask(&["MSET", "v", "value", "refresh", "token", "other", "stays"]);
        let _: u8 = on.run(&PURGE, &["v", "refresh"], &["done", "message"]);
        assert_eq!(on.ask::<u8>(&["EXISTS", "v", "refresh", "other"]), 1);
    }

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

    #[test]
    fn a_key_is_queued_once_until_it_is_done() {
        let mut on = Scripts::start();
        let enqueue = |on: &mut Scripts| -> u8 {
            let args = ["token", "5000", "10", "key", "payload"];
            on.run(&ENQUEUE, &["pending", "s"], &args)
        };
        assert_eq!((enqueue(&mut on), enqueue(&mut on)), (1, 0));
        let entry = take(&mut on);
        let keys = ["s", "pending"];
        let _: u8 = on.run(&DONE, &keys, &["g", &entry, "other"]);
        assert_eq!(on.ask::<u8>(&["EXISTS", "pending"]), 1, "of another entry");
        let _: u8 = on.run(&DONE, &keys, &["g", &entry, "token"]);
        assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 0);
        assert_eq!(enqueue(&mut on), 1);
    }

    #[test]
    fn what_is_put_off_comes_back_in_time_and_what_is_given_up_does_not() {
        let mut on = Scripts::start();
        let _: String = on.ask(&["XADD", "s", "*", "k", "key"]);
        let entry = take(&mut on);
        let put_off = format!("{}{}\u{1}payload", "k".repeat(16), "t".repeat(24));
        let args = ["g", &entry, "token", "0", "5000", &put_off];
        let retry = |on: &mut Scripts| -> u8 { on.run(&RETRY, &["s", "pending", "later"], &args) };
        assert_eq!((retry(&mut on), retry(&mut on)), (1, 0), "once");
        let promote = |on: &mut Scripts| -> u8 { on.run(&PROMOTE, &["later", "s"], &["10"]) };
        assert_eq!((promote(&mut on), promote(&mut on)), (1, 0));
        let entry = take(&mut on);
        let args = ["g", &entry, "token", "key", "payload"];
        let bury = |on: &mut Scripts| -> u8 { on.run(&BURY, &["s", "pending", "dead"], &args) };
        assert_eq!((bury(&mut on), bury(&mut on)), (1, 0), "once");
        assert_eq!(on.ask::<u8>(&["XLEN", "s"]), 0);
        assert_eq!(on.ask::<u8>(&["XLEN", "dead"]), 1);
    }

    /// The entry that the group has been handed.
    fn take(on: &mut Scripts) -> String {
        let mut group = redis::cmd("XGROUP");
        group.arg(&["CREATE", "s", "g", "0", "MKSTREAM"]);
        // It may be there.
        let _: Result<String, _> = group.query(&mut on.connection);
        let words = ["XREADGROUP", "GROUP", "g", "me", "STREAMS", "s", ">"];
        let reply: redis::streams::StreamReadReply = on.ask(&words);
        reply.keys[0].ids[0].id.clone()
    }
}

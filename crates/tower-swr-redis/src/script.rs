//! The scripts: each step that must not be torn apart. They run on the server one at a time, so what they compare still
//! holds when they write.
//!
//! They never read a body into Lua: of a value they read the few bytes that tell its version.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| Script::new($text));)*
    };
}

/// KEYS stream, pending. ARGV group, entry, worker, deliveries, token. Ends the script with 0 where the worker no longer holds
/// the entry. Takes it out of the stream otherwise, and tells in `is_pending` whether the key counts as pending by it.
macro_rules! let_go {
    () => {
        r"
        local held = redis.pcall('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)[1]
        if type(held) ~= 'table' or held[2] ~= ARGV[3] or held[4] ~= tonumber(ARGV[4]) then
            return 0
        end
        redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
        redis.call('XDEL', KEYS[1], ARGV[2])
        local pending = redis.call('GET', KEYS[2])
        local is_pending = pending and string.sub(pending, 1, #ARGV[5]) == ARGV[5]
    "
    };
}

/// What follows `let_go!` where the key is worked on no more.
macro_rules! no_longer_pending {
    () => {
        r"
        if is_pending then
            redis.call('DEL', KEYS[2])
        end
        return 1
    "
    };
}

scripts! {
    /// KEYS value, mutex, fence. ARGV token, time to live in ms, version seen (or nothing), ms that the fence has to last.
    /// Another version is there: `{2, 0}`. The mutex was free and holds the token now: `{1, 0}`. Otherwise `{0, ms left}`.
    /// What does not run out within an hour is no mutex of ours, and counts as free; so does one that was given before the
    /// last purge, since its holder can no longer write, and one that holds the token, so that whoever has heard no answer may
    /// ask again. The fence outlives the lease, or its end would look like a purge.
    ACQUIRE = r"
        local there = ''
        local head = redis.pcall('GETRANGE', KEYS[1], 0, 15)
        if type(head) == 'string' and #head == 16 and string.sub(head, 1, 2) == 'HC' then
            there = string.sub(head, 9, 16)
        end
        if there ~= '' and there ~= ARGV[3] then
            return {2, 0}
        end
        local fence = redis.call('GET', KEYS[3]) or ''
        if fence ~= '' and redis.call('PTTL', KEYS[3]) < tonumber(ARGV[4]) then
            redis.call('PEXPIRE', KEYS[3], ARGV[4])
        end
        local token = ARGV[1] .. fence
        if redis.call('SET', KEYS[2], token, 'NX', 'PX', ARGV[2]) then
            return {1, 0}
        end
        local left = redis.call('PTTL', KEYS[2])
        local holder = redis.pcall('GET', KEYS[2])
        local is_ours = type(holder) == 'string' and left >= 0 and left <= 3600000
        if not is_ours or holder == token or string.sub(holder, #ARGV[1] + 1) ~= fence then
            redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
            return {1, 0}
        end
        return {0, left}
    ";

    /// KEYS mutex, fence. ARGV token, ms. The mutex holds the token, and there was no purge: it lasts that long from now,
    /// and 1. Otherwise 0.
    RENEW = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] .. (redis.call('GET', KEYS[2]) or '') then
            return 0
        end
        return redis.call('PEXPIRE', KEYS[1], ARGV[2])
    ";

    /// KEYS mutex, fence, values. ARGV token, channel, message, then a blob and its ms for every value.
    /// The mutex holds the token, and there was no purge: all is written, the mutex is free, those who wait are told, and 1.
    /// Otherwise 0.
    COMMIT = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] .. (redis.call('GET', KEYS[2]) or '') then
            return 0
        end
        for at = 3, #KEYS do
            redis.call('SET', KEYS[at], ARGV[2 * at - 2], 'PX', ARGV[2 * at - 1])
        end
        redis.call('DEL', KEYS[1])
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
    ";

    /// KEYS mutex, fence. ARGV token, channel, message. The mutex holds the token: it is free, those who wait are told, and
    /// 1. Otherwise 0.
    RELEASE = r"
        if redis.call('GET', KEYS[1]) ~= ARGV[1] .. (redis.call('GET', KEYS[2]) or '') then
            return 0
        end
        redis.call('DEL', KEYS[1])
        redis.call('PUBLISH', ARGV[2], ARGV[3])
        return 1
    ";

    /// KEYS value, mutex, fence. ARGV ms. The first two are gone and the fence is another, which ends all leases of the key and
    /// of its variants. What is unlike every fence before is the time.
    PURGE = r"
        redis.call('DEL', KEYS[1], KEYS[2])
        local now = redis.call('TIME')
        redis.call('SET', KEYS[3], now[1] .. '.' .. now[2], 'PX', ARGV[1])
        return 1
    ";

    /// KEYS stamp. ARGV major, minor, ms. The stamp holds the later of what it held and what is given, and lasts the longer
    /// of what it had left and what is given: whoever keeps values for less must not forget for those who keep them longer.
    /// What is no stamp gives way.
    STAMP = r"
        local there = redis.pcall('GET', KEYS[1])
        local major, minor = string.match(type(there) == 'string' and there or '0-0', '^(%d+)-(%d+)$')
        major, minor = tonumber(major) or 0, tonumber(minor) or 0
        local new_major, new_minor = tonumber(ARGV[1]), tonumber(ARGV[2])
        local keep = math.max(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3]))
        if new_major > major or (new_major == major and new_minor > minor) then
            redis.call('SET', KEYS[1], ARGV[1] .. '-' .. ARGV[2], 'PX', keep)
        else
            redis.call('PEXPIRE', KEYS[1], keep)
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

    /// KEYS pending, stream, attendance. ARGV token, ms, most entries, key, payload. Nobody is at work: 2. A refresh of the key
    /// is pending: 0. Otherwise it is queued, and 1. What says so names the entry, so that one that was trimmed holds nothing
    /// up, and is written last, so that nothing is pending where the stream takes no entry. One that was put off has no entry,
    /// and counts.
    ENQUEUE = r"
        if redis.call('EXISTS', KEYS[3]) == 0 then
            return 2
        end
        local held = redis.pcall('GET', KEYS[1])
        if type(held) == 'string' then
            local entry = string.sub(held, #ARGV[1] + 1)
            if entry == '' or #redis.pcall('XRANGE', KEYS[2], entry, entry) == 1 then
                return 0
            end
        end
        local entry = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*',
            'k', ARGV[4], 't', ARGV[1], 'a', '0', 'p', ARGV[5])
        redis.call('SET', KEYS[1], ARGV[1] .. entry, 'PX', ARGV[2])
        return 1
    ";

    /// KEYS stream, pending. ARGV group, entry, worker, deliveries, token. The entry is gone, and so is what says that it is
    /// pending, if it says that of this entry; and 1. Whoever no longer holds the entry changes nothing, and 0: it is
    /// another's now, or was handed to the same worker again.
    DONE = concat!(let_go!(), no_longer_pending!());

    /// KEYS stream, pending. ARGV as of `DONE`, channel, message. The same, and those who wait are told.
    DECLINE = concat!(let_go!(), r"
        redis.call('PUBLISH', ARGV[6], ARGV[7])
    ", no_longer_pending!());

    /// KEYS stream, pending, set of those put off. ARGV as of `DONE`, ms to wait, ms to be pending, what to put off.
    /// Whoever still holds the entry puts it off; who does not changes nothing, and 0.
    RETRY = concat!(let_go!(), r"
        local now = redis.call('TIME')
        redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000) + ARGV[6], ARGV[8])
        if is_pending then
            redis.call('SET', KEYS[2], ARGV[5], 'PX', ARGV[7])
        end
        return 1
    ");

    /// KEYS stream, pending, dead letters. ARGV as of `DONE`, key, payload. The entry is among the dead, a thousand of which
    /// are kept; 0 where somebody else holds it.
    BURY = concat!(let_go!(), r"
        redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'k', ARGV[6], 'p', ARGV[7])
    ", no_longer_pending!());

    /// KEYS stream. ARGV group, ms. Workers that have not asked for so long and hold no entry are no longer of the group; how
    /// many. One that was only stopped is of the group again as soon as it asks. Where there is no group there are none.
    FORGET = r"
        local forgotten = 0
        for _, about in ipairs(redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
            local worker = {}
            for at = 1, #about, 2 do
                worker[about[at]] = about[at + 1]
            end
            if worker.pending == 0 and worker.idle >= tonumber(ARGV[2]) then
                redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], worker.name)
                forgotten = forgotten + 1
            end
        end
        return forgotten
    ";

    /// KEYS set of those put off, stream. ARGV most entries. Up to a hundred whose time has come are back in line; how many.
    /// What is put off is the key in 16 bytes, the token in 24, the attempts in one, and the payload. What is shorter is none
    /// of ours. Each is taken out first, or one that cannot be put back in line would come up again for ever.
    PROMOTE = r"
        local now = redis.call('TIME')
        local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now[1] * 1000 + math.floor(now[2] / 1000), 'LIMIT', 0, 100)
        for _, job in ipairs(due) do
            redis.call('ZREM', KEYS[1], job)
            if #job > 40 then
                redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'k', string.sub(job, 1, 16),
                    't', string.sub(job, 17, 40), 'a', string.byte(job, 41), 'p', string.sub(job, 42))
            end
        end
        return #due
    ";
}

#[cfg(test)]
#[path = "../tests/redis/support/server.rs"]
mod server;

#[cfg(test)]
mod tests;

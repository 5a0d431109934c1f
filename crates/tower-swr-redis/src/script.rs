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
        return {0, redis.call('PTTL', KEYS[2])}
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

    /// KEYS stream. ARGV position, count. `{last position ever, nothing was ever trimmed, position is still there,
    /// entries after it}`.
    HISTORY = r"
        if redis.call('EXISTS', KEYS[1]) == 0 then
            return {'0-0', 1, 0, {}}
        end
        local about = redis.call('XINFO', 'STREAM', KEYS[1])
        local facts = {}
        for at = 1, #about, 2 do
            facts[about[at]] = about[at + 1]
        end
        local whole = facts['entries-added'] == facts['length'] and 1 or 0
        local there = #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
        local after = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
        return {facts['last-generated-id'], whole, there, after}
    ";
}

//! A shard whose functions are reported the time by a test, so that hours pass in a moment and every run can be had again.

use super::RedisShard;

impl RedisShard {
    /// From now on the fields `s` and `us` of the key `clock` are the time, instead of the server's.
    pub(crate) fn simulate_clock(&mut self) {
        self.library.replace("call('TIME')", "call('HMGET', 'clock', 's', 'us')");
        self.time = ::redis::cmd("HMGET");
        self.time.arg("clock").arg("s").arg("us");
    }

    /// From now on a function makes this mistake.
    pub(crate) fn break_function(&mut self, there: &str, mistaken: &str) {
        self.library.replace(there, mistaken);
    }

    /// From now on each call of a function fails at its n-th reading command, by the key `fail`, and at any that comes after a writing one.
    pub(crate) fn fail_commands(&mut self) {
        self.library.replace("= redis.call, struct.pack", "= counted, struct.pack");
        self.library.replace(
            "local call, pack, unpack_",
            "local commands, wrote = 0, false\n\
             local function counted(command, ...)\n\
               local writes = string.find('HSET HDEL LPOP LPUSH RPUSH ZADD ZREM DEL', command, 1, true)\n\
               if command == 'TIME' then commands, wrote = 0, false end\n\
               if writes then wrote = true return redis.call(command, ...) end\n\
               commands = commands + 1\n\
               if wrote then error('it reads after it wrote: ' .. command) end\n\
               if commands == tonumber(redis.call('GET', 'fail') or '') then error('as asked: ' .. command) end\n\
               return redis.call(command, ...)\n\
             end\n\
             local call, pack, unpack_",
        );
    }
}

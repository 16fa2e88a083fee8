//! A shard whose functions are told the time by a test, so that hours pass in a moment and every run can be had again.

use super::RedisShard;

impl RedisShard {
    /// From now on the fields `s` and `us` of the key `clock` are the time, instead of the server's.
    pub(crate) fn simulate_clock(&mut self) {
        self.library.replace("call('TIME')", "call('HMGET', 'clock', 's', 'us')");
    }
}

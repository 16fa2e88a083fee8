//! One Lua script, called by its hash and loaded where the server does not know it.

use redis::aio::ConnectionManager;
use redis::{Cmd, FromRedisValue};

use super::is_missing_script;
use crate::queue::QueueError;

/// Reads the limits and holds what all scripts share.
const PRELUDE: &str = include_str!("shard.lua");

pub(super) struct Script {
    code: String,
    hash: String,
}

impl Script {
    pub(super) fn new(body: &str) -> Self {
        let code = format!("{PRELUDE}\n{body}");
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self { code, hash }
    }

    #[cfg(test)]
    pub(super) fn replace(&mut self, from: &str, to: &str) {
        let code = self.code.replace(from, to);
        assert_ne!(code, self.code, "the script has no {from}");
        *self = Self { hash: redis::Script::new(&code).get_hash().to_owned(), code };
    }

    /// A call over the shard with this key prefix, to be given further arguments.
    pub(super) fn call(&self, prefix: &str, limits: &[u8]) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(1).arg(prefix).arg(limits);
        call
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut ConnectionManager,
        call: &Cmd,
    ) -> Result<T, QueueError> {
        match call.query_async(connection).await {
            Err(error) if is_missing_script(&error) => {
                redis::cmd("SCRIPT").arg("LOAD").arg(&self.code).query_async::<()>(connection).await?;
                Ok(call.query_async(connection).await?)
            }
            reply => Ok(reply?),
        }
    }
}

//! One Lua script, called by its hash and loaded where the server does not know it.

use redis::FromRedisValue;
use redis::aio::ConnectionManager;

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

    /// Runs it over the shard with this key prefix.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        connection: &mut ConnectionManager,
        prefix: &str,
        limits: Vec<u8>,
        arguments: Vec<Vec<u8>>,
    ) -> Result<T, QueueError> {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(1).arg(prefix).arg(limits).arg(arguments);
        match call.query_async(connection).await {
            Err(error) if is_missing_script(&error) => {
                redis::cmd("SCRIPT").arg("LOAD").arg(&self.code).query_async::<()>(connection).await?;
                Ok(call.query_async(connection).await?)
            }
            reply => Ok(reply?),
        }
    }
}

//! Whether a server can keep a queue: looked at before the first call, since one that evicts keys or refuses a command in the midst of a function
//! would break the laws silently.

use redis::aio::ConnectionLike;
use redis::{ErrorKind, ServerErrorKind, cmd};

use super::library::Library;
use crate::queue::QueueError;

const NO_PERMISSION: ErrorKind = ErrorKind::Server(ServerErrorKind::NoPerm);

/// Refuses a server that drops keys, and a user that lacks a command.
pub(super) async fn check(
    connection: &mut (impl ConnectionLike + Send),
    library: &Library,
    prefix: &str,
) -> Result<(), QueueError> {
    let memory: String = cmd("INFO").arg("memory").query_async(connection).await?;
    let policy = memory.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::trim);
    // Some hosted servers do not report.
    if let Some(policy) = policy.filter(|policy| *policy != "noeviction") {
        return Err(QueueError::Unfit(format!(
            "Redis has `maxmemory-policy {policy}` and would drop jobs and the counts of calls when its memory is full: set it to `noeviction`"
        )));
    }
    let missing: Vec<String> = match library.run(connection, &library.bare_call("able", prefix)).await {
        // The function is reported the prefix as a key.
        Err(QueueError::Redis(error)) if error.kind() == NO_PERMISSION && error.to_string().contains("keys") => {
            return Err(QueueError::Unfit(format!(
                "the Redis user may not use the keys `{prefix}*`: allow them with `ACL SETUSER`"
            )));
        }
        missing => missing?,
    };
    if !missing.is_empty() {
        return Err(QueueError::Unfit(format!(
            "the Redis user lacks {} on the keys `{prefix}*`: allow them with `ACL SETUSER`",
            missing.join(", ")
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_command_of_the_functions_is_looked_at() {
        let able = include_str!("able.lua");
        let files = [
            include_str!("alone.lua"),
            include_str!("claim.lua"),
            include_str!("due.lua"),
            include_str!("heartbeat.lua"),
            include_str!("kinds.lua"),
            include_str!("lane.lua"),
            include_str!("meet.lua"),
            include_str!("push.lua"),
            include_str!("settle.lua"),
            include_str!("shard.lua"),
            include_str!("steer.lua"),
            include_str!("step.lua"),
        ];
        let mut seen = 0;
        for call in
            files.iter().flat_map(|file| file.split("call('").skip(1)).filter_map(|rest| rest.split('\'').next())
        {
            // Asked of a user that may; another does without.
            if call == "CLUSTER" {
                continue;
            }
            assert!(able.contains(&format!("{{'{}'", call.to_lowercase())), "{call} is not in able.lua");
            seen += 1;
        }
        // These take their commands as texts.
        for by in ["variadic('", "may('"] {
            for call in files.iter().flat_map(|file| file.split(by).skip(1)).filter_map(|rest| rest.split('\'').next())
            {
                assert!(able.contains(&format!("{{'{}'", call.to_lowercase())), "{call} is not in able.lua");
                seen += 1;
            }
        }
        assert!(seen > 40, "{seen}");
    }
}

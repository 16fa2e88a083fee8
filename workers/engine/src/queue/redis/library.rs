//! The functions that the server runs: a library of Redis Functions, loaded where the server does not know it.
//!
//! Its name reports its content, so processes of different versions use one server side by side.

use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, RedisError};

use crate::queue::QueueError;

/// What functions share: the state, and what is done to it.
const SHARED: [&str; 5] = [
    include_str!("shard.lua"),
    include_str!("lane.lua"),
    include_str!("settle.lua"),
    include_str!("due.lua"),
    include_str!("claim.lua"),
];
const FUNCTIONS: [(&str, &str, WhenFull); 7] = [
    ("push", include_str!("push.lua"), WhenFull::Refused),
    ("step", include_str!("step.lua"), WhenFull::Runs),
    ("heartbeat", include_str!("heartbeat.lua"), WhenFull::Runs),
    ("meet", include_str!("meet.lua"), WhenFull::Runs),
    ("steer", include_str!("steer.lua"), WhenFull::Runs),
    ("kinds", include_str!("kinds.lua"), WhenFull::Runs),
    ("alone", include_str!("alone.lua"), WhenFull::Runs),
];

/// Comes last, where it is traced what the functions do.
const TRACE: &str = include_str!("trace.lua");

/// Works on no shard's state.
const ABLE: &str = include_str!("able.lua");

/// What becomes of a function where the server's `maxmemory` is used up: it runs as a whole or not at all.
enum WhenFull {
    /// It would take more.
    Refused,
    /// It frees more than it takes.
    Runs,
}

pub(super) struct Library {
    name: String,
    code: String,
}

impl Library {
    pub(super) fn new() -> Self {
        // While a library is loaded it may define functions and nothing else, so the shared part waits for the first call.
        let files = FUNCTIONS.map(|(_, code, _)| format!("do\n{code}end\n")).concat();
        let shared = SHARED.join("\n");
        Self::named(format!(
            "local function able(keys)\n{ABLE}end\nlocal function build()\n{shared}\n{files}\nreturn begin, functions\nend\n"
        ))
    }

    fn named(code: String) -> Self {
        let name = format!("job_engine_{}", redis::Script::new(&code).get_hash());
        Self { name, code }
    }

    /// The same functions, each of which leaves a line.
    pub(super) fn traced(&self) -> Self {
        const END: &str = "\nreturn begin, functions\nend\n";
        Self::named(self.code.replace(END, &format!("\n{TRACE}{END}")))
    }

    #[cfg(test)]
    pub(super) fn replace(&mut self, from: &str, to: &str) {
        let code = self.code.replace(from, to);
        assert_ne!(code, self.code, "the library has no {from}");
        *self = Self::named(code);
    }

    /// A call of a function over the shard with this key prefix, to be given further arguments.
    pub(super) fn call(&self, function: &str, prefix: &str, limits: &[u8]) -> Cmd {
        let mut call = redis::cmd("FCALL");
        call.arg(format!("{}_{function}", self.name)).arg(1).arg(prefix).arg(limits);
        call
    }

    /// A call of a function that knows no shard: it is reported a key prefix alone.
    pub(super) fn bare_call(&self, function: &str, prefix: &str) -> Cmd {
        let mut call = redis::cmd("FCALL");
        call.arg(format!("{}_{function}", self.name)).arg(1).arg(prefix);
        call
    }

    pub(super) async fn run<T: FromRedisValue>(
        &self,
        connection: &mut (impl ConnectionLike + Send),
        call: &Cmd,
    ) -> Result<T, QueueError> {
        match call.query_async(connection).await {
            Err(error) if says(&error, "Function not found") => {
                self.load(connection).await?;
                Ok(call.query_async(connection).await?)
            }
            reply => Ok(reply?),
        }
    }

    async fn load(&self, connection: &mut (impl ConnectionLike + Send)) -> Result<(), QueueError> {
        let Self { name, code } = self;
        let functions = FUNCTIONS.map(|(function, _, when_full)| {
            let flags = match when_full {
                WhenFull::Refused => "",
                WhenFull::Runs => "'allow-oom'",
            };
            format!(
                "redis.register_function{{function_name = '{name}_{function}', flags = {{{flags}}}, callback = function(keys, argv)
                  if not begin then begin, functions = build() end
                  begin(keys, argv)
                  return functions.{function}(argv)
                end}}\n"
            )
        });
        // It begins nothing.
        let able = format!(
            "redis.register_function{{function_name = '{name}_able', callback = able, flags = {{'no-writes', 'allow-oom'}}}}\n"
        );
        let code = format!("#!lua name={name}\n{code}\nlocal begin, functions\n{}{able}", functions.concat());
        match redis::cmd("FUNCTION").arg("LOAD").arg(code).query_async::<()>(connection).await {
            // Another process was faster.
            Err(error) if says(&error, "already exists") => Ok(()),
            loaded => Ok(loaded?),
        }
    }
}

fn says(error: &RedisError, text: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::redis::LAYOUT;

    /// Whoever changes how keys and values are laid out gives the layout another number, so that no version reads what another one wrote.
    #[test]
    fn a_layout_that_changes_gets_another_number() {
        let functions = FUNCTIONS.map(|(_, code, _)| code);
        let is_layout =
            |line: &&str| line.contains("'>") || line.starts_with("--   <p>") || line.starts_with("--        ");
        let lines = SHARED.iter().chain(&functions).flat_map(|file| file.lines()).filter(is_layout);
        let hash = redis::Script::new(&lines.collect::<Vec<_>>().join("\n")).get_hash().to_owned();
        assert_eq!(
            (LAYOUT, &hash[..]),
            ("6", "694bcc33364894159c7bd10f62f094ff1566b0e8"),
            "raise LAYOUT, and note the hash beside it"
        );
    }
}

//! `[scripts]`: what a script of a flow may take. The ceilings are what a process can bear while many run.

use sync_workers::scripts::Limits;

use super::parse::{milliseconds, number};
use super::source::Sources;

pub(super) fn read(from: &mut Sources) -> Limits {
    Limits {
        operations: from.setting("scripts.operations", "CLIENTY_SCRIPTS_OPERATIONS").required(number(1_000, 2_000_000)),
        time: from.setting("scripts.time_ms", "CLIENTY_SCRIPTS_TIME_MS").required(milliseconds(1, 1_000)),
        memory_mib: from.setting("scripts.memory_mib", "CLIENTY_SCRIPTS_MEMORY_MIB").required(number(16, 256)),
    }
}

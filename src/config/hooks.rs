//! `[hooks]` and `[outside]`: hooks, and which addresses outside may be called.

use outbound::outside::Net;

use super::parse::{net, number, on_or_off};
use super::source::Sources;

/// `[hooks]`
#[derive(Debug, Clone)]
pub struct Hooks {
    /// Messages that one worker process sends at the same time.
    pub concurrency: usize,
    /// Whether their addresses may begin with `http://`.
    pub allow_http: bool,
}

/// `[outside]`
#[derive(Debug, Clone)]
pub struct Outside {
    /// Networks that may be called though they are not public.
    pub allow_nets: Vec<Net>,
}

pub(super) fn hooks(from: &mut Sources) -> Hooks {
    Hooks {
        concurrency: from.setting("hooks.concurrency", "CLIENTY_HOOKS_CONCURRENCY").required(number(1, 10_000)),
        allow_http: from.setting("hooks.allow_http", "CLIENTY_HOOKS_ALLOW_HTTP").required(on_or_off),
    }
}

pub(super) fn outside(from: &mut Sources) -> Outside {
    Outside { allow_nets: from.setting("outside.allow_nets", "CLIENTY_OUTSIDE_ALLOW_NETS").list(net) }
}

//! `[gateway]`: where requests come in, how many, how slowly, and from whom.

use std::net::SocketAddr;
use std::time::Duration;

use super::parse::{address, installs, mebibytes, milliseconds, number, ui};
use super::source::{Setting, Sources};

/// `[gateway]`
#[derive(Debug, Clone)]
pub struct Gateway {
    pub listen: SocketAddr,
    pub max_connections: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    pub idle_timeout: Duration,
    pub request_timeout: Duration,
    /// In bytes.
    pub body_memory: usize,
    /// Events, and other requests, a second.
    pub key_rate: u32,
    pub key_burst: u32,
    pub installs: Installs,
    pub ui: Ui,
}

/// What the console under `/ui` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ui {
    /// It shows, and does what an operator informs it.
    On,
    /// It is not there.
    Off,
    /// It shows, and does nothing, whatever a key may do.
    ReadOnly,
}

/// Who may begin an install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installs {
    /// Customers with a link that `connect` printed.
    Invited,
    /// Anybody.
    Open,
}

pub(super) fn read(from: &mut Sources) -> Gateway {
    Gateway {
        listen: setting(from, "listen", "CLIENTY_LISTEN").required(address),
        max_connections: setting(from, "max_connections", "CLIENTY_MAX_CONNECTIONS").required(number(1, 100_000)),
        header_timeout: setting(from, "header_timeout_ms", "CLIENTY_HEADER_TIMEOUT_MS")
            .required(milliseconds(100, 600_000)),
        body_timeout: setting(from, "body_timeout_ms", "CLIENTY_BODY_TIMEOUT_MS").required(milliseconds(100, 600_000)),
        idle_timeout: setting(from, "idle_timeout_ms", "CLIENTY_IDLE_TIMEOUT_MS")
            .required(milliseconds(100, 3_600_000)),
        request_timeout: setting(from, "request_timeout_ms", "CLIENTY_REQUEST_TIMEOUT_MS")
            .required(milliseconds(1_000, 3_600_000)),
        body_memory: setting(from, "body_memory_mib", "CLIENTY_BODY_MEMORY_MIB").required(mebibytes(4, 16_384)),
        key_rate: setting(from, "key_rate", "CLIENTY_KEY_RATE").required(number(1, 1_000_000)),
        key_burst: setting(from, "key_burst", "CLIENTY_KEY_BURST").required(number(1, 10_000_000)),
        installs: setting(from, "installs", "CLIENTY_INSTALLS").required(installs),
        ui: setting(from, "ui", "CLIENTY_UI").required(ui),
    }
}

fn setting<'a>(from: &'a mut Sources, key: &str, variable: &str) -> Setting<'a> {
    from.setting(&format!("gateway.{key}"), variable)
}

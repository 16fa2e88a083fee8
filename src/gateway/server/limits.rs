//! How many connections there may be, and how long each may take for what.

use std::time::Duration;

use crate::config;

/// File descriptors that are not for connections: the database, Redis, calls of GHL, files.
const OTHERS: usize = 256;
/// What a process may open if the system does not say.
const USUAL: usize = 1024;

/// The limits of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections at once.
    pub connections: usize,
    /// From the connection, or the first byte of a request, to the end of its head.
    pub head: Duration,
    /// From an answer to the next request.
    pub idle: Duration,
    /// From the head of a request to the end of its answer.
    pub request: Duration,
}

impl ServerLimits {
    /// Those of the settings; fewer connections if the process may not open as many files.
    #[must_use]
    pub fn of(settings: &config::Gateway) -> Self {
        let config::Gateway { max_connections, header_timeout, idle_timeout, request_timeout, .. } = settings;
        let connections = fitting(*max_connections, open_files());
        Self { connections, head: *header_timeout, idle: *idle_timeout, request: *request_timeout }
    }

    /// For a server that only monitoring asks.
    #[must_use]
    pub fn for_monitoring(self) -> Self {
        Self { connections: self.connections.min(64), ..self }
    }
}

/// How many connections leave enough files for everything else.
fn fitting(wanted: usize, files: usize) -> usize {
    let others = OTHERS.min(files / 2);
    wanted.min(files - others).max(1)
}

/// How many files this process may have open. Linux shows it without a system call of our own.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    match soft {
        Some("unlimited") => usize::MAX,
        soft => soft.and_then(|files| files.parse().ok()).unwrap_or(USUAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        assert_eq!(fitting(1000, 1_048_576), 1000);
        assert_eq!(fitting(1000, 1024), 768);
        assert_eq!(fitting(1000, 256), 128);
        assert_eq!(fitting(5, 1024), 5);
        assert_eq!(fitting(5, 0), 1);
    }

    #[test]
    fn the_system_says_how_many_files_may_be_open() {
        assert!(open_files() > 64);
    }
}

//! Standard error that a progress bar and the log share: a log line removes the bar, and the bar is
//! drawn again below it.

use std::io::{self, Stderr, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Back to the beginning of the line, which is emptied.
const CLEAR: &str = "\r\x1b[2K";

static SCREEN: LazyLock<Mutex<Terminal<Stderr>>> =
    LazyLock::new(|| Mutex::new(Terminal { bar: String::new(), out: io::stderr() }));

/// The one of standard error.
pub(crate) fn terminal() -> MutexGuard<'static, Terminal<Stderr>> {
    SCREEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place to print, and the bar that stands in its last line; empty for none.
pub(crate) struct Terminal<W> {
    bar: String,
    out: W,
}

impl<W: Write> Terminal<W> {
    /// Shows a bar in place of the one before. That it can't be shown is no reason to stop, so errors are passed over here.
    pub(crate) fn show(&mut self, line: &str) {
        // What is longer than the terminal is wide is cut, not wrapped: a wrapped bar can't be taken back. The last column would show the end of
        // what was cut.
        self.bar = format!("{CLEAR}\x1b[?7l{line}\x1b[K\x1b[?7h");
        let _ = self.out.write_all(self.bar.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Takes the bar away, for good.
    pub(crate) fn clear(&mut self) {
        if !std::mem::take(&mut self.bar).is_empty() {
            let _ = self.out.write_all(CLEAR.as_bytes()).and_then(|()| self.out.flush());
        }
    }

    fn print(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bar.is_empty() {
            return self.out.write_all(lines);
        }
        self.out.write_all(&[CLEAR.as_bytes(), lines, self.bar.as_bytes()].concat())
    }
}

/// Where the log is written: whole lines, as the subscriber hands each event over at once.
pub(super) struct Lines;

impl Write for Lines {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        terminal().print(lines).map(|()| lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        terminal().out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in the lines of a terminal that was sent this.
    fn shown(sent: &[u8]) -> Vec<String> {
        let sent = String::from_utf8_lossy(sent).replace("\x1b[?7l", "").replace("\x1b[?7h", "").replace("\x1b[K", "");
        sent.split('\n').map(|line| line.rsplit(CLEAR).next().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn a_line_stands_above_the_bar_and_none_within_it() {
        let mut terminal = Terminal { bar: String::new(), out: Vec::new() };
        terminal.print(b"before\n").unwrap();
        terminal.show("[#---] 25 %");
        terminal.print(b"WARN a call failed\n").unwrap();
        assert_eq!(shown(&terminal.out), ["before", "WARN a call failed", "[#---] 25 %"]);
        terminal.show("[##--] 50 %");
        assert_eq!(shown(&terminal.out), ["before", "WARN a call failed", "[##--] 50 %"]);
        terminal.clear();
        terminal.print(b"done\n").unwrap();
        assert_eq!(shown(&terminal.out), ["before", "WARN a call failed", "done", ""]);
    }
}

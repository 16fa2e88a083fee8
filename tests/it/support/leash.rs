//! Ends a process with the test that started it, however that test ends.
//!
//! `Drop` is not enough: a test run that is killed drops nothing and would leave servers behind. Linux' parent death
//! signal is no help, since it follows the *thread* that started the child, and each test has its own. So a small shell
//! watches a pipe whose other end this process holds; when the pipe closes, the shell sends the signal.

use std::process::{Child, Command, ExitStatus, Stdio};

/// A child process that does not outlive this one.
#[derive(Debug)]
pub(crate) struct Leashed {
    child: Child,
    watcher: Child,
    signal: &'static str,
}

impl Leashed {
    /// Starts `command`. `signal` is how it ends: `KILL`, or what lets it clean up after itself.
    pub(crate) fn start(mut command: Command, signal: &'static str) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let watcher = Command::new("sh")
            .args(["-c", "read -r _; kill -s \"$1\" \"$2\"", "watcher", signal, &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh is there");
        Self { child, watcher, signal }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdin(&mut self) -> Option<&mut std::process::ChildStdin> {
        self.child.stdin.as_mut()
    }

    pub(crate) fn stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    pub(crate) fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// Sends a signal, by its name without `SIG`. The process must not have been waited for.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().expect("kill is there");
        assert!(status.success(), "kill -s {name} {} failed", self.id());
    }

    pub(crate) fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has ended by itself or by a signal sent before.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Ends it with `signal` and waits until it is gone.
    pub(crate) fn end(&mut self, signal: &str) {
        // A process id may be given to another process once its own has been waited for: ask before each shot.
        if self.has_ended().is_none() {
            self.signal(signal);
            self.wait();
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        // The watcher first: it must not shoot at an id that is free again.
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        self.end(self.signal);
    }
}

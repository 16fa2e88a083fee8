//! A program under test: its settings, its output, its signals.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::leash::Leashed;
use super::wait_until;

/// `clienty-sync` with the arguments and only the given settings: nothing of the tester's own environment leaks in.
pub(crate) fn clienty_sync(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    with_settings(this_program(), arguments, settings)
}

/// Where the program under test is.
pub(crate) fn this_program() -> &'static str {
    env!("CARGO_BIN_EXE_clienty-sync")
}

/// [`clienty_sync`] as it was built elsewhere.
pub(crate) fn with_settings(program: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(settings.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs a command to its end. One that does not end fails the test, instead of holding up all others for good.
pub(crate) fn run(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let what = format!("{command:?} has ended");
    let mut process = Leashed::start(command, "KILL");
    let stdout = drained(process.stdout().expect("it is piped"));
    let stderr = drained(process.stderr().expect("it is piped"));
    let mut status = None;
    for _ in 0..LONG {
        status = process.has_ended();
        if status.is_some() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    let Some(status) = status else {
        process.end("KILL");
        panic!("asked {LONG} times in vain whether {what}\n{}", String::from_utf8_lossy(&stderr.join().unwrap()));
    };
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

/// How often is asked whether a command has ended: ten minutes on an idle machine, as imports take their time.
const LONG: u32 = 60_000;

fn drained(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

/// A running program; killed with the value.
#[derive(Debug)]
pub(crate) struct Program {
    process: Leashed,
    lines: Arc<Mutex<Vec<String>>>,
    readers: [JoinHandle<()>; 2],
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Leashed::start(command, "KILL");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = [
            collect(process.stdout().expect("it is piped"), &lines),
            collect(process.stderr().expect("it is piped"), &lines),
        ];
        Self { process, lines, readers }
    }

    /// All that it has printed so far, results and logs.
    pub(crate) fn output(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Waits for a line with `part` in it, and returns the line.
    pub(crate) fn wait_for_line(&mut self, part: &str) -> String {
        let (mut found, id) = (None, self.id());
        let (process, lines, readers) = (&mut self.process, &self.lines, &self.readers);
        let output = || lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        wait_until(
            &format!("process {id} prints {part:?}"),
            || {
                // Asked before looking, so that nothing can be added between the look and the outcome.
                let is_over = process.has_ended().is_some() && readers.iter().all(JoinHandle::is_finished);
                found = output().lines().find(|line| line.contains(part)).map(str::to_owned);
                assert!(found.is_some() || !is_over, "it ended without {part:?}:\n{}", output());
                found.is_some()
            },
            output,
        );
        found.expect("wait_until has seen it")
    }

    /// Waits until `GET /readyz` at the address answers 200.
    pub(crate) fn wait_ready(&mut self, address: SocketAddr) {
        let (process, lines) = (&mut self.process, &self.lines);
        let output = || lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
        wait_until(
            "/readyz answers 200",
            || {
                let ended = process.has_ended();
                assert!(ended.is_none(), "it ended ({ended:?}) before it was ready:\n{}", output());
                status_of(address, "/readyz") == Some(200)
            },
            output,
        );
    }

    /// Of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.process.end("KILL");
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.has_ended().is_none()
    }

    /// Holds it still (SIGSTOP), as a paused machine does: its connections stay open, its leases run out.
    pub(crate) fn suspend(&self) {
        self.process.signal("STOP");
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }
}

fn collect(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    })
}

/// The status of a bare GET, or `None` where nobody answers.
fn status_of(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut head = String::new();
    BufReader::new(stream).read_line(&mut head).ok()?;
    head.split(' ').nth(1)?.parse().ok()
}

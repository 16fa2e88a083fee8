//! Runs scripts for the workers of a process: each in a child, and no more at once than there are processors.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::child::{Asked, WORD};
use super::{ANSWER, Failure, Limits, PRINTED, Ran, Source};

/// What a child is given on the wall beside its own time. It says more of the machine than of the script.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a child's answer: JSON may take six for one.
const ANSWERED: u64 = 8 * (ANSWER + PRINTED) as u64;
/// Bytes of what a child that ends says of it.
const LAST_WORDS: u64 = 4096;

/// Runs scripts.
#[derive(Debug, Clone)]
pub struct Scripts {
    program: Arc<OsString>,
    limits: Limits,
    at_once: Arc<Semaphore>,
}

/// A script did not run, which is no fault of the script.
#[derive(Debug, thiserror::Error)]
pub enum NotRun {
    /// No child could be started, or talked to.
    #[error("the process of the script can't be started: {0}")]
    NoChild(#[from] std::io::Error),
    /// The machine had no time for it.
    #[error("the process of the script has not ended after {PATIENCE:?}")]
    TooBusy,
    /// It ended without a word.
    #[error("the process of the script ended without an answer ({0})")]
    Silent(ExitStatus),
}

impl Scripts {
    /// Runs them by this program, which has to be clienty-sync.
    #[must_use]
    pub fn new(program: impl Into<OsString>, limits: Limits) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { program: Arc::new(program.into()), limits, at_once: Arc::new(Semaphore::new(processors)) }
    }

    /// What each run may take.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Runs a script.
    ///
    /// # Errors
    /// [`NotRun`].
    pub async fn run(&self, source: &Source, input: Map<String, Value>) -> Result<Ran, NotRun> {
        // It is never closed.
        let _turn = self.at_once.acquire().await;
        let asked = Asked { text: source.text.clone(), input, limits: self.limits };
        let asked = serde_json::to_vec(&asked).unwrap_or_default();
        let mut child = Command::new(&*self.program)
            .arg(WORD)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talk = async {
            let say = async {
                if let Some(mut stdin) = stdin {
                    // One that ends before it has read all shows why by its end.
                    let _ = stdin.write_all(&asked).await;
                }
            };
            let (mut answer, mut last_words) = (Vec::new(), Vec::new());
            let receive = async {
                if let Some(stdout) = stdout {
                    let _ = stdout.take(ANSWERED).read_to_end(&mut answer).await;
                }
            };
            let overhear = async {
                if let Some(stderr) = stderr {
                    let _ = stderr.take(LAST_WORDS).read_to_end(&mut last_words).await;
                }
            };
            tokio::join!(say, receive, overhear);
            let status = child.wait().await?;
            Ok::<_, std::io::Error>((status, answer, String::from_utf8_lossy(&last_words).into_owned()))
        };
        let (status, answer, last_words) = match timeout(PATIENCE + self.limits.time, talk).await {
            Ok(ended) => ended?,
            Err(_) => return Err(NotRun::TooBusy),
        };
        match serde_json::from_slice(&answer) {
            Ok(ran) if status.success() => Ok(ran),
            _ => match self.killed(status, &last_words) {
                Some(failure) => Ok(Ran { answer: Err(failure), printed: String::new(), peak_kib: None }),
                None => Err(NotRun::Silent(status)),
            },
        }
    }

    /// By which limit of the system it ended.
    fn killed(&self, status: ExitStatus, last_words: &str) -> Option<Failure> {
        use std::os::unix::process::ExitStatusExt as _;

        const SIGXCPU: i32 = 24;
        let Limits { time, memory_mib, .. } = self.limits;
        if last_words.contains("overflowed its stack") {
            return Some(Failure::over("depth", "nests deeper than its stack"));
        }
        if last_words.contains("memory allocation of") {
            return Some(Failure::over("memory", format!("takes more than {memory_mib} MiB of memory")));
        }
        let is_late = status.signal() == Some(SIGXCPU);
        is_late.then(|| Failure::over("time", format!("takes more than {} ms of a processor", time.as_millis())))
    }
}

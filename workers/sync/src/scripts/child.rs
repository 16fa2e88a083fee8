//! The child process that runs one script: it reads what to do from its standard input and writes what came of it to its standard output.
//!
//! Before it reads the script it gives up what it does not need, for good: more memory than the limit, a second of a processor, opening
//! files and connections, starting processes. So a fault of the interpreter gains nothing either.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;

use rlimit::Resource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::cpu_time::CpuTime;
use super::{INPUT, LONGEST, Limits, engine};

/// The word by which the program is started as such a child.
pub const WORD: &str = "script-host";

/// Bytes of what it is asked: JSON may take six for one.
const ASKED: u64 = 8 * (INPUT + LONGEST) as u64;
/// Seconds of a processor, start included, after which the system ends it.
const SECONDS: u64 = 5;
/// Open files: the three that it begins with, and those that report its time and memory.
const FILES: u64 = 5;

/// What a child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) text: String,
    pub(super) input: Map<String, Value>,
    pub(super) limits: Limits,
}

/// Does what the standard input asks for, and ends.
#[must_use]
pub fn serve() -> ExitCode {
    let status = File::open("/proc/self/status").ok();
    // Opens what it reads later.
    let _ = CpuTime::now();
    let mut asked = String::new();
    let read = std::io::stdin().lock().take(ASKED).read_to_string(&mut asked);
    let Some(asked) = read.ok().and_then(|_| serde_json::from_str::<Asked>(&asked).ok()) else {
        return ExitCode::from(2);
    };
    if let Err(error) = give_up(&asked.limits) {
        eprintln!("the limits of a script can't be set: {error}");
        return ExitCode::from(3);
    }
    let mut ran = engine::run(&asked.text, &asked.input, &asked.limits);
    ran.peak_kib = status.as_ref().and_then(peak_kib);
    let written = serde_json::to_writer(std::io::stdout().lock(), &ran).is_ok() && std::io::stdout().flush().is_ok();
    if written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn give_up(limits: &Limits) -> std::io::Result<()> {
    let memory = limits.memory_mib * 1024 * 1024;
    let known = [
        (Resource::DATA, memory),
        (Resource::CPU, SECONDS + limits.time.as_secs()),
        (Resource::NOFILE, FILES),
        (Resource::NPROC, 0),
        (Resource::FSIZE, 0),
        (Resource::CORE, 0),
    ];
    known.into_iter().filter(|(resource, _)| resource.is_supported()).try_for_each(|(resource, most)| {
        let most = most.min(resource.get_hard()?);
        resource.set(most, most)
    })
}

fn peak_kib(status: &File) -> Option<u64> {
    let mut text = [0; 4096];
    let read = status.read_at(&mut text, 0).ok()?;
    let line = std::str::from_utf8(&text[..read]).ok()?.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

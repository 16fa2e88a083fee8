//! What law 2 needs of a queue in memory beyond its life: which tokens are out and which cool down, kept in a file as they are taken.
//!
//! The next process begins with these tokens away and all others free, instead of with none at all. After a clean stop none is out; after a crash those
//! that were out stay away for time-out and interval, since a call may have left in the last moment. The file is written before a claim is handed
//! out, and not forced to disk: it need outlive the process, not the machine.
//!
//! It is believed only where nobody can have sent calls since: it names its writer, and the store of records the last process that had the limiter; it names
//! the boot of the machine, and its times are counted from that, so that no clock that is set moves them; and the file is the one that was written, not
//! a copy that was put back. Else the queue begins used up.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::state::millis;
use crate::limit::{DAY_BIN, Limit};
use crate::permit::ReportedLimits;

/// Of the format.
const VERSION: u8 = 2;
/// The file is written anew when it has grown to so many bytes.
const LARGE: u64 = 4 << 20;
/// The system shows how long it is up in hundredths of a second, rounded down.
const COARSE_MS: u64 = 20;

/// Where a queue in memory finds what the one before it knew, and keeps what it knows itself.
#[derive(Debug, Clone)]
pub struct Handover {
    /// The file. One process at a time has it.
    pub file: PathBuf,
    /// The process that had the limiter last, by the store of records.
    pub before: Option<String>,
    /// This one, which that store names from now on.
    pub own: String,
}

/// Since when the machine is up, and which of its boots that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uptime {
    pub(crate) boot: String,
    pub(crate) ms: u64,
}

/// How the machine informs it; none where it does not.
pub(crate) type Clock = Arc<dyn Fn() -> Option<Uptime> + Send + Sync>;

/// A lane's calls that count. Times are in ms from now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Tokens that running jobs have.
    pub(crate) out: u32,
    /// Tokens that cool down, and when the last of them comes back.
    pub(crate) cooling: u32,
    pub(crate) back_in: u64,
    /// How long the server has reported the lane to wait.
    pub(crate) held_for: u64,
    /// What it has reported its limits.
    pub(crate) reported: ReportedLimits,
    /// Calls of the day, by how many bins ago.
    pub(crate) day: Vec<(u64, u32)>,
}

pub(crate) struct Journal {
    path: PathBuf,
    head: Head,
    clock: Clock,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// None where it can't be written: then it is gone, and the next process begins used up.
    file: Option<File>,
    bytes: u64,
    lanes: HashMap<String, Spent>,
    /// When each of these was true, in ms of the machine's.
    at: HashMap<String, u64>,
}

/// What has to be the same for the rest to be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    owner: String,
    boot: String,
    /// How long a call counts.
    interval_ms: u64,
    timeout_ms: u64,
}

/// Of this machine.
pub(crate) fn clock() -> Clock {
    Arc::new(|| {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
        let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
        let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
        let ms = seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10;
        Some(Uptime { boot, ms })
    })
}

impl Journal {
    /// Reads what the process before has left, and begins a file of this one's own. None of the former where that is not to be believed, and
    /// none of the latter where the machine does not report its boot.
    pub(crate) fn take(
        handover: &Handover,
        limit: &Limit,
        clock: Clock,
    ) -> (Option<HashMap<String, Spent>>, Option<Self>) {
        let Some(now) = clock() else { return (None, None) };
        let left = Self::look(handover, limit, &now);
        let head = Head::new(&handover.own, &now, limit);
        let journal = Self { path: handover.file.clone(), head, clock, written: Mutex::default() };
        let lanes = left.clone().unwrap_or_default();
        {
            let mut written = journal.written();
            written.at = lanes.keys().map(|lane| (lane.clone(), now.ms)).collect();
            written.lanes = lanes;
            journal.begin_anew(&mut written, now.ms);
        }
        (left, Some(journal))
    }

    /// What the process before has left.
    pub(crate) fn look(handover: &Handover, limit: &Limit, now: &Uptime) -> Option<HashMap<String, Spent>> {
        let before = handover.before.as_deref()?;
        read(&handover.file, &Head::new(before, now, limit), now.ms)
    }

    /// Keeps what counts of these lanes now, before anything more of them is handed out.
    pub(crate) fn keep(&self, lanes: impl Iterator<Item = (String, Spent)>) {
        let mut written = self.written();
        if written.file.is_none() {
            return;
        }
        let Some(now) = (self.clock)() else {
            return self.give_up(&mut written, "the uptime of the machine is unknown");
        };
        let mut bytes = Vec::new();
        for (lane, spent) in lanes {
            record(&mut bytes, &lane, &spent, now.ms);
            written.at.insert(lane.clone(), now.ms);
            written.lanes.insert(lane, spent);
        }
        if written.bytes + bytes.len() as u64 > LARGE {
            self.begin_anew(&mut written, now.ms);
            return;
        }
        let done = written.file.as_mut().map(|file| file.write_all(&bytes));
        match done {
            Some(Ok(())) => written.bytes += bytes.len() as u64,
            Some(Err(error)) => self.give_up(&mut written, &error.to_string()),
            None => {}
        }
    }

    /// Writes a file with what is known of all lanes, in place of the one that is there.
    fn begin_anew(&self, written: &mut Written, now: u64) {
        // What has come back long ago need not be known.
        let Written { lanes, at, .. } = &mut *written;
        lanes.retain(|lane, spent| {
            let passed = now.saturating_sub(at.get(lane).copied().unwrap_or(now));
            spent.out > 0
                || spent.reported != ReportedLimits::default()
                || !spent.day.is_empty()
                || spent.back_in.max(spent.held_for) > passed
        });
        at.retain(|lane, _| lanes.contains_key(lane));
        match self.write_anew(lanes, at, now) {
            Ok((file, bytes)) => (written.file, written.bytes) = (Some(file), bytes),
            Err(error) => self.give_up(written, &error.to_string()),
        }
    }

    fn write_anew(
        &self,
        lanes: &HashMap<String, Spent>,
        at: &HashMap<String, u64>,
        now: u64,
    ) -> io::Result<(File, u64)> {
        let beside = self.path.with_extension("new");
        // One that was left by a crash may have other rights.
        let _ = std::fs::remove_file(&beside);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&beside)?;
        let mut bytes = Vec::new();
        self.head.write(&mut bytes, file.metadata()?.ino());
        for (lane, spent) in lanes {
            record(&mut bytes, lane, spent, at.get(lane).copied().unwrap_or(now));
        }
        file.write_all(&bytes)?;
        std::fs::rename(&beside, &self.path)?;
        Ok((file, bytes.len() as u64))
    }

    /// A file that says less than was sent is worse than none.
    fn give_up(&self, written: &mut Written, reason: &str) {
        written.file = None;
        let removed = std::fs::remove_file(&self.path).map_err(|error| error.to_string());
        tracing::warn!(
            reason,
            removed = ?removed.err(),
            "the count of calls is not stored in the data folder; after the next start every location waits for a minute"
        );
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Head {
    fn new(owner: &str, now: &Uptime, limit: &Limit) -> Self {
        Self {
            owner: owner.to_owned(),
            boot: now.boot.clone(),
            interval_ms: millis(limit.interval),
            timeout_ms: millis(limit.call_timeout),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>, inode: u64) {
        let Self { owner, boot, interval_ms, timeout_ms } = self;
        bytes.push(VERSION);
        for number in [*interval_ms, *timeout_ms, inode] {
            bytes.extend(number.to_be_bytes());
        }
        for text in [owner, boot] {
            put_text(bytes, text);
        }
    }
}

/// What the file says of every lane, where it is to be believed.
fn read(path: &Path, expected: &Head, now: u64) -> Option<HashMap<String, Spent>> {
    let inode = std::fs::metadata(path).ok()?.ino();
    let bytes = std::fs::read(path).ok()?;
    let mut head = Vec::new();
    expected.write(&mut head, inode);
    let mut rest = bytes.strip_prefix(&head[..])?;
    let mut lanes = HashMap::new();
    // A crash in the midst of a record leaves a part of it: what it was about was not handed out.
    while let Some((lane, spent, at, left)) = parse(rest) {
        // Counted from a boot, so one that lies ahead is of a machine that lies about it.
        let passed = now.checked_sub(at)?;
        let left_of = |ms: u64| if ms == 0 { 0 } else { (ms + COARSE_MS).saturating_sub(passed) };
        let (back_in, held_for) = (left_of(spent.back_in), left_of(spent.held_for));
        let cooling = if back_in == 0 { 0 } else { spent.cooling };
        let bins = passed / millis(DAY_BIN);
        let day = spent.day.iter().map(|(ago, used)| (ago + bins, *used)).collect();
        lanes.insert(lane, Spent { back_in, held_for, cooling, day, ..spent });
        rest = left;
    }
    Some(lanes)
}

fn record(bytes: &mut Vec<u8>, lane: &str, spent: &Spent, at: u64) {
    let Spent { out, cooling, back_in, held_for, reported: ReportedLimits { burst, daily }, day } = spent;
    put_text(bytes, lane);
    let reported = [u64::from(burst.unwrap_or_default()), u64::from(daily.unwrap_or_default())];
    let counts =
        [at, u64::from(*out), u64::from(*cooling), *back_in, *held_for, reported[0], reported[1], day.len() as u64];
    for number in counts {
        bytes.extend(number.to_be_bytes());
    }
    for (bins_ago, used) in day {
        bytes.extend(bins_ago.to_be_bytes());
        bytes.extend(u64::from(*used).to_be_bytes());
    }
}

/// The first record, when it was true, and what is behind it. None where it is not whole.
fn parse(bytes: &[u8]) -> Option<(String, Spent, u64, &[u8])> {
    let (lane, mut rest) = take_text(bytes)?;
    let mut number = || -> Option<u64> {
        let (number, left) = rest.split_first_chunk::<8>()?;
        rest = left;
        Some(u64::from_be_bytes(*number))
    };
    let at = number()?;
    let small = |number: u64| u32::try_from(number).ok();
    let (out, cooling) = (small(number()?)?, small(number()?)?);
    let (back_in, held_for) = (number()?, number()?);
    let burst = Some(u16::try_from(number()?).ok()?).filter(|reported| *reported > 0);
    let reported = ReportedLimits { burst, daily: Some(small(number()?)?).filter(|reported| *reported > 0) };
    let bins = number()?;
    let day = (0..bins).map(|_| Some((number()?, small(number()?)?))).collect::<Option<Vec<_>>>()?;
    Some((lane, Spent { out, cooling, back_in, held_for, reported, day }, at, rest))
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn take_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

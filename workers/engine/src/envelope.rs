//! The packed form of a job: a fixed head that the Lua functions read, then bytes that they never look at.
//!
//! Class and crashes (2 bits and 6), cost, attempt, length of the key `kind/record` (8 bits each), the key, payload. The queue keeps it with its
//! lane, and stores the time of the push before it: the low 40 bits, big-endian, of its ms, which come round after 34 years.

use std::time::Duration;

use bytes::Bytes;

use crate::job::{Job, Key, NewJob, Priority};

/// Bytes of the time of the push.
const STAMP: usize = 5;
/// Bytes between it and the length of the key.
const HEAD: usize = 3;
/// The byte of class and crashes holds class + CRASH * crashes.
const CRASH: u8 = 4;

/// Why a job can't be packed or an envelope not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// A part of the key has no room in the head.
    #[error("{part} of the job is {length} bytes long; at most {most} fit")]
    TooLong {
        /// `lane`, or `kind and record`.
        part: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        most: usize,
    },
    /// The kind has a slash, or a part holds a NUL byte or is empty.
    #[error("{part} of the job must not be empty nor hold {forbidden:?}")]
    Malformed {
        /// `lane`, `kind` or `record`.
        part: &'static str,
        /// What may not be in it.
        forbidden: char,
    },
    /// The stored bytes are no envelope.
    #[error("the stored envelope is damaged at byte {at}")]
    Damaged {
        /// Offset of the first byte that makes no sense.
        at: usize,
    },
}

/// Whether the queue can keep jobs with this key.
pub(crate) fn check(Key { lane, kind, record }: &Key) -> Result<(), EnvelopeError> {
    part("lane", lane, '\0')?;
    part("kind", kind, '/')?;
    part("record", record, '\0')?;
    length("lane", lane.len())?;
    length("kind and record", key_length(kind, record))?;
    Ok(())
}

/// Writes a job as the functions take it, without the time of its push.
pub(crate) fn pack(job: &NewJob) -> Result<Vec<u8>, EnvelopeError> {
    check(&job.key)?;
    let NewJob { key: Key { lane: _, kind, record }, priority, cost, attempt, delay: _, payload } = job;
    let key_length = key_length(kind, record);
    let mut bytes = Vec::with_capacity(HEAD + 1 + key_length + payload.len());
    bytes.extend([*priority as u8, *cost, *attempt]);
    bytes.push(length("kind and record", key_length)?);
    push_key(&mut bytes, kind, record);
    bytes.extend(payload);
    Ok(bytes)
}

/// Names a job among all of a shard, also in their index.
pub(crate) fn slot(Key { lane, kind, record }: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lane.len() + 1 + key_length(kind, record));
    bytes.extend(lane.as_bytes());
    bytes.push(0);
    push_key(&mut bytes, kind, record);
    bytes
}

/// Reads a stored job of `lane` that was claimed at `now`, in ms of the queue's clock.
pub(crate) fn unpack(lane: &str, stored: &Bytes, now: u64, epoch: u64) -> Result<Job, EnvelopeError> {
    let damaged = |at| EnvelopeError::Damaged { at };
    let (pushed, packed) = stored.split_first_chunk::<STAMP>().ok_or_else(|| damaged(0))?;
    let [class, cost, attempt, length, rest @ ..] = packed else {
        return Err(damaged(STAMP));
    };
    let key_at = STAMP + HEAD + 1;
    let key = rest.get(..usize::from(*length)).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let (kind, record) = key.and_then(|key| key.split_once('/')).ok_or_else(|| damaged(key_at))?;
    Ok(Job {
        key: Key { lane: lane.to_owned(), kind: kind.to_owned(), record: record.to_owned() },
        priority: Priority::from_number(*class % CRASH).ok_or_else(|| damaged(STAMP))?,
        cost: *cost,
        crashes: *class / CRASH,
        attempt: *attempt,
        waited: since(*pushed, now),
        payload: stored.slice(key_at + usize::from(*length)..),
        epoch,
        stored: stored.clone(),
    })
}

/// From a stamp to now, in ms. A clock that was set back makes it nothing.
fn since(stamp: [u8; STAMP], now: u64) -> Duration {
    const STAMPS: u64 = 1 << (8 * STAMP);
    let stamp = stamp.iter().fold(0, |stamp, byte| stamp << 8 | u64::from(*byte));
    let since = now.wrapping_sub(stamp) % STAMPS;
    Duration::from_millis(if since < STAMPS / 2 { since } else { 0 })
}

/// Whether a part of a key can be reported from what is around it.
pub(crate) fn part(part: &'static str, text: &str, forbidden: char) -> Result<(), EnvelopeError> {
    if text.is_empty() || text.contains(forbidden) || text.contains('\0') {
        return Err(EnvelopeError::Malformed { part, forbidden });
    }
    Ok(())
}

fn key_length(kind: &str, record: &str) -> usize {
    kind.len() + 1 + record.len()
}

fn push_key(bytes: &mut Vec<u8>, kind: &str, record: &str) {
    bytes.extend(kind.as_bytes());
    bytes.push(b'/');
    bytes.extend(record.as_bytes());
}

fn length(part: &'static str, length: usize) -> Result<u8, EnvelopeError> {
    u8::try_from(length).map_err(|_| EnvelopeError::TooLong { part, length, most: usize::from(u8::MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> NewJob {
        let key = Key { lane: "lane".into(), kind: "pull".into(), record: "a/b".into() };
        let payload = Bytes::from_static(b"\0opaque");
        NewJob { payload, attempt: 200, ..NewJob::new(key, Priority::Bulk, 4) }
    }

    fn stored() -> Bytes {
        Bytes::from([vec![0, 0, 0, 0x13, 0x88], pack(&job()).unwrap()].concat())
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let NewJob { key, priority, cost, attempt, delay: _, payload } = job();
        let waited = Duration::from_secs(2);
        let claimed = Job { key, priority, cost, crashes: 0, attempt, waited, payload, epoch: 9, stored: stored() };
        assert_eq!(unpack("lane", &stored(), 7000, 9).unwrap(), claimed);
    }

    #[test]
    fn the_stamp_comes_round() {
        let waited = |now| unpack("lane", &stored(), now, 0).unwrap().waited.as_millis();
        assert_eq!((waited(5000), waited(5007), waited((7 << 40) + 5001)), (0, 7, 1));
        assert_eq!(waited(4999), 0, "the clock was set back");
    }

    #[test]
    fn a_cut_envelope_is_damaged_and_says_where() {
        let stored = stored();
        for end in 0..stored.len() - job().payload.len() {
            let cut = unpack("lane", &stored.slice(..end), 0, 0);
            assert!(matches!(cut, Err(EnvelopeError::Damaged { .. })), "cut at {end}");
        }
    }

    #[test]
    fn a_key_that_could_be_mistaken_for_another_is_refused() {
        let mut slash = job();
        slash.key.kind = "pull/x".into();
        assert!(matches!(pack(&slash), Err(EnvelopeError::Malformed { part: "kind", .. })));
        let mut long = job();
        long.key.record = "x".repeat(300);
        assert!(matches!(pack(&long), Err(EnvelopeError::TooLong { .. })));
    }
}

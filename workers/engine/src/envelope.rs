//! The packed form of a job: a fixed head that the Lua scripts read, then bytes that they never look at.
//!
//! Big-endian: class (8 bits), cost (8), crashes (8), attempt (16), length and text of the lane (8 + n), length and text of the key
//! `kind/record` (8 + n), payload. The queue stores the time of the push (f64, ms) before it.

use bytes::Bytes;

use crate::job::{Key, NewJob, Priority};

/// Bytes before the lane's text.
const HEAD: usize = 6;

/// A job without its time and epoch: what [`pack`] writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) key: Key,
    pub(crate) priority: Priority,
    pub(crate) cost: u8,
    pub(crate) crashes: u8,
    pub(crate) attempt: u16,
    pub(crate) payload: Bytes,
}

/// Why a job can't be packed or an envelope not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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

impl From<&NewJob> for Envelope {
    fn from(job: &NewJob) -> Self {
        let NewJob { key, priority, cost, attempt, delay: _, payload } = job;
        Self {
            key: key.clone(),
            priority: *priority,
            cost: *cost,
            crashes: 0,
            attempt: *attempt,
            payload: payload.clone(),
        }
    }
}

/// Writes the head and the payload.
pub(crate) fn pack(envelope: &Envelope) -> Result<Vec<u8>, EnvelopeError> {
    let Envelope { key: Key { lane, kind, record }, priority, cost, crashes, attempt, payload } = envelope;
    check("lane", lane, '\0')?;
    check("kind", kind, '/')?;
    check("record", record, '\0')?;
    let lane_length = length("lane", lane.len())?;
    let key_length = length("kind and record", kind.len() + 1 + record.len())?;
    let mut bytes = Vec::with_capacity(HEAD + lane.len() + 2 + kind.len() + record.len() + payload.len());
    bytes.extend([*priority as u8, *cost, *crashes]);
    bytes.extend(attempt.to_be_bytes());
    bytes.push(lane_length);
    bytes.extend(lane.as_bytes());
    bytes.push(key_length);
    bytes.extend(kind.as_bytes());
    bytes.push(b'/');
    bytes.extend(record.as_bytes());
    bytes.extend(payload);
    Ok(bytes)
}

fn check(part: &'static str, text: &str, forbidden: char) -> Result<(), EnvelopeError> {
    if text.is_empty() || text.contains(forbidden) || text.contains('\0') {
        return Err(EnvelopeError::Malformed { part, forbidden });
    }
    Ok(())
}

fn length(part: &'static str, length: usize) -> Result<u8, EnvelopeError> {
    u8::try_from(length).map_err(|_| EnvelopeError::TooLong { part, length, most: usize::from(u8::MAX) })
}

/// Reads what [`pack`] wrote.
pub(crate) fn unpack(bytes: &Bytes) -> Result<Envelope, EnvelopeError> {
    let damaged = |at| EnvelopeError::Damaged { at };
    let [class, cost, crashes, attempt_high, attempt_low, ..] = bytes[..] else { return Err(damaged(0)) };
    let (lane, key_at) = text_at(bytes, HEAD - 1)?;
    let (key, payload_at) = text_at(bytes, key_at)?;
    let (kind, record) = key.split_once('/').ok_or_else(|| damaged(key_at))?;
    Ok(Envelope {
        key: Key { lane: lane.to_owned(), kind: kind.to_owned(), record: record.to_owned() },
        priority: Priority::from_number(class).ok_or_else(|| damaged(0))?,
        cost,
        crashes,
        attempt: u16::from_be_bytes([attempt_high, attempt_low]),
        payload: bytes.slice(payload_at..),
    })
}

fn text_at(bytes: &Bytes, at: usize) -> Result<(&str, usize), EnvelopeError> {
    let damaged = EnvelopeError::Damaged { at };
    let length = *bytes.get(at).ok_or_else(|| damaged.clone())?;
    let end = at + 1 + usize::from(length);
    let text = bytes.get(at + 1..end).and_then(|text| std::str::from_utf8(text).ok()).ok_or(damaged)?;
    Ok((text, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        let key = Key { lane: "lane".into(), kind: "pull".into(), record: "a/b".into() };
        let payload = Bytes::from_static(b"\0opaque");
        Envelope { key, priority: Priority::Bulk, cost: 4, crashes: 2, attempt: 300, payload }
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let packed = Bytes::from(pack(&envelope()).unwrap());
        assert_eq!(unpack(&packed).unwrap(), envelope());
    }

    #[test]
    fn a_cut_envelope_is_damaged_and_says_where() {
        let packed = Bytes::from(pack(&envelope()).unwrap());
        for end in 0..packed.len() - envelope().payload.len() {
            assert!(matches!(unpack(&packed.slice(..end)), Err(EnvelopeError::Damaged { .. })), "cut at {end}");
        }
    }

    #[test]
    fn a_key_that_could_be_mistaken_for_another_is_refused() {
        let mut slash = envelope();
        slash.key.kind = "pull/x".into();
        assert!(matches!(pack(&slash), Err(EnvelopeError::Malformed { part: "kind", .. })));
        let mut long = envelope();
        long.key.record = "x".repeat(300);
        assert!(matches!(pack(&long), Err(EnvelopeError::TooLong { .. })));
    }
}

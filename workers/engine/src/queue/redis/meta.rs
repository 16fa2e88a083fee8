//! Reads a lane's meta as `shard.lua` packs it, and what the shard knows of itself.

use std::time::Duration;

use crate::limit::Limit;
use crate::queue::{LaneState, LaneView, QueueError};

/// The queue's time at one instant, and until when the whole shard rests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shard {
    pub(super) now: u64,
    pub(super) rest: u64,
}

/// What `SELF` of `shard.lua` holds, as far as it is needed here, by the server's clock.
pub(super) fn shard(packed: Option<&[u8]>, clock: u64) -> Shard {
    let number = |at: usize| {
        let bytes = packed?.get(at * 8..at * 8 + 8)?.try_into().ok()?;
        Some(f64::from_be_bytes(bytes) as i64)
    };
    let (rest, skew, seen) =
        (number(1).unwrap_or_default(), number(3).unwrap_or_default(), number(5).unwrap_or_default());
    let now = clock.saturating_add_signed(skew).max(u64::try_from(seen).unwrap_or_default());
    Shard { now, rest: u64::try_from(rest).unwrap_or_default() }
}

/// Reads numbers one after the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, bytes: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(number.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

const PAUSED: u64 = 4;
const MORE: u64 = 128;

/// `META` and `MORE`.
struct Meta {
    flags: u64,
    state: u64,
    out: u64,
    cooling: u64,
    parked: u64,
    day_used: u64,
    circuit: u64,
    probe_at: u64,
    hold: u64,
    burst: u64,
    daily: u64,
}

fn meta(packed: &[u8]) -> Option<Meta> {
    let mut read = Reader(packed);
    let (flags, state, _failures) = (read.take(1)?, read.take(1)?, read.take(1)?);
    let (out, cooling, _returned, parked) = (read.take(4)?, read.take(4)?, read.take(4)?, read.take(6)?);
    let (_first, _first_n, _last, _last_n) = (read.take(6)?, read.take(4)?, read.take(6)?, read.take(4)?);
    let (_day_bin, bin_used, day_used) = (read.take(4)?, read.take(4)?, read.take(4)?);
    let own = bin_used + day_used;
    let mut meta = Meta {
        flags,
        state,
        out,
        cooling,
        parked,
        day_used: own,
        circuit: 0,
        probe_at: 0,
        hold: 0,
        burst: 0,
        daily: 0,
    };
    if flags & MORE != 0 {
        let (circuit, _probe, probe_at, hold) = (read.take(1)?, read.take(8)?, read.take(6)?, read.take(6)?);
        let (others, _others_at, burst, daily) = (read.take(4)?, read.take(6)?, read.take(2)?, read.take(4)?);
        meta = Meta { circuit, probe_at, hold, burst, daily, day_used: own + others, ..meta };
    }
    Some(meta)
}

pub(super) fn view(
    lane: String,
    packed: &[u8],
    waiting: [u32; 3],
    limit: &Limit,
    shard: Shard,
) -> Result<LaneView, QueueError> {
    let meta = meta(packed).ok_or(QueueError::Reply("a lane's meta that is cut"))?;
    let reported = |reported: u64| (reported > 0).then_some(reported);
    let limit = limit.reported(reported(meta.burst).map(small), reported(meta.daily).map(large));
    let Shard { now, rest } = shard;
    let stops = if meta.circuit == 1 { meta.hold.max(meta.probe_at) } else { meta.hold };
    let (state, until) = match (meta.circuit, meta.state) {
        _ if meta.flags & PAUSED != 0 => (LaneState::Paused, stops),
        _ if rest > now => (LaneState::Held, rest.max(stops)),
        (1, _) if meta.probe_at >= meta.hold => (LaneState::Broken, stops),
        _ if meta.hold > now => (LaneState::Held, stops),
        (1 | 2, _) => (LaneState::Broken, stops),
        (_, 1 | 2) => (LaneState::WaitsForTokens, now),
        (_, 3) => (LaneState::DaySpent, meta.parked),
        (_, 4) => (LaneState::Paced, meta.parked),
        _ => (LaneState::Ready, now),
    };
    let free = small(u64::from(limit.burst).saturating_sub(meta.out + meta.cooling));
    // While the shard rests no token is free: it stands for calls that nobody knows of.
    let (tokens_free, resting) = if rest > now { (0, u64::from(free)) } else { (free, 0) };
    Ok(LaneView {
        lane,
        state,
        waiting,
        tokens_out: small(meta.out),
        tokens_cooling: small(meta.cooling + resting),
        tokens_free,
        day_used: large(meta.day_used),
        held_for: Duration::from_millis(until.saturating_sub(now)),
        limit,
    })
}

fn small(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn large(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

//! Reads a lane's meta as `shard.lua` packs it.

use std::time::Duration;

use crate::limit::Limit;
use crate::queue::{LaneState, LaneView, QueueError};

/// state, flags (8 bits each), tokens out, tokens cooling (16 each), count of returned tokens (32), hold (48, ms), …, calls of the day's
/// bin and of those before it (32 each).
pub(super) fn view(
    lane: String,
    packed: &[u8],
    waiting: [u32; 3],
    limit: &Limit,
    now: u64,
) -> Result<LaneView, QueueError> {
    let damaged = || QueueError::Reply("a lane's meta that is cut");
    let short = |at: usize| Some(u16::from_be_bytes(packed.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_be_bytes(packed.get(at..at + 4)?.try_into().ok()?));
    let read = || {
        const PAUSED: u8 = 4;
        let state = match packed.first()? {
            _ if packed.get(1)? & PAUSED != 0 => LaneState::Paused,
            0 => LaneState::Ready,
            1 | 2 => LaneState::WaitsForTokens,
            3 => LaneState::Held,
            7 => LaneState::DaySpent,
            8 => LaneState::Paced,
            _ => LaneState::Broken,
        };
        let (tokens_out, tokens_cooling) = (short(2)?, short(4)?);
        let hold = u64::from(short(10)?) << 32 | u64::from(long(12)?);
        Some(LaneView {
            lane,
            state,
            waiting,
            tokens_out,
            tokens_cooling,
            day_used: long(36)?.saturating_add(long(40)?),
            tokens_free: limit.burst.saturating_sub(tokens_out).saturating_sub(tokens_cooling),
            held_for: Duration::from_millis(hold.saturating_sub(now)),
        })
    };
    read().ok_or_else(damaged)
}

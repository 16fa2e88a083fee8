//! Reads a lane's meta as `shard.lua` packs it.

use std::time::Duration;

use crate::limit::Limit;
use crate::queue::{LaneState, LaneView, QueueError};

/// state, flags (8 bits each), tokens out, tokens cooling (16 each), count of returned tokens (32), hold (f64, ms), …
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
    let double = |at: usize| Some(f64::from_be_bytes(packed.get(at..at + 8)?.try_into().ok()?));
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
        Some(LaneView {
            lane,
            state,
            waiting,
            tokens_out,
            tokens_cooling,
            day_used: long(43)?.saturating_add(long(47)?),
            tokens_free: limit.burst.saturating_sub(tokens_out).saturating_sub(tokens_cooling),
            held_for: Duration::try_from_secs_f64((double(10)? - now as f64) / 1000.0).unwrap_or_default(),
        })
    };
    read().ok_or_else(damaged)
}

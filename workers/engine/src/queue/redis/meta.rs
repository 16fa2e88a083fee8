//! Reads a lane's meta as `shard.lua` packs it.

use std::time::Duration;

use crate::limit::Limit;
use crate::queue::{LaneState, LaneView, QueueError};

/// state, flags (8 bits each), tokens out, tokens cooling (16 each), waiting by class, count of returned tokens (32 each), hold (f64, ms), …
pub(super) fn view(lane: &str, packed: &[u8], limit: &Limit, now: u64) -> Result<LaneView, QueueError> {
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
            _ => LaneState::Broken,
        };
        let (tokens_out, tokens_cooling) = (short(2)?, short(4)?);
        Some(LaneView {
            lane: lane.to_owned(),
            state,
            waiting: [long(6)?, long(10)?, long(14)?],
            tokens_out,
            tokens_cooling,
            day_used: long(55)?.saturating_add(long(59)?),
            tokens_free: limit.burst.saturating_sub(tokens_out).saturating_sub(tokens_cooling),
            held_for: Duration::try_from_secs_f64((double(22)? - now as f64) / 1000.0).unwrap_or_default(),
        })
    };
    read().ok_or_else(damaged)
}

//! How a lane stands, to look at.

use std::time::Duration;

use crate::limit::Limit;

/// Why a lane runs, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaneState {
    /// Its jobs are claimed in turn.
    Ready,
    /// It waits for tokens to come back.
    WaitsForTokens,
    /// It has used up the calls of a day, or bulk jobs have used up their share.
    DaySpent,
    /// It has bulk jobs alone, which have used up what the day leaves to them for now.
    Paced,
    /// It is held: the server refused, or the queue had lost its state.
    Held,
    /// Its breaker is open: one job probes it now and then.
    Broken,
    /// A person paused it.
    Paused,
}

/// A lane at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneView {
    /// Its name.
    pub lane: String,
    /// Why it runs, or does not.
    pub state: LaneState,
    /// Waiting jobs, the most urgent class first. Entries that a more urgent one replaced still count until their turn.
    pub waiting: [u32; 3],
    /// Tokens that running jobs hold.
    pub tokens_out: u16,
    /// Tokens of calls that still count in the server's window.
    pub tokens_cooling: u16,
    /// Tokens that a claim could take now.
    pub tokens_free: u16,
    /// Calls of the last 24 h, as far as they are known here.
    pub day_used: u32,
    /// How long a lane stays held, spent or paced, or until a broken one is probed.
    pub held_for: Duration,
    /// Its limits: those that are set, or what its server has reported where that is less.
    pub limit: Limit,
}

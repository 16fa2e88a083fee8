//! What a queue was reported about its limits; and the ways in which a test breaks the rules, to see that they are missed.

/// The limits of a queue. Times are in ms, or in ticks where states are searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Calls within one interval.
    pub burst: u32,
    /// Calls that bulk leaves to others.
    pub reserve: u32,
    /// How long a call counts after its answer.
    pub interval: u64,
    /// How long a call may go on.
    pub timeout: u64,
    /// How long a claim holds without a heartbeat.
    pub lease: u64,
    /// Failed runs in a row that open the circuit.
    pub failures: u8,
    /// How long until an open circuit is probed.
    pub probe_after: u64,
    /// Calls within a day.
    pub daily: u32,
    /// Of these, those that bulk leaves to others.
    pub daily_reserve: u32,
    /// Calls of the day are counted in bins of so long …
    pub day_bin: u64,
    /// … and a bin counts until so many have begun, itself and the next one among them: in that one a call may arrive that nobody saw end.
    pub day_bins: u64,
    /// Tokens come back in bins of so long.
    pub bin: u64,
}

impl Limits {
    /// How long calls may count that nobody knows of: a ms that began counts as a whole.
    #[must_use]
    pub fn unknown_calls(&self) -> u64 {
        self.interval + self.timeout + self.lease + 1
    }
}

/// A fault in the functions, of those that were made once or nearly. Each is switched on by a test alone, which then sees the search find a state that
/// breaks a law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// Tokens come back one interval after the answer, and the ms that began is not counted as a whole.
    RefillAMomentTooEarly,
    /// A call that was cancelled counts as answered at that moment.
    DroppedCallCountsAsAnswered,
    /// Tokens of a dead worker come back when its lease ends.
    TokensOfTheDeadAtOnce,
    /// A settlement is taken in whatever epoch it bears.
    EpochIsNotCompared,
    /// A settlement that comes too late gives its tokens back once more.
    LateSettlementReturnsTokens,
    /// A resume lifts the server's refusal.
    ResumeLiftsTheHold,
    /// A resume ends the rest after lost state.
    ResumeLiftsTheRest,
    /// The last refusal counts, not the one that lasts longest.
    ShorterHoldReplacesTheLonger,
    /// A refusal that comes too late for its job is dropped.
    LateRefusalIsDropped,
    /// The end of a refusal closes the circuit too: one state stands for both.
    HoldEndsTheCircuit,
    /// A probe that ends without a word leaves the circuit waiting for it.
    ProbeIsNotFollowed,
    /// The probe of a dead worker is waited for.
    ProbeOfTheDeadIsAwaited,
    /// An open circuit lets a whole turn probe.
    CircuitLetsManyProbe,
    /// A push during the run is taken to be served by it.
    PushDuringTheRunIsDropped,
    /// A retry puts off the push that came meanwhile.
    RetryPutsOffThePush,
    /// All tokens are out, and the settlement that brings the first of them back does not look at the lane again.
    StarvedLaneIsForgotten,
    /// Lost state begins with all tokens.
    LostStateIsUnspent,
    /// Epochs begin anew with lost state.
    EpochsBeginAnew,
    /// An older state that comes back is taken for the present one.
    OlderStateIsBelieved,
    /// A heartbeat sets a lease that is over.
    HeartbeatRevives,
    /// A worker whose lease is over takes it up again, since an older state says that it lives.
    EndedLeaseIsExtended,
    /// A function fails between its writes.
    HalfIsWritten,
    /// A pause is not looked at where a lane is on the ring already.
    PausedLaneIsServed,
    /// A more urgent class is served after a less urgent one.
    ClassesAreMixed,
    /// Bulk takes the last tokens.
    BulkTakesTheReserve,
    /// A call of yesterday is forgotten a bin too early.
    DayIsShort,
}

/// The limits, and in tests what is broken.
#[derive(Debug, Clone)]
pub struct Rules {
    /// See [`Limits`].
    pub limits: Limits,
    #[cfg(test)]
    pub(crate) broken: Option<Mutant>,
}

impl Rules {
    /// The rules as they are.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            #[cfg(test)]
            broken: None,
        }
    }

    /// Whether a test has broken this; outside of tests it is known not to be when this is compiled.
    #[cfg(test)]
    pub(crate) fn breaks(&self, mutant: Mutant) -> bool {
        self.broken == Some(mutant)
    }

    #[cfg(not(test))]
    #[inline]
    pub(crate) fn breaks(&self, _: Mutant) -> bool {
        false
    }
}

//! What arrived at the sandbox, for a test to judge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Everything counted since the start or the last `POST /_sandbox/stats/reset`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// By location id.
    pub locations: BTreeMap<String, LocationStats>,
    /// Calls without a token or with an unknown one; they belong to no location.
    pub strangers: u64,
    /// Faults that struck, by their name in [`Faults`](super::Faults).
    pub faults: BTreeMap<String, u64>,
}

/// The calls of one location. Times are microseconds of a monotonic clock since the sandbox's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocationStats {
    /// All arrivals, throttled ones too.
    pub calls: u64,
    /// Calls answered 429 because they were over a limit; a 429 out of nowhere is under `faults`.
    pub throttled: u64,
    /// Arrivals that found a full fixed window.
    pub over_fixed: u64,
    /// Arrivals that found a full sliding window.
    pub over_sliding: u64,
    /// The first arrival, in microseconds since the start of the sandbox.
    pub first_arrival_micros: Option<u64>,
    /// The last arrival, likewise.
    pub last_arrival_micros: Option<u64>,
    /// Calls by method and route, such as `POST /contacts/{contactId}/tasks`.
    pub operations: BTreeMap<String, u64>,
    /// Each arrival, in order.
    pub arrivals_micros: Vec<u64>,
}

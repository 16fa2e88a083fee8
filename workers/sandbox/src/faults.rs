//! What can go wrong with a call, and the random choice that decides it.
//!
//! What matters is whether the effect was committed before the call failed: a client that can't
//! know this must look before it sends a create again. So every fault states on which side of the
//! effect it occurs.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// How often each fault happens, in calls per mille; each is thrown for on its own, and the first in this order wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// 500 or 502 with a JSON error; nothing was done.
    pub server_error: u16,
    /// 500 or 502 with a JSON error, though the call was carried out.
    pub server_error_after: u16,
    /// 429 though the location is within its limits.
    pub throttle: u16,
    /// No reply for `hang_ms`, then a cut connection; nothing was done.
    pub hang: u16,
    /// No reply for `hang_ms`, then a cut connection, though the call was carried out.
    pub hang_after: u16,
    /// The connection is cut before the reply's first byte; nothing was done.
    pub cut: u16,
    /// The connection is cut before the reply's first byte, though the call was carried out.
    pub cut_after: u16,
    /// The call was carried out; the reply is complete as HTTP, but its JSON ends half way.
    pub truncate: u16,
    /// An HTML page: with 200 after the call was carried out, or with 502 and nothing done.
    pub html: u16,
    /// 422, though the call was carried out: GHL does it to some creates.
    pub unprocessable_after: u16,
    /// Begins a storm: `storm_calls` calls in a row are answered 429 though the location is within its limits.
    pub storm: u16,
    /// The number of calls that one storm answers with 429.
    pub storm_calls: u64,
    /// Sent as `Retry-After` with each 429 of `throttle` and `storm`; GHL documents none.
    pub retry_after_seconds: Option<u64>,
    /// How long a hanging call hangs.
    pub hang_ms: u64,
    /// Only calls other than GET are struck.
    pub writes_only: bool,
    /// After so many faults no more happen.
    pub at_most: Option<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            server_error: 0,
            server_error_after: 0,
            throttle: 0,
            hang: 0,
            hang_after: 0,
            cut: 0,
            cut_after: 0,
            truncate: 0,
            html: 0,
            unprocessable_after: 0,
            storm: 0,
            storm_calls: 20,
            retry_after_seconds: None,
            hang_ms: 120_000,
            writes_only: false,
            at_most: None,
        }
    }
}

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// Whether the call is carried out before it fails.
    pub(super) committed: bool,
    pub(super) kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    ServerError(StatusCode),
    /// With so many seconds to wait, if it says so.
    Throttle(Option<u64>),
    Unprocessable,
    Hang(Duration),
    Cut,
    Truncate,
    Html(StatusCode),
}

/// Throws for latency and faults, from the sandbox's seed.
pub(super) struct Dice {
    rng: StdRng,
    faults: Faults,
    left: Option<u64>,
    /// Calls that the present storm still answers with 429.
    storm_left: u64,
    /// Faults that struck, by their name in [`Faults`].
    struck: BTreeMap<String, u64>,
}

impl Dice {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), left: faults.at_most, storm_left: 0, faults, struck: BTreeMap::new() }
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        self.left = faults.at_most;
        self.storm_left = 0;
        self.faults = faults;
    }

    pub(super) fn struck(&self) -> BTreeMap<String, u64> {
        self.struck.clone()
    }

    pub(super) fn forget_struck(&mut self) {
        self.struck.clear();
    }

    pub(super) fn latency(&mut self, range: &Range<Duration>) -> Duration {
        if range.is_empty() { range.start } else { self.rng.random_range(range.clone()) }
    }

    /// Throws for every fault, also after one has struck: a changed setting of one does not move the throws of another.
    pub(super) fn fault(&mut self, method: &Method) -> Option<Fault> {
        let gateway = self.rng.random_bool(0.5);
        let error = if gateway { StatusCode::BAD_GATEWAY } else { StatusCode::INTERNAL_SERVER_ERROR };
        let page = if gateway { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        let throttle = FaultKind::Throttle(self.faults.retry_after_seconds);
        let hang = FaultKind::Hang(Duration::from_millis(self.faults.hang_ms));
        let table = [
            ("serverError", self.faults.server_error, false, FaultKind::ServerError(error)),
            ("serverErrorAfter", self.faults.server_error_after, true, FaultKind::ServerError(error)),
            ("throttle", self.faults.throttle, false, throttle),
            ("hang", self.faults.hang, false, hang),
            ("hangAfter", self.faults.hang_after, true, hang),
            ("cut", self.faults.cut, false, FaultKind::Cut),
            ("cutAfter", self.faults.cut_after, true, FaultKind::Cut),
            ("truncate", self.faults.truncate, true, FaultKind::Truncate),
            ("html", self.faults.html, !gateway, FaultKind::Html(page)),
            ("unprocessableAfter", self.faults.unprocessable_after, true, FaultKind::Unprocessable),
            ("storm", self.faults.storm, false, throttle),
        ];
        let throws = table.map(|(name, per_mille, committed, kind)| {
            (self.rng.random_range(0..1000) < per_mille).then_some((name, Fault { committed, kind }))
        });
        let spared = (self.faults.writes_only && method == Method::GET) || self.left == Some(0);
        let thrown = throws.into_iter().flatten().next().filter(|_| !spared);
        let (name, fault) = if self.storm_left > 0 {
            self.storm_left -= 1;
            ("storm", Fault { committed: false, kind: throttle })
        } else {
            let (name, fault) = thrown?;
            if name == "storm" {
                self.storm_left = self.faults.storm_calls.saturating_sub(1);
            }
            (name, fault)
        };
        self.left = self.left.map(|left| left.saturating_sub(1));
        *self.struck.entry(name.to_owned()).or_default() += 1;
        Some(fault)
    }
}

//! The whole sandbox behind its routes: locations, their records, meters and the dice.
//!
//! Each location has its own locks, and no one holds two at a time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::Method;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::api_error::ApiError;
use super::changes::{Changed, Changes};
use super::config::{SandboxConfig, SearchShape};
use super::faults::{Dice, Fault, Faults};
use super::found::SearchFields;
use super::meter::{Admission, Meter};
use super::oauth::{Book, Holder};
use super::requested::{Requested, RequestedError};
use super::seed;
use super::stats::Stats;
use super::store::Store;
use super::version::Version;

/// A location as its owner knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxLocation {
    /// The id of the location.
    pub id: String,
    /// The Private Integration Token: a bearer that opens this location only. It is made up and guards nothing.
    pub token: String,
    /// Its name.
    pub name: String,
    /// IANA name.
    pub time_zone: String,
}

/// What a token opens.
pub(super) struct Grant {
    pub(super) location: Arc<Location>,
    /// Nothing is everything.
    pub(super) scopes: Option<BTreeSet<String>>,
}

impl Grant {
    pub(super) fn covers(&self, scope: &str) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope))
    }
}

/// A location with everything in it.
pub(super) struct Location {
    pub(super) facts: SandboxLocation,
    pub(super) zone: TimeZone,
    /// ISO 3166 code.
    pub(super) country: &'static str,
    /// Ids of those who work here; only they can have written a note.
    pub(super) users: Vec<String>,
    /// What its Private Integration Token may do, if not everything.
    pub(super) scopes: Mutex<Option<BTreeSet<String>>>,
    /// Whether that token was revoked.
    pub(super) revoked: AtomicBool,
    /// Whether two contacts may have one e-mail or phone: a setting of each location's own in GHL.
    pub(super) duplicates: AtomicBool,
    pub(super) store: Mutex<Store>,
    pub(super) meter: Mutex<Meter>,
}

impl Location {
    pub(super) fn public(&self) -> SandboxLocation {
        self.facts.clone()
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    pub(super) fn state(&self) -> Value {
        self.store().state(&self.zone)
    }

    pub(super) fn set_scopes(&self, scopes: Option<BTreeSet<String>>) {
        *lock(&self.scopes) = scopes;
    }

    pub(super) fn set_revoked(&self, revoked: bool) {
        self.revoked.store(revoked, Ordering::Relaxed);
    }

    pub(super) fn allows_duplicates(&self) -> bool {
        self.duplicates.load(Ordering::Relaxed)
    }

    pub(super) fn allow_duplicates(&self, allowed: bool) {
        self.duplicates.store(allowed, Ordering::Relaxed);
    }

    pub(super) fn meter(&self) -> MutexGuard<'_, Meter> {
        lock(&self.meter)
    }
}

pub(super) struct SandboxState {
    started: Instant,
    latency: Range<Duration>,
    pub(super) search_fields: SearchFields,
    locations: Vec<Arc<Location>>,
    changes: Changes,
    dice: Mutex<Dice>,
    search: Mutex<SearchShape>,
    requested: Mutex<Requested>,
    strangers: AtomicU64,
    pub(super) book: Mutex<Book>,
    stopping: watch::Receiver<bool>,
}

impl SandboxState {
    pub(super) fn new(config: &SandboxConfig, stopping: watch::Receiver<bool>) -> Result<Self, jiff::Error> {
        let changes = Changes::default();
        Ok(Self {
            started: Instant::now(),
            latency: config.latency.clone(),
            search_fields: config.search_fields,
            locations: (0..config.locations)
                .map(|index| seed::location(config, index, &changes).map(Arc::new))
                .collect::<Result<_, _>>()?,
            changes,
            dice: Mutex::new(Dice::new(config.seed, config.faults.clone())),
            search: Mutex::new(config.search.clone()),
            requested: Mutex::default(),
            strangers: AtomicU64::new(0),
            book: Mutex::new(Book::new(config.seed)),
            stopping,
        })
    }

    pub(super) fn locations(&self) -> &[Arc<Location>] {
        &self.locations
    }

    pub(super) fn location(&self, id: &str) -> Option<&Arc<Location>> {
        self.locations.iter().find(|location| location.facts.id == id)
    }

    /// Everything that changes in any location from now on.
    pub(super) fn listen(&self) -> UnboundedReceiver<Changed> {
        self.changes.listen()
    }

    /// What a bearer token opens.
    pub(super) fn by_token(&self, token: &str) -> Result<Grant, ApiError> {
        if let Some(location) = self.locations.iter().find(|location| location.facts.token == token) {
            if location.revoked.load(Ordering::Relaxed) {
                return Err(ApiError::unauthorized("Invalid Private Integration token"));
            }
            return Ok(Grant { location: Arc::clone(location), scopes: lock(&location.scopes).clone() });
        }
        let login = lock(&self.book).open(token)?;
        let Holder::Location(id) = &login.holder else { return Err(ApiError::foreign_location()) };
        let location = self.location(id).cloned().ok_or_else(ApiError::foreign_location)?;
        Ok(Grant { location, scopes: Some(login.scopes.split(' ').map(str::to_owned).collect()) })
    }

    pub(super) fn count_stranger(&self) {
        self.strangers.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an arrival. The instant is taken under the meter's lock, so that arrivals are in order.
    pub(super) fn arrive(&self, location: &Location, operation: String) -> Admission {
        let mut meter = location.meter();
        let at_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        meter.arrive(at_us, operation)
    }

    /// Throws the dice for one call.
    pub(super) fn draw_fault(&self, method: &Method) -> (Duration, Option<Fault>) {
        let mut dice = lock(&self.dice);
        (dice.latency(&self.latency), dice.fault(method))
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        lock(&self.dice).set_faults(faults);
    }

    pub(super) fn search_shape(&self) -> SearchShape {
        lock(&self.search).clone()
    }

    pub(super) fn set_search_shape(&self, shape: SearchShape) {
        *lock(&self.search) = shape;
    }

    pub(super) fn request_errors(&self, errors: Vec<RequestedError>) {
        lock(&self.requested).set(errors);
    }

    /// The error of a call, if one was asked for.
    pub(super) fn requested_error(&self, operation: &str, location_id: &str) -> Option<RequestedError> {
        lock(&self.requested).next(operation, location_id)
    }

    /// From now on the clock of GHL is so far ahead of the machine's.
    pub(super) fn set_clock_ahead(&self, ahead: SignedDuration) {
        for location in &self.locations {
            location.store().set_clock_ahead(ahead);
        }
    }

    pub(super) fn set_search_lag(&self, lag: Duration) {
        for location in &self.locations {
            location.store().contacts.set_search_lag(lag);
        }
    }

    /// Ends when the sandbox stops.
    pub(super) async fn stopped(&self) {
        super::stopped(self.stopping.clone()).await;
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            locations: self.locations.iter().map(|place| (place.facts.id.clone(), place.meter().stats())).collect(),
            strangers: self.strangers.load(Ordering::Relaxed),
            faults: lock(&self.dice).struck(),
        }
    }

    pub(super) fn reset_stats(&self) {
        self.strangers.store(0, Ordering::Relaxed);
        lock(&self.dice).forget_struck();
        for location in &self.locations {
            location.meter().reset_stats();
        }
    }
}

/// Who calls: the location whose token was sent, within the sandbox.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) state: Arc<SandboxState>,
    pub(super) location: Arc<Location>,
    pub(super) version: Version,
}

impl Caller {
    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.location.store()
    }

    /// The store, if it holds the contact; else the error that says whether another location does.
    pub(super) fn store_holding(&self, contact: &str) -> Result<MutexGuard<'_, Store>, ApiError> {
        let store = self.store();
        if store.contacts.has(contact) {
            return Ok(store);
        }
        drop(store);
        let elsewhere = self.state.locations.iter().any(|place| place.store().contacts.has(contact));
        Err(if elsewhere { ApiError::foreign_location() } else { ApiError::no_contact(contact) })
    }

    /// Refuses a missing name of a location too.
    pub(super) fn expect_named_location(&self, id: Option<&str>) -> Result<(), ApiError> {
        let id = id.ok_or_else(|| ApiError::unprocessable(vec!["locationId should not be empty".to_owned()]))?;
        self.expect_location(id)
    }

    /// Refuses a location other than the token's.
    pub(super) fn expect_location(&self, id: &str) -> Result<(), ApiError> {
        if id == self.location.facts.id { Ok(()) } else { Err(ApiError::foreign_location()) }
    }
}

/// A lock whose holder panicked still guards whole records: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The data a sandbox starts with: the same for the same seed, and awkward on purpose.
//!
//! Every record is drawn from a stream of its own, so asking for more locations or contacts changes none of those that
//! were there before. All dates are fixed: a seed means the same today and next year.

mod appointments;
mod contacts;
mod custom_fields;
pub(super) mod ids;
mod names;
mod notes;
mod tasks;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use jiff::tz::TimeZone;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::{Value, json};

use super::changes::Changes;
use super::config::SandboxConfig;
use super::contact::text;
use super::meter::Meter;
use super::state::{Location, SandboxLocation};
use super::store::{Kind, Store};

/// Where locations are: time zone, country, name. Half hours, no summer time, and a summer time of half an hour included.
const PLACES: [(&str, &str, &str); 12] = [
    ("America/New_York", "US", "Dogwood Dental"),
    ("Europe/Berlin", "DE", "Bäckerei Grüßgott & Söhne"),
    ("Asia/Kolkata", "IN", "मुंबई Motors"),
    ("Australia/Lord_Howe", "AU", "Lord Howe Dive Co."),
    ("America/Los_Angeles", "US", "Tony's \"Best\" Gym"),
    ("Asia/Kathmandu", "NP", "Everest Treks"),
    ("Europe/London", "GB", "Fish & Chips <Ltd>"),
    ("Pacific/Chatham", "NZ", "Chatham Crayfish"),
    ("America/Sao_Paulo", "BR", "Pão de Açúcar 🥖"),
    ("Asia/Tokyo", "JP", "東京歯科"),
    ("Africa/Casablanca", "MA", "مقهى الدار البيضاء"),
    ("America/St_Johns", "CA", "St. John's Whale Watch"),
];

const USERS: usize = 3;

/// The `index`-th location with all its records.
pub(super) fn location(config: &SandboxConfig, index: usize, changes: &Changes) -> Result<Location, jiff::Error> {
    let (time_zone, country, name) = PLACES[index % PLACES.len()];
    let zone = TimeZone::get(time_zone)?;
    let mut rng = stream(config.seed, index, usize::MAX);
    let facts = SandboxLocation {
        id: ids::record(&mut rng),
        token: ids::token(&mut rng),
        name: name.to_owned(),
        time_zone: time_zone.to_owned(),
    };
    let users: Vec<String> = (0..USERS).map(|_| ids::record(&mut rng)).collect();
    let custom_fields = custom_fields::definitions(&mut rng, &facts.id);
    let calendar = ids::record(&mut rng);
    let mut store = Store::new(&facts.id, country, changes.clone(), rng);
    let (campaign, workflow) = (store.new_id(), store.new_id());
    store.campaigns =
        vec![json!({ "id": campaign, "name": "Spring", "status": "published", "locationId": facts.id })].into();
    store.workflows = vec![json!({
        "id": workflow,
        "name": "Welcome",
        "status": "published",
        "version": 1,
        "createdAt": "2023-01-01T00:00:00.000Z",
        "updatedAt": "2023-01-01T00:00:00.000Z",
        "locationId": facts.id,
    })]
    .into();
    store.calendars = vec![calendar_of(&facts.id, &calendar, &users)].into();
    store.custom_fields = custom_fields.clone().into();
    for number in 0..config.contacts {
        let mut rng = stream(config.seed, index, number);
        let place =
            Place { number, index, location: &facts.id, country, zone: &zone, users: &users, calendar: &calendar };
        let contact = contacts::contact(&mut rng, &place, &custom_fields);
        let id = text(&contact, "id").to_owned();
        for _ in 0..rng.random_range(0..=5) {
            store.put(Kind::Task, &tasks::task(&mut rng, &place, &id));
        }
        for _ in 0..rng.random_range(0..=4) {
            store.put(Kind::Note, &notes::note(&mut rng, &place, &id));
        }
        for _ in 0..rng.random_range(0..=3) {
            store.put(Kind::Appointment, &appointments::appointment(&mut rng, &place, &id));
        }
        store.put_contact(&contact);
    }
    // Only now: what was there from the start is found from the start.
    store.contacts.set_search_lag(config.search_lag);
    Ok(Location {
        facts,
        zone,
        country,
        users,
        scopes: Mutex::new(None),
        revoked: AtomicBool::new(false),
        duplicates: AtomicBool::new(false),
        store: Mutex::new(store),
        meter: Mutex::new(Meter::new(config.limits)),
    })
}

fn calendar_of(location: &str, id: &str, users: &[String]) -> Value {
    json!({
        "id": id,
        "locationId": location,
        "name": "Appointments",
        "description": "",
        "slug": "appointments",
        "widgetSlug": "appointments",
        "calendarType": "round_robin",
        "eventType": "RoundRobin_OptimizeForAvailability",
        "isActive": true,
        "slotDuration": 30,
        "slotDurationUnit": "mins",
        "autoConfirm": true,
        "teamMembers": users.iter().map(|user| json!({ "userId": user, "priority": 0.5 })).collect::<Vec<_>>(),
        "notifications": [],
    })
}

/// What a record is drawn for.
struct Place<'a> {
    /// Of the contact within its location.
    number: usize,
    /// Of the location.
    index: usize,
    location: &'a str,
    country: &'a str,
    zone: &'a TimeZone,
    users: &'a [String],
    calendar: &'a str,
}

/// An own stream of numbers for each (seed, location, contact).
fn stream(seed: u64, location: usize, contact: usize) -> StdRng {
    let place = (location as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let number = (contact as u64).wrapping_add(2).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    StdRng::seed_from_u64(seed ^ place.rotate_left(17) ^ number)
}

/// One of `choices`, which is not empty.
fn one_of<T: Copy + Default>(rng: &mut impl Rng, choices: &[T]) -> T {
    choices.choose(rng).copied().unwrap_or_default()
}

/// Sets an optional field as GHL does: mostly to its value, at times to an explicit null, at times not at all.
fn perhaps(rng: &mut impl Rng, record: &mut Value, field: &str, value: impl Into<Value>) {
    match rng.random_range(0..10) {
        0 => record[field] = Value::Null,
        1 | 2 => {}
        _ => record[field] = value.into(),
    }
}

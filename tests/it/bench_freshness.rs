//! `make bench-freshness`: how soon an edit on one side is on the other, with the limiter on, over Redis and PostgreSQL.
//!
//! In each location a person edits a contact in GHL, another writes a note there, a producer sends an edit, every second; so each location is called
//! at about a fifth of what GHL allows. *Webhook to record* ends when the change is committed; *event to GHL* begins
//! before the request and ends when the simulated GHL has the edit. Then the same once more while a few of the locations are imported, and while
//! all of them are.

#![expect(clippy::unwrap_used, reason = "in a benchmark a panic is the report")]

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ghl_sandbox::{SandboxConfig, WebhookFaults};
use serde_json::json;
use sync_workers::records::{JobFilter, JobKind, JobState, LATEST, Purpose};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep};

mod figures;
#[expect(dead_code, reason = "shared with the tests, which need more of it")]
mod support;

use figures::{Figures, machine};
use support::deployment::{Deployment, Shape};

const LOCATIONS: usize = 20;
/// Of each location; an import of so many lasts longer than a measurement.
const CONTACTS: usize = 1500;
/// Contacts of a location that are edited in one way. None is edited again before its edit has arrived.
const EDITED: usize = 20;
const WORKERS: usize = 2;
/// Locations that are imported in the second and third measurement, which count their edits alone.
const IMPORTED: [usize; 2] = [4, LOCATIONS];
const LASTS: Duration = Duration::from_secs(60);
/// Between two looks at the records.
const LOOK: Duration = Duration::from_millis(5);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    /// The webhook's own fields suffice.
    Contact,
    /// The contact is fetched with all that belongs to it: four calls.
    Note,
    /// An edit of a producer's.
    Event,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Contact, "webhook of a contact to record"),
    (Way::Note, "webhook of a note to record"),
    (Way::Event, "event to GHL"),
];

/// Edits that are on their way, and how long those took that have arrived.
#[derive(Default)]
struct Board {
    begun: HashMap<(Way, String), Instant>,
    figures: HashMap<Way, Figures>,
    /// The contacts whose edits count.
    counted: HashSet<String>,
    /// Edits that were left out, since all contacts had one on its way.
    left_out: usize,
}

impl Board {
    /// The first of the contacts that has no edit on its way, which begins now.
    fn begin(&mut self, way: Way, contacts: &[String]) -> Option<String> {
        let free = contacts.iter().find(|contact| !self.begun.contains_key(&(way, (*contact).clone()))).cloned();
        match &free {
            Some(contact) => drop(self.begun.insert((way, contact.clone()), Instant::now())),
            None => self.left_out += 1,
        }
        free
    }

    fn arrived(&mut self, way: Way, contact: &str) {
        let began = self.begun.remove(&(way, contact.to_owned())).filter(|_| self.counted.contains(contact));
        if let Some(began) = began {
            self.figures.entry(way).or_default().add(began.elapsed());
        }
    }
}

type Shared = Arc<Mutex<Board>>;

fn lock(board: &Shared) -> std::sync::MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = SandboxConfig {
            locations: LOCATIONS,
            contacts: CONTACTS,
            latency: Duration::from_millis(50)..Duration::from_millis(150),
            ..SandboxConfig::default()
        };
        let limits = config.limits;
        println!("{LOCATIONS} locations, in each 3 edits a second in three ways; {WORKERS} workers, PostgreSQL, Redis");
        println!("GHL takes 50 to 150 ms a call, {} in {:?}; measured for {LASTS:?}", limits.burst, limits.interval);
        println!("{}", machine());
        let settings = [
            ("RUST_LOG", "error"),
            ("CLIENTY_SWEEP_EVERY_MINUTES", "0"),
            ("CLIENTY_SWEEP_FULL_MINUTES", "0"),
            ("CLIENTY_SWEEP_DETAILS_HOURS", "0"),
        ];
        let place = Deployment::start(Shape::Workers(WORKERS), config, WebhookFaults::default(), &settings).await;
        let place = Arc::new(place);
        let locations = know_contacts(&place).await;
        println!("{:<46} {:>6} {:>9} {:>9} {:>9} {:>8}", "", "edits", "p50 ms", "p99 ms", "max ms", "left out");
        measure(&place, &locations, LOCATIONS, "alone").await;
        let mut begun = 0;
        for imported in IMPORTED {
            begin_imports(&place, begun..imported).await;
            begun = imported;
            measure(&place, &locations, imported, &format!("{imported} imported")).await;
        }
        place.assert_never_over_the_limit();
        println!("{}", machine());
    });
}

/// Fetches the contacts that will be edited, by location.
async fn know_contacts(place: &Deployment) -> Vec<(String, Vec<String>)> {
    let mut locations = Vec::new();
    for location in place.sandbox.locations() {
        let state = place.sandbox.state(&location.id).unwrap();
        let ids =
            state["contacts"].as_array().unwrap().iter().map(|contact| contact["id"].as_str().unwrap().to_owned());
        let ids: Vec<_> = ids.take(EDITED * WAYS.len()).collect();
        let selected =
            ids.iter().map(|id| json!({"type": "contact.selected", "locationId": location.id, "contactId": id}));
        place.api.accepted(&selected.collect::<Vec<_>>().into()).await;
        locations.push((location.id, ids));
    }
    place.until_quiet().await;
    locations
}

/// Begins to import these of the locations, and waits for the first page, which is the largest.
async fn begin_imports(place: &Deployment, which: Range<usize>) {
    for location in &place.sandbox.locations()[which] {
        place.records.begin_scan(&location.id, Purpose::Import, false, 0).await.unwrap().unwrap();
    }
    // The requeuer reports the queue of them within a minute.
    let (state, kind) = (Some(JobState::Running), Some(JobKind::WalkContacts.as_str().to_owned()));
    let running = JobFilter { state, kind, ..JobFilter::default() };
    while place.records.list_jobs(&running, 1).await.unwrap().is_empty() {
        sleep(LOOK).await;
    }
}

/// Counts the edits of the first `counted` locations.
async fn measure(place: &Arc<Deployment>, locations: &[(String, Vec<String>)], counted: usize, when: &str) {
    let board = Shared::default();
    lock(&board).counted.extend(locations.iter().take(counted).flat_map(|(_, contacts)| contacts.clone()));
    let mut watching = JoinSet::new();
    watching.spawn(watch_records(Arc::clone(place), Arc::clone(&board)));
    watching.spawn(watch_ghl(Arc::clone(place), Arc::clone(&board)));
    let calls = || place.sandbox.stats().locations.values().map(|stats| stats.calls).sum::<u64>();
    let (before, began) = (calls(), Instant::now());
    let mut people = JoinSet::new();
    for (index, (location, contacts)) in locations.iter().enumerate() {
        // Not all in the same moment of each second.
        let start = began + Duration::from_secs(1).mul_f64(index as f64 / LOCATIONS as f64);
        let (place, board) = (Arc::clone(place), Arc::clone(&board));
        people.spawn(edit(place, board, location.clone(), contacts.clone(), start));
    }
    people.join_all().await;
    let rate = (calls() - before) as f64 / began.elapsed().as_secs_f64() / LOCATIONS as f64;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !lock(&board).begun.is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(100)).await;
    }
    let mut board = lock(&board);
    let (lost, left_out) = (board.begun.len(), board.left_out);
    for (way, name) in WAYS {
        let figures = board.figures.entry(way).or_default();
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| figures.ms(part));
        let (name, count) = (format!("{name}, {when}"), figures.count());
        println!("{name:<46} {count:>6} {half:>9.0} {most:>9.0} {all:>9.0} {left_out:>8}");
    }
    println!("  {rate:.1} calls a second and location; {lost} edits had not arrived a minute later");
}

/// One location's people, every second of the measurement.
async fn edit(place: Arc<Deployment>, board: Shared, location: String, contacts: Vec<String>, start: Instant) {
    let mut ticks = interval_at(start, Duration::from_secs(1));
    let groups: Vec<_> = contacts.chunks(EDITED).collect();
    while ticks.tick().await < start + LASTS {
        let text = format!("{:?}", start.elapsed());
        for ((way, _), contacts) in WAYS.into_iter().zip(&groups) {
            let Some(contact) = lock(&board).begin(way, contacts) else { continue };
            match way {
                Way::Contact => {
                    let path = format!("{location}/contacts/{contact}");
                    place.at_the_terminal("PUT", &path, json!({"city": text})).await;
                }
                Way::Note => {
                    let note = json!({"contactId": contact, "body": text});
                    place.at_the_terminal("POST", &format!("{location}/notes"), note).await;
                }
                Way::Event => {
                    let event = json!({"type": "contact.updated", "locationId": location, "contactId": contact, "data": {"city": text}});
                    place.api.accepted(&event).await;
                }
            }
        }
    }
}

/// Sees what is committed to the records.
async fn watch_records(place: Arc<Deployment>, board: Shared) {
    let mut cursor = LATEST.to_owned();
    loop {
        let page = place.records.list_changes(Some(&cursor), 1000).await.unwrap();
        for change in &page.items {
            let way = if change.record == "note" { Way::Note } else { Way::Contact };
            lock(&board).arrived(way, &change.contact_id);
        }
        cursor = page.next_cursor.unwrap();
        if page.items.is_empty() {
            sleep(LOOK).await;
        }
    }
}

/// GHL, as it gets our edits.
async fn watch_ghl(place: Arc<Deployment>, board: Shared) {
    let mut changes = place.sandbox.changes();
    while let Some(change) = changes.recv().await {
        lock(&board).arrived(Way::Event, &change.contact);
    }
}

//! Connections, and the database itself.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use job_engine::{Claiming, ColdStart, Limit, Queue};
use secrecy::{ExposeSecret, SecretString};
use sync_workers::reconcile_scheduler::{self, Periods};
use sync_workers::records::*;
use sync_workers::vault::{MasterKeys, Vault, VaultError};

use crate::support::*;

promises! {
    a_connection_keeps_its_token_sealed,
    a_location_moves_to_another_version_of_the_api_and_stays_there,
    one_refresh_of_a_generation_at_a_time,
    an_uninstall_older_than_the_token_changes_nothing,
    a_private_integration_is_not_uninstalled,
    a_location_that_is_disconnected_is_walked_no_more,
    an_install_comes_back_once_and_its_trace_goes,
    calls_of_a_company_are_spaced,
    after_the_clock_was_set_back_tokens_are_refreshed_and_calls_are_paced_as_before,
    migrating_twice_changes_nothing,
}

async fn a_connection_keeps_its_token_sealed(db: Db) {
    let records = &db.records;
    let stored = records.token(&location()).await.unwrap().unwrap();
    let sealed = stored.access.unwrap();
    assert_eq!(vault().open(&sealed, LOC).unwrap().expose_secret(), "pit-token");
    let other = Vault::new(MasterKeys::new([("k1".to_owned(), &[2; 32])]).unwrap());
    let refused = other.open(&sealed, LOC).unwrap_err();
    assert_eq!(refused, VaultError::NotOpened { key_id: "k1".to_owned() });

    records.set_time_zone(LOC, "Europe/Vienna").await.unwrap();
    let new = vault().seal(&SecretString::from("second"), LOC).unwrap();
    records.save_connection(LOC, ConnectionKind::Oauth, &new, Some("Main street"), None).await.unwrap();
    let connection = records.list_connections().await.unwrap().remove(0);
    assert_eq!((connection.time_zone.as_deref(), connection.state.as_str()), (Some("Europe/Vienna"), "active"));
    assert_eq!((connection.kind, connection.name.as_deref()), (ConnectionKind::Oauth, Some("Main street")));
    let stored = records.token(&location()).await.unwrap().unwrap();
    assert_eq!((stored.access, stored.generation), (Some(new), 2));
    let asked = [LOC.to_owned(), "nowhere".to_owned()];
    assert_eq!(records.known_locations(&asked).await.unwrap(), HashSet::from([LOC.to_owned()]));
}

async fn a_location_moves_to_another_version_of_the_api_and_stays_there(db: Db) {
    let records = &db.records;
    let api = async || records.connection(LOC).await.unwrap().unwrap().api;
    assert_eq!(api().await, None);
    assert!(records.set_api(LOC, "v3").await.unwrap());
    assert!(!records.set_api("nowhere", "v3").await.unwrap());
    let token = vault().seal(&SecretString::from("second"), LOC).unwrap();
    records.save_connection(LOC, ConnectionKind::Pit, &token, None, None).await.unwrap();
    assert_eq!(api().await.as_deref(), Some("v3"));
    assert_eq!(records.list_connections().await.unwrap()[0].api.as_deref(), Some("v3"));
}

/// A new pair, of which the access token is called so.
fn pair(name: &str) -> NewToken {
    let seal = |text: &str, owner: &str| Some(vault().seal(&SecretString::from(text), owner).unwrap());
    NewToken {
        access: seal(name, LOC),
        refresh: seal(&format!("{name}-refresh"), &location().refresh_key()),
        expires_at: Some("2026-06-02T12:00:00Z".parse().unwrap()),
        scopes: Some("contacts.readonly".to_owned()),
        missing_scopes: String::new(),
    }
}

fn location() -> Holder {
    Holder::Location(LOC.to_owned())
}

async fn one_refresh_of_a_generation_at_a_time(db: Db) {
    let (records, until) = (&db.records, "2026-06-01T12:00:30Z".parse().unwrap());
    records.connect(LOC, ConnectionKind::Oauth, None, &pair("first"), None, None).await.unwrap();
    let generation = records.token(&location()).await.unwrap().unwrap().generation;
    assert!(records.begin_refresh(&location(), generation - 1, until).await.unwrap().is_none(), "it is another by now");
    let fence = records.begin_refresh(&location(), generation, until).await.unwrap().unwrap();
    assert_eq!(
        records.begin_refresh(&location(), generation, until).await.unwrap(),
        None,
        "somebody refreshes already"
    );
    assert_eq!(records.due_tokens(None, "2027-01-01T00:00:00Z".parse().unwrap(), 10).await.unwrap(), []);

    // Its holder is dead: the next one takes over, and knows that the refresh token may be spent.
    db.clock.set("2026-06-01T12:00:31Z".parse().unwrap());
    let later = "2026-06-01T12:01:30Z".parse().unwrap();
    let next = records.begin_refresh(&location(), generation, later).await.unwrap().unwrap();
    assert_eq!(next, fence + 1);
    assert!(records.token(&location()).await.unwrap().unwrap().unsure);
    let failed = Failed { state: TokenState::Lost, reason: "cut off".to_owned(), rest_until: None, unsure: true };
    assert!(!records.fail_refresh(&location(), generation, fence, &failed).await.unwrap(), "the old one has no say");
    assert!(records.fail_refresh(&location(), generation, next, &failed).await.unwrap());
    assert_eq!(records.token(&location()).await.unwrap().unwrap().state, TokenState::Lost);
    assert_eq!(records.begin_refresh(&location(), generation, later).await.unwrap(), None, "nobody tries it any more");

    // The old one was not dead after all, and holds the only pair that works.
    assert!(records.finish_refresh(&location(), generation, &pair("second"), false).await.unwrap());
    let stored = records.token(&location()).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.unsure, stored.generation), (TokenState::Active, false, generation + 1));
    assert_eq!(vault().open(&stored.access.unwrap(), LOC).unwrap().expose_secret(), "second");
    assert!(!records.finish_refresh(&location(), generation, &pair("third"), false).await.unwrap(), "a lost race");
}

async fn an_uninstall_older_than_the_token_changes_nothing(db: Db) {
    let records = &db.records;
    records.connect(LOC, ConnectionKind::Oauth, None, &pair("first"), None, None).await.unwrap();
    assert!(!records.uninstall(&location(), "2026-06-01T11:59:59Z".parse().unwrap()).await.unwrap());
    assert!(records.token(&location()).await.unwrap().is_some());
    assert!(records.uninstall(&location(), NOW.parse().unwrap()).await.unwrap());
    assert!(records.token(&location()).await.unwrap().is_none());
    assert_eq!(records.known_locations(&[LOC.to_owned()]).await.unwrap(), HashSet::new());
    records.connect(LOC, ConnectionKind::Oauth, None, &pair("second"), None, None).await.unwrap();
    assert_eq!(records.known_locations(&[LOC.to_owned()]).await.unwrap().len(), 1);
}

async fn a_private_integration_is_not_uninstalled(db: Db) {
    assert!(!db.records.uninstall(&location(), "2027-01-01T00:00:00Z".parse().unwrap()).await.unwrap());
    assert!(db.records.token(&location()).await.unwrap().is_some());
}

async fn a_location_that_is_disconnected_is_walked_no_more(db: Db) {
    let records = &db.records;
    let scan = records.begin_scan(LOC, Purpose::Import, false, 0).await.unwrap().unwrap();
    assert!(records.disconnect(LOC).await.unwrap());
    assert!(!records.disconnect(LOC).await.unwrap() && !records.disconnect("nowhere").await.unwrap());
    assert!(records.token(&location()).await.unwrap().is_none());
    assert!(!records.connection(LOC).await.unwrap().unwrap().is_connected());
    let ended = records.scan(&scan.id).await.unwrap().unwrap();
    assert!(ended.finished_at_ms.is_some());
    assert_eq!(records.open_jobs(None, 0, 0, 10).await.unwrap(), []);
    let second = Duration::from_secs(1);
    let limit = Limit { burst: 100, interval: second, call_timeout: second, reserve: 0, daily: 1000 };
    let queue = Queue::memory(1, limit, Claiming::default(), ColdStart::Unspent);
    let always = Periods { reconcile: Some(Duration::ZERO), full: None, details: None };
    reconcile_scheduler::round(records, &queue, &db.clock, always).await.unwrap();
    assert_eq!(records.latest_scan(LOC, Purpose::Reconcile).await.unwrap(), None);

    let token = vault().seal(&SecretString::from("second"), LOC).unwrap();
    records.save_connection(LOC, ConnectionKind::Pit, &token, None, None).await.unwrap();
    // Connected again, an import goes on where it was.
    assert!(records.resume_scan(&ended).await.unwrap());
    assert_eq!(records.open_jobs(None, 0, 0, 10).await.unwrap().len(), 1);
}

async fn an_install_comes_back_once_and_its_trace_goes(db: Db) {
    let now = db.clock.now_ms();
    let spent = async |nonce: &str| db.records.is_install_spent(nonce).await.unwrap();
    assert!(!spent("n1").await, "what was begun is not stored");
    let both = tokio::join!(db.records.spend_install("n1", now + 500), db.records.spend_install("n1", now + 500));
    assert!(both.0.unwrap() ^ both.1.unwrap(), "one of two comes back");
    assert!(!db.records.spend_install("n1", now + 500).await.unwrap() && spent("n1").await);
    db.clock.set("2026-06-01T12:00:01Z".parse().unwrap());
    assert!(db.records.spend_install("n2", now + 5000).await.unwrap());
    assert!(!spent("n1").await && spent("n2").await, "what is refused for its age is forgotten");
}

async fn calls_of_a_company_are_spaced(db: Db) {
    let company = Holder::Company("c1".to_owned());
    db.records.connect_company("c1", &pair("first")).await.unwrap();
    let mut at = Vec::new();
    while let Some(next) = db.records.pace_company(&company, 500, 1000).await.unwrap() {
        at.push(next.as_millisecond() - db.clock.now_ms());
    }
    assert_eq!(at, [0, 500, 1000]);
    assert!(db.records.is_to_list(&company, 1000).await.unwrap());
    assert!(!db.records.is_to_list(&company, 1000).await.unwrap(), "somebody does so now");
    assert!(db.records.relist(&company).await.unwrap() && db.records.is_to_list(&company, 1000).await.unwrap());
}

/// What lies further ahead than it can was written by a clock that was set back since, and holds up nobody.
async fn after_the_clock_was_set_back_tokens_are_refreshed_and_calls_are_paced_as_before(db: Db) {
    let records = &db.records;
    let (before, now): (Timestamp, Timestamp) = ("2026-06-01T14:00:00Z".parse().unwrap(), NOW.parse().unwrap());
    let lease = SignedDuration::from_secs(90);
    let soon: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    db.clock.set(before);
    records.connect(LOC, ConnectionKind::Oauth, None, &pair("first"), None, None).await.unwrap();
    let generation = records.token(&location()).await.unwrap().unwrap().generation;
    let fence = records.begin_refresh(&location(), generation, before + lease).await.unwrap().unwrap();
    let company = Holder::Company("c1".to_owned());
    records.connect_company("c1", &NewToken { expires_at: None, ..pair("company") }).await.unwrap();
    for _ in 0..3 {
        records.pace_company(&company, 500, 1000).await.unwrap().unwrap();
    }
    db.clock.set(now);
    assert_eq!(records.due_tokens(None, soon, 10).await.unwrap().len(), 1, "nobody can hold it until then");
    let next = records.begin_refresh(&location(), generation, now + lease).await.unwrap();
    assert_eq!(next, Some(fence + 1));
    assert_eq!(records.begin_refresh(&location(), generation, now + lease).await.unwrap(), None, "it is held as ever");
    let at = records.pace_company(&company, 500, 1000).await.unwrap();
    assert_eq!(at, Some(now));

    let rest = SignedDuration::from_hours(3);
    let resting = |until| Failed {
        state: TokenState::Active,
        reason: "throttled".to_owned(),
        rest_until: Some(until),
        unsure: false,
    };
    assert!(records.fail_refresh(&location(), generation, fence + 1, &resting(now + rest)).await.unwrap());
    assert_eq!(records.due_tokens(None, soon, 10).await.unwrap().len(), 1, "no rest lasts that long");
    let fence = records.begin_refresh(&location(), generation, now + lease).await.unwrap().unwrap();
    let rest = SignedDuration::from_mins(30);
    assert!(records.fail_refresh(&location(), generation, fence, &resting(now + rest)).await.unwrap());
    assert_eq!(records.due_tokens(None, soon, 10).await.unwrap(), []);
}

async fn migrating_twice_changes_nothing(db: Db) {
    db.pull(1, &pulled("c1", &[])).await;
    assert_eq!(db.records.pending_migrations().await.unwrap(), [""; 0]);
    db.records.migrate().await.unwrap();
    db.records.ping().await.unwrap();
    assert_eq!(db.records.is_sqlite(), db.folder.is_some());
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_some());
}

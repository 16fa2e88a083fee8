//! API keys: what opens them and for how long, and which locations a question of theirs is about.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use sync_workers::events::IncomingEvent;
use sync_workers::records::*;

use crate::support::*;

promises! {
    a_revoked_or_rotated_key_is_refused,
    the_old_secret_opens_for_the_overlap_and_no_older_one_for_longer,
    a_key_ends_when_it_was_to_end,
    the_use_of_a_key_is_noted_by_the_hour,
    a_key_of_an_earlier_release_is_producer_and_reader_of_all,
    an_earlier_release_lets_no_key_pass_that_has_roles,
    a_key_sees_its_locations_and_no_other_in_every_question,
    an_agencys_key_follows_installs,
}

/// What the text opens.
async fn opened(db: &Db, text: &str) -> Option<ApiKey> {
    db.records.authenticate(text).await.unwrap().map(|opened| opened.key)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn made(db: &Db, new: NewKey) -> (ApiKey, String) {
    let (key, text) = db.records.create_key(&new).await.unwrap();
    assert_eq!(opened(db, text.expose_secret()).await, Some(key.clone()));
    (key, text.expose_secret().to_owned())
}

/// The records as a key of these locations sees them.
async fn seen_from(db: &Db, places: &[&str]) -> Records {
    let places = places.iter().map(|place| place.parse().unwrap()).collect();
    let new = NewKey { locations: Places::Listed(places), ..NewKey::of_all("one") };
    let (key, _) = made(db, new).await;
    db.records.on_behalf_of(Principal::of_key(&key, None))
}

async fn a_revoked_or_rotated_key_is_refused(db: Db) {
    let records = &db.records;
    let (key, text) = records.create_key(&NewKey::of_all("importer")).await.unwrap();
    let text = text.expose_secret();
    let (prefix, secret) = text.split_at(4 + key.id.len());
    assert_eq!((prefix, secret.len()), (format!("cs_{}_", key.id).as_str(), 43));
    assert_eq!(records.authenticate(text).await.unwrap().map(|opened| opened.key), Some(key.clone()));
    for wrong in ["", "cs_", "cs__", &text[..text.len() - 1], &text.replacen("cs_", "", 1), "cs_0_\0", "cs_\0_x"] {
        assert_eq!(records.authenticate(wrong).await.unwrap(), None, "{wrong}");
    }
    let rotated = records.rotate_key(&key.id, Duration::ZERO, None).await.unwrap().unwrap();
    assert_eq!(records.authenticate(text).await.unwrap(), None);
    assert_eq!(
        records.authenticate(rotated.expose_secret()).await.unwrap().map(|opened| opened.key),
        Some(key.clone())
    );

    assert!(records.revoke_key(&key.id).await.unwrap());
    assert!(!records.revoke_key(&key.id).await.unwrap());
    assert_eq!(records.authenticate(rotated.expose_secret()).await.unwrap(), None);
    assert!(records.rotate_key(&key.id, Duration::ZERO, None).await.unwrap().is_none());
    assert_eq!(records.list_keys().await.unwrap()[0].revoked_at, Some(db.clock.now()));
}

async fn the_old_secret_opens_for_the_overlap_and_no_older_one_for_longer(db: Db) {
    let (key, first) = made(&db, NewKey::of_all("importer")).await;
    let rotate = async |overlap| {
        let text = db.records.rotate_key(&key.id, Duration::from_secs(overlap), None).await.unwrap().unwrap();
        text.expose_secret().to_owned()
    };
    let second = rotate(3600).await;
    let reported = db.records.authenticate(&first).await.unwrap().unwrap();
    assert_eq!(reported.secret_ends_at, Some(at("2026-06-01T13:00:00Z")));
    assert_eq!(db.records.authenticate(&second).await.unwrap().unwrap().secret_ends_at, None);
    db.clock.set(at("2026-06-01T12:30:00Z"));
    let third = rotate(60).await;
    let open = async || {
        let mut open = Vec::new();
        for text in [&first, &second, &third] {
            open.push(opened(&db, text).await.is_some());
        }
        open
    };
    assert_eq!(open().await, [true, true, true]);
    db.clock.set(at("2026-06-01T12:31:00Z"));
    assert_eq!(open().await, [false, false, true], "the shorter overlap holds for all of them");
    assert!(db.records.revoke_key(&key.id).await.unwrap());
    assert_eq!(open().await, [false, false, false]);
}

async fn a_key_ends_when_it_was_to_end(db: Db) {
    let end = at("2026-06-02T12:00:00Z");
    let (key, text) = made(&db, NewKey { expires_at: Some(end), ..NewKey::of_all("guest") }).await;
    let ending = async || db.records.count_ending_keys().await.unwrap();
    made(&db, NewKey { expires_at: Some(at("2026-06-16T12:00:00Z")), ..NewKey::of_all("later") }).await;
    db.clock.set(at("2026-06-02T11:59:59Z"));
    assert_eq!(ending().await, 1, "the other has a second more than 14 days");
    assert!(opened(&db, &text).await.is_some());
    db.clock.set(end);
    assert_eq!(opened(&db, &text).await, None);
    assert_eq!(ending().await, 1, "the one has ended, the other will");
    let later = at("2026-07-01T00:00:00Z");
    let renewed = db.records.rotate_key(&key.id, Duration::from_secs(60), Some(later)).await.unwrap().unwrap();
    assert_eq!(opened(&db, renewed.expose_secret()).await.unwrap().expires_at, Some(later));
}

async fn the_use_of_a_key_is_noted_by_the_hour(db: Db) {
    let (key, _) = made(&db, NewKey::of_all("importer")).await;
    let noted = async || db.records.list_keys().await.unwrap()[0].last_used_at;
    assert_eq!(noted().await, None);
    for (used, hour) in [
        ("2026-06-01T12:34:56Z", "2026-06-01T12:00:00Z"),
        ("2026-06-01T11:00:00Z", "2026-06-01T12:00:00Z"),
        ("2026-06-01T13:00:00Z", "2026-06-01T13:00:00Z"),
    ] {
        db.records.note_key_use(&key.id, at(used)).await.unwrap();
        assert_eq!(noted().await, Some(at(hour)), "{used}");
    }
}

/// What an earlier release writes.
async fn made_by_an_earlier_release(db: &Db, id: &str) {
    let (key, text) = made(db, NewKey::of_all("of now")).await;
    let secret = text.strip_prefix(&format!("cs_{}_", key.id)).unwrap();
    let insert = "insert into api_keys (id, name, hash, created_at) select cast($1 as text), 'of before', hash, created_at from key_secrets";
    sqlx::query(insert).bind(id).execute(&db.pool().await).await.unwrap();
    let old = format!("cs_{id}_{secret}");
    let key = opened(db, &old).await.unwrap();
    assert!(key.predates_roles);
    assert_eq!((key.roles, key.locations, key.reads_people), (Role::BEFORE.to_vec(), Places::All, true));
    let rotated = db.records.rotate_key(id, Duration::from_secs(60), None).await.unwrap().unwrap();
    assert!(opened(db, &old).await.is_some(), "within the overlap");
    assert!(opened(db, rotated.expose_secret()).await.is_some());
    db.clock.set(at("2026-06-01T12:01:00Z"));
    assert!(opened(db, &old).await.is_none() && opened(db, rotated.expose_secret()).await.is_some());
}

async fn a_key_of_an_earlier_release_is_producer_and_reader_of_all(db: Db) {
    made_by_an_earlier_release(&db, "abcdef012345").await;
}

async fn an_earlier_release_lets_no_key_pass_that_has_roles(db: Db) {
    let (key, _) = made(&db, NewKey { roles: vec![Role::Reader], ..NewKey::of_all("reader") }).await;
    db.records.rotate_key(&key.id, Duration::ZERO, None).await.unwrap().unwrap();
    let query = "select count(*) from api_keys join key_secrets on key_secrets.hash = api_keys.hash";
    let known: i64 = sqlx::query_scalar(query).fetch_one(&db.pool().await).await.unwrap();
    assert_eq!(known, 0, "it looks in api_keys.hash alone");
}

async fn a_key_sees_its_locations_and_no_other_in_every_question(db: Db) {
    let token = vault().seal(&"pit-token".to_owned().into(), "loc2").unwrap();
    db.records.save_connection("loc2", ConnectionKind::Pit, &token, None, None).await.unwrap();
    let mut jobs = Vec::new();
    for number in 0..20 {
        let mut trigger = edited(new_task(&format!("t{number}"), "c1", "Call"));
        trigger.event.location_id = format!("loc{}", number % 3 % 2 + 1);
        jobs.push((trigger.event.location_id.clone(), db.records.accept(&[trigger]).await.unwrap().remove(0).job_id));
    }
    for (places, mine) in
        [(vec!["loc1"], vec!["loc1"]), (vec!["loc2"], vec!["loc2"]), (vec!["loc3", "agency:c"], vec![])]
    {
        let records = seen_from(&db, &places).await;
        let is_mine = |location: &str| mine.contains(&location);
        for location in ["loc1", "loc2", "loc3"] {
            let seen = places.contains(&location);
            assert_eq!(records.sees(location).await.unwrap(), seen, "{location} by {places:?}");
        }
        let connections = records.list_connections().await.unwrap();
        assert_eq!(connections.into_iter().map(|one| one.location_id).collect::<Vec<_>>(), mine);
        let listed = records.list_jobs(&JobFilter::default(), 100).await.unwrap();
        let mut expected: Vec<_> = jobs.iter().filter(|(location, _)| is_mine(location)).map(|(_, id)| id).collect();
        expected.sort_by(|one, other| other.cmp(one));
        assert_eq!(listed.iter().map(|job| &job.id).collect::<Vec<_>>(), expected);
        for (location, id) in &jobs {
            assert_eq!(records.job(id).await.unwrap().is_some(), is_mine(location), "{id} of {location} by {places:?}");
        }
        // By pages of each size, the feed has each of its entries once and none of another.
        let whole = db.records.list_changes(None, 100).await.unwrap().items;
        let whole: Vec<_> = whole.into_iter().filter(|item| is_mine(&item.location_id)).map(|item| item.seq).collect();
        for limit in [1, 3, 100] {
            let (mut cursor, mut read) = (None, Vec::new());
            loop {
                let page = records.list_changes(cursor.as_deref(), limit).await.unwrap();
                let is_last = page.next_cursor == cursor;
                read.extend(page.items.into_iter().map(|item| item.seq));
                cursor = page.next_cursor;
                if is_last {
                    break;
                }
            }
            assert_eq!(read, whole, "{places:?} by {limit}");
        }
        for location in ["loc1", "loc2", "nowhere"] {
            let mut trigger = edited(new_task("new", "c1", "Call"));
            trigger.event.location_id = location.to_owned();
            match records.accept(&[selected_in(mine.first(), "c9"), trigger]).await {
                Ok(_) => assert!(is_mine(location), "{location} by {places:?}"),
                Err(AcceptError::Refused(refusal)) => {
                    assert!(!is_mine(location), "{location} by {places:?}");
                    let index = usize::from(!mine.is_empty());
                    let message = "no such location is connected".to_owned();
                    assert_eq!(refusal, Refusal { index, field: "locationId", message });
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn selected_in(location: Option<&&str>, contact_id: &str) -> IncomingEvent {
    let mut trigger = selected(None, contact_id);
    trigger.event.location_id = location.map_or("elsewhere", |location| *location).to_owned();
    trigger
}

async fn an_agencys_key_follows_installs(db: Db) {
    let install = async |location: &str, company: Option<&str>| {
        let token = NewToken {
            access: Some(vault().seal(&"token".to_owned().into(), location).unwrap()),
            refresh: None,
            expires_at: None,
            scopes: None,
            missing_scopes: String::new(),
        };
        db.records.connect(location, ConnectionKind::Oauth, company, &token, None, None).await.unwrap();
    };
    let records = seen_from(&db, &["loc9", "agency:c1"]).await;
    let seen = async || {
        let mut seen = Vec::new();
        for location in ["a", "b", "loc1", "loc9", "c1", "agency:c1"] {
            if records.sees(location).await.unwrap() {
                seen.push(location);
            }
        }
        seen
    };
    assert_eq!(seen().await, ["loc9"]);
    install("a", Some("c1")).await;
    install("b", Some("c2")).await;
    assert_eq!(seen().await, ["a", "loc9"]);
    install("b", Some("c1")).await;
    assert_eq!(seen().await, ["a", "b", "loc9"]);
    install("a", Some("c2")).await;
    assert!(db.records.disconnect("b").await.unwrap());
    assert_eq!(seen().await, ["loc9"]);
}

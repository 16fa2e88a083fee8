//! Connections, API keys, and the database itself.

use std::collections::HashSet;

use secrecy::{ExposeSecret, SecretString};
use sync_workers::records::*;
use sync_workers::vault::{MasterKeys, Vault, VaultError};

use crate::support::*;

promises! {
    a_connection_keeps_its_token_sealed,
    a_location_moves_to_another_version_of_the_api_and_stays_there,
    a_revoked_or_rotated_key_is_refused,
    migrating_twice_changes_nothing,
}

async fn a_connection_keeps_its_token_sealed(db: Db) {
    let records = &db.records;
    let connection = records.connection(LOC).await.unwrap().unwrap();
    assert_eq!(vault().open(&connection.token, LOC).unwrap().expose_secret(), "pit-token");
    let other = Vault::new(MasterKeys::new([("k1".to_owned(), &[2; 32])]).unwrap());
    let refused = other.open(&connection.token, LOC).unwrap_err();
    assert_eq!(refused, VaultError::NotOpened { key_id: "k1".to_owned() });

    let new = vault().seal(&SecretString::from("second"), LOC).unwrap();
    assert!(records.replace_token(LOC, &connection.token, &new).await.unwrap());
    assert!(!records.replace_token(LOC, &connection.token, &new).await.unwrap(), "the loser of a race keeps nothing");
    records.set_time_zone(LOC, "Europe/Vienna").await.unwrap();
    records.set_connection_state(LOC, "revoked").await.unwrap();
    let connection = records.list_connections().await.unwrap().remove(0);
    assert_eq!((connection.time_zone.as_deref(), connection.state.as_str()), (Some("Europe/Vienna"), "revoked"));
    records.save_connection(LOC, ConnectionKind::Oauth, &new, Some("Main street"), None).await.unwrap();
    let connection = records.connection(LOC).await.unwrap().unwrap();
    assert_eq!((connection.time_zone.as_deref(), connection.state.as_str()), (Some("Europe/Vienna"), "active"));
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

async fn a_revoked_or_rotated_key_is_refused(db: Db) {
    let records = &db.records;
    let (key, text) = records.create_key("importer").await.unwrap();
    let text = text.expose_secret();
    let (prefix, secret) = text.split_at(4 + key.id.len());
    assert_eq!((prefix, secret.len()), (format!("cs_{}_", key.id).as_str(), 43));
    assert_eq!(records.authenticate(text).await.unwrap(), Some(key.clone()));
    for wrong in ["", "cs_", "cs__", &text[..text.len() - 1], &text.replacen("cs_", "", 1), "cs_0_\0", "cs_\0_x"] {
        assert_eq!(records.authenticate(wrong).await.unwrap(), None, "{wrong}");
    }
    let rotated = records.rotate_key(&key.id).await.unwrap().unwrap();
    assert_eq!(records.authenticate(text).await.unwrap(), None);
    assert_eq!(records.authenticate(rotated.expose_secret()).await.unwrap(), Some(key.clone()));

    assert!(records.revoke_key(&key.id).await.unwrap());
    assert!(!records.revoke_key(&key.id).await.unwrap());
    assert_eq!(records.authenticate(rotated.expose_secret()).await.unwrap(), None);
    assert!(records.rotate_key(&key.id).await.unwrap().is_none());
    assert_eq!(records.list_keys().await.unwrap()[0].revoked_at, Some(db.clock.now()));
}

async fn migrating_twice_changes_nothing(db: Db) {
    db.pull(1, &pulled("c1", &[])).await;
    assert_eq!(db.records.pending_migrations().await.unwrap(), [""; 0]);
    db.records.migrate().await.unwrap();
    db.records.ping().await.unwrap();
    assert_eq!(db.records.is_sqlite(), db.folder.is_some());
    assert!(db.records.contact_view(LOC, "c1").await.unwrap().is_some());
}

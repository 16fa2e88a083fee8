//! `audit`: what was done is listed, exported, and verified against tampering.

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use crate::support::installation::Installation;

#[tokio::test]
async fn what_a_person_did_is_listed_exported_and_verified() {
    let installation = Installation::new(&[("USER", "ada")]).await;
    let key = installation.json(&["keys", "create", "--name", "crm", "--role", "reader", "--expires", "90d"]);
    installation.json(&["keys", "revoke", key["id"].as_str().unwrap()]);

    let list = |more: &[&str]| {
        let reported = installation.json(&[&["audit", "list", "--actor", "ada"], more].concat());
        let rows = reported["audit"].as_array().unwrap().clone();
        rows.into_iter().map(|row| (row["action"].as_str().unwrap().to_owned(), row)).collect::<Vec<_>>()
    };
    let reported = list(&["--action", "key.create"]);
    // The installation has made a key of its own before.
    assert_eq!(reported.len(), 2);
    let made = &reported[0].1;
    assert_eq!((&made["target"], &made["actorKind"]), (&key["id"], &json!("cli")));
    assert_eq!((&made["details"]["roles"], &made["details"]["locations"]), (&json!(["reader"]), &json!("*")));
    let text = String::from_utf8(installation.run(&["audit", "list"]).stdout).unwrap();
    assert!(text.contains("key.revoke") && text.contains("cli:ada"), "{text}");
    assert!(!text.contains(key["key"].as_str().unwrap()));

    let verified = installation.json(&["audit", "verify"]);
    assert_eq!((&verified["faultCount"], &verified["faults"]), (&json!(0), &json!([])));
    let kept = format!("{}:{}", verified["newest"], verified["hash"].as_str().unwrap());
    assert_eq!(installation.run(&["audit", "verify", "--kept", &kept]).status.code(), Some(0));
    assert_eq!(installation.run(&["audit", "verify", "--kept", "7"]).status.code(), Some(2));
    let exported = String::from_utf8(installation.run(&["audit", "export"]).stdout).unwrap();
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert_eq!(json!(rows), installation.json(&["audit", "export"])["audit"]);

    let mut connection = SqliteConnection::connect(&installation.database_url()).await.unwrap();
    let seq = made["seq"].as_i64().unwrap();
    let tampering = "drop trigger audit_is_not_changed; update audit set actor = 'eve' where seq = ";
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{tampering}{seq}"))).execute(&mut connection).await.unwrap();
    let ran = installation.run(&["audit", "verify", "--json"]);
    assert_eq!(ran.status.code(), Some(3));
    let reported: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(reported["faults"], json!([{"seq": seq, "fault": "changed"}]));
}

//! Looking creates nothing and changes nothing, and each command says where it looked.

use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::installation::{Installation, MASTER_KEY, document};
use crate::support::program::{clienty_sync, run};

/// Every command that reads or steers, but does not set up.
const LOOKING: [&[&str]; 15] = [
    &["jobs", "stats"],
    &["jobs", "list"],
    &["jobs", "show", "some-id"],
    &["jobs", "retry", "--all"],
    &["jobs", "discard", "--all"],
    &["jobs", "cancel", "--location", "L"],
    &["jobs", "run-now", "--location", "L"],
    &["keys", "list"],
    &["keys", "create", "--name", "n"],
    &["locations", "list"],
    &["import", "--location", "L"],
    &["verify", "--location", "L"],
    &["reconcile", "--location", "L"],
    &["disconnect", "--location", "L"],
    &["secrets", "rotate"],
];

#[test]
fn a_shell_without_the_settings_makes_no_database_and_reports_none_of_its_own() {
    for command in LOOKING {
        let folder = Folder::new("looking");
        let data = folder.path().join("data");
        let settings = [("CLIENTY_DATA_DIR", data.to_str().unwrap()), ("CLIENTY_MASTER_KEYS", MASTER_KEY)];
        let ended = run(clienty_sync(command, &settings));
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {reported}");
        assert!(
            reported.contains("there is no database at") && reported.contains("clienty-sync migrate"),
            "{command:?}: {reported}"
        );
        assert!(!data.exists(), "{command:?} made {}", data.display());
        let doctor = document(&run(clienty_sync(&["doctor", "--json"], &settings)));
        assert!(doctor.to_string().contains("there is no database at") && !data.exists(), "{doctor}");
    }
}

#[tokio::test]
async fn an_older_schema_is_left_as_it_is_and_a_newer_one_is_reported_by_every_command_and_process() {
    let installation = Installation::new(&[]).await;
    let sql = async |statement: &'static str| {
        use sqlx::Connection as _;
        let mut connection = sqlx::SqliteConnection::connect(&installation.database_url()).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    sql("delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)").await;
    let ended = installation.run(&["jobs", "stats"]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8(ended.stderr).unwrap().contains("1 migrations are pending"));
    sql("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (99999, 'of later', 1, x'00', 0)").await;
    for command in [&["jobs", "stats"][..], &["migrate"], &["up"], &["connect", "--location", "L", "--api", "v2"]] {
        let ended = installation.run(command);
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {reported}");
        assert!(
            reported.contains("needs a newer clienty-sync") && reported.contains("99999"),
            "{command:?}: {reported}"
        );
    }
    let doctor = document(&installation.run(&["doctor", "--json"]));
    assert!(doctor["ok"] == false && doctor.to_string().contains("needs a newer clienty-sync"), "{doctor}");
}

#[tokio::test]
async fn each_command_says_on_standard_error_which_database_and_queue_it_looked_at() {
    let installation = Installation::new(&[]).await;
    for command in [
        &["jobs", "stats", "--json"][..],
        &["keys", "list", "--json"],
        &["locations", "list", "--json"],
        &["doctor", "--json"],
    ] {
        let ended = installation.run(command);
        let reported = String::from_utf8(ended.stderr.clone()).unwrap();
        let database = installation.data_folder().join("clienty.db");
        assert!(
            reported.contains(database.to_str().unwrap()) && reported.contains("memory of this process"),
            "{command:?}: {reported}"
        );
        assert!(document(&ended).is_object(), "standard output has the one document");
    }
    let settings = [
        ("DATABASE_URL", "postgres://somebody:hunter2@127.0.0.1:1/records"),
        ("REDIS_URL", "redis://:hunter2@127.0.0.1:1"),
    ];
    let ended = run(clienty_sync(&["jobs", "stats"], &settings));
    let reported = String::from_utf8(ended.stderr).unwrap();
    assert!(
        reported.contains("127.0.0.1:1/records") && !reported.contains("hunter2") && !reported.contains("somebody"),
        "{reported}"
    );
    assert!(
        reported.to_lowercase().contains("refused") && !reported.contains("pool timed out"),
        "the real cause: {reported}"
    );
}

#[test]
fn a_usage_error_is_one_json_document_too() {
    for arguments in [&["jobs", "list", "--state", "lost"][..], &["bogus"], &["keys", "create"]] {
        let ended = run(clienty_sync(&[arguments, &["--json"]].concat(), &[]));
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        let reported: Value = document(&ended);
        assert!(reported["error"].as_str().is_some_and(|error| !error.is_empty()), "{reported}");
        assert!(!ended.stderr.is_empty(), "people read it on standard error");
    }
    let version = document(&run(clienty_sync(&["version", "--json"], &[])));
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn variables_that_are_no_settings_are_named() {
    for (slip, meant) in [
        ("GHL_BURST_LIMTI", "GHL_BURST_LIMIT"),
        ("CLIENTY_LISTN", "CLIENTY_LISTEN"),
        ("GHL_TIMEOUT_M", "GHL_TIMEOUT_MS"),
    ] {
        let ended = run(clienty_sync(&["config", "check"], &[(slip, "50")]));
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert!(
            ended.status.code() == Some(2) && reported.contains(&format!("did you mean {meant}?")),
            "{slip}: {reported}"
        );
    }
    let settings = [("CLIENTY_SOMETHING_QUITE_DIFFERENT", "1"), ("GHL_ANOTHER_WORLD", "1")];
    let ended = run(clienty_sync(&["config", "check", "--json"], &settings));
    let reported = document(&ended);
    assert_eq!((ended.status.code(), &reported["ok"]), (Some(0), &Value::Bool(true)), "{reported}");
    assert_eq!(reported["ignoredVariables"].as_array().unwrap().len(), 2, "{reported}");
}

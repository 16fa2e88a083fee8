//! `config`: what the settings are, and every mistake in them at once.

use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::installation::document;
use crate::support::program::{clienty_sync, run};

#[test]
fn every_mistake_in_file_and_environment_is_reported_at_once_with_its_place() {
    let folder = Folder::new("settings");
    let file = folder.path().join("own.toml");
    std::fs::write(&file, "[worker]\nconcurency = 8\n[gateway]\nlisten = \"here\"\n[ghl]\nburst_limit = \n").unwrap();
    let file = file.to_str().unwrap();
    let settings = [("REDIS_URL", "secret-word"), ("CLIENTY_LISTENS", "x"), ("GHL_TIMEOUT_MS", "0")];
    let expected = [
        (format!("{file}:6"), ""),
        (format!("{file}:4"), "gateway.listen"),
        ("environment".to_owned(), "REDIS_URL"),
        ("environment".to_owned(), "GHL_TIMEOUT_MS"),
        (format!("{file}:2"), "worker.concurency"),
        ("environment".to_owned(), "CLIENTY_LISTENS"),
    ];

    // Any command refuses to run on wrong settings, as `config check` does.
    for command in [&["config", "check"][..], &["migrate"]] {
        let arguments = [command, &["--config", file]].concat();
        let ended = run(clienty_sync(&[&arguments[..], &["--json"]].concat(), &settings));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        let reported = document(&ended);
        assert_eq!(reported["ok"], false);
        let places: Vec<_> = reported["errors"].as_array().unwrap().iter().map(place_and_key).collect();
        assert_eq!(places, expected.clone().map(|(place, key)| (place, key.to_owned())));

        let plain = run(clienty_sync(&arguments, &settings));
        assert_eq!((plain.status.code(), plain.stdout.as_slice()), (Some(2), b"".as_slice()));
        let reported = String::from_utf8(plain.stderr).unwrap();
        for (place, key) in &expected {
            assert!(reported.contains(place) && reported.contains(key), "{reported}");
        }
        assert!(
            reported.contains("did you mean worker.concurrency?") && reported.contains("did you mean CLIENTY_LISTEN?")
        );
        assert!(!reported.contains("secret-word"), "a value that may be a secret is printed: {reported}");
    }
}

fn place_and_key(error: &Value) -> (String, String) {
    assert!(error["problem"].as_str().is_some_and(|problem| !problem.is_empty()), "{error}");
    (error["place"].as_str().unwrap().to_owned(), error["key"].as_str().unwrap().to_owned())
}

#[test]
fn a_policy_for_a_field_that_there_is_not_is_refused_with_those_that_there_are() {
    let check = |fields: &str| {
        let ended = run(clienty_sync(&["config", "check"], &[("CLIENTY_MERGE_FIELDS", fields)]));
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    let good = "contact=ghl contact.email=ghl contact.tags=clienty contact.tags.vip=ghl contact.customFields.abc=ghl \
                task.title=newest note.noteText=ghl appointment.startTime=clienty";
    assert_eq!(check(good).0, Some(0), "{}", check(good).1);
    for (wrong, known) in [
        ("contact.nope=ghl", "companyName"),
        // GHL alone decides it.
        ("contact.dateUpdated=ghl", "companyName"),
        ("contact.email.x=ghl", "companyName"),
        ("task.titel=ghl", "title"),
        ("people=ghl", "contact, task, note, appointment"),
        ("task.title=me", "newest, ghl or clienty"),
    ] {
        let (code, reported) = check(wrong);
        assert!(code == Some(2) && reported.contains(wrong) && reported.contains(known), "{wrong}: {reported}");
    }
}

#[test]
fn a_variable_of_the_persons_own_is_left_alone() {
    let ended = run(clienty_sync(&["config", "check", "--json"], &[("CLIENTY_API_KEY", "cs_x"), ("CLIENTY_URL", "y")]));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(
        document(&ended),
        json!({"ok": true, "errors": [], "ignoredVariables": ["CLIENTY_API_KEY", "CLIENTY_URL"]})
    );
}

#[test]
fn the_settings_are_shown_with_their_origin_and_without_secrets() {
    let settings = [
        ("DATABASE_URL", "postgres://me:hunter2@db/clienty"),
        ("GHL_CLIENT_SECRET", "hunter2"),
        ("CLIENTY_QUEUE_SHARDS", "4"),
    ];
    let ended = run(clienty_sync(&["config", "show", "--json"], &settings));
    let shown = document(&ended);
    let of = |variable: &str| {
        let all = shown["settings"].as_array().unwrap();
        all.iter().find(|setting| setting["variable"] == variable).unwrap().clone()
    };
    assert_eq!(of("CLIENTY_QUEUE_SHARDS")["value"], "4");
    assert_eq!(of("CLIENTY_QUEUE_SHARDS")["origin"], "environment");
    assert_eq!(of("GHL_BURST_LIMIT")["origin"], "default");
    let text = String::from_utf8(run(clienty_sync(&["config", "show"], &settings)).stdout).unwrap();
    assert!(text.contains("\nburst_limit = 100  # default\n"), "{text}");
    assert!(text.contains("\nshards = 4  # environment CLIENTY_QUEUE_SHARDS\n"), "{text}");
    assert!(text.contains("\nlisten = \"127.0.0.1:8080\"  # default\n"), "{text}");
    assert!(!String::from_utf8(ended.stdout).unwrap().contains("hunter2"));
}

#[test]
fn the_printed_defaults_are_a_file_that_can_be_used() {
    let folder = Folder::new("settings");
    let file = folder.path().join("clienty-sync.toml");
    std::fs::write(&file, run(clienty_sync(&["config", "show", "--defaults"], &[])).stdout).unwrap();
    let ended = run(clienty_sync(&["config", "check", "--config", file.to_str().unwrap()], &[]));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
}

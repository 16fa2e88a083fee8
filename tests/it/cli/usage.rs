//! What every command has in common: help, JSON, exit codes.

use serde_json::Value;

use crate::support::folder::Folder;
use crate::support::installation::document;
use crate::support::program::{clienty_sync, run};

const COMMANDS: [&[&str]; 48] = [
    &[],
    &["demo"],
    &["up"],
    &["gateway"],
    &["worker"],
    &["sandbox"],
    &["connect"],
    &["import"],
    &["sweep"],
    &["reconcile"],
    &["locations"],
    &["locations", "list"],
    &["locations", "show"],
    &["version"],
    &["openapi"],
    &["send"],
    &["tail"],
    &["completions"],
    &["man"],
    &["jobs", "cancel"],
    &["jobs", "run-now"],
    &["verify"],
    &["jobs"],
    &["jobs", "stats"],
    &["jobs", "list"],
    &["jobs", "show"],
    &["jobs", "explain"],
    &["jobs", "retry"],
    &["jobs", "discard"],
    &["jobs", "pause"],
    &["jobs", "resume"],
    &["catalog"],
    &["catalog", "list"],
    &["catalog", "show"],
    &["catalog", "call"],
    &["catalog", "page"],
    &["keys"],
    &["keys", "create"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["keys", "revoke"],
    &["config"],
    &["config", "show"],
    &["config", "check"],
    &["migrate"],
    &["secrets"],
    &["secrets", "rotate"],
    &["doctor"],
];

#[test]
fn every_command_explains_itself_and_every_option() {
    for command in COMMANDS {
        let ended = run(clienty_sync(&[command, &["--help"]].concat(), &[]));
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let help = String::from_utf8(ended.stdout).unwrap();
        assert!(help.contains("Usage: clienty-sync") && help.contains("--json"), "{help}");
        for line in help.lines().filter(|line| line.trim_start().starts_with("--") && !line.ends_with("--json")) {
            // Long help puts the explanation below the option, short help beside it.
            let explained = line.trim().contains("  ") || help.contains(&format!("{line}\n          "));
            assert!(explained, "{command:?} does not explain {line}");
        }
    }
}

#[test]
fn wrong_usage_exits_with_2_and_fingerprints_no_result() {
    let wrong: [&[&str]; 20] = [
        &["bogus"],
        &["up", "--bogus"],
        &["demo", "--contacts", "0"],
        &["sandbox", "--port", "70000"],
        &["worker", "--concurrency", "none"],
        &["jobs"],
        &["jobs", "show"],
        &["jobs", "list", "--state", "lost"],
        &["jobs", "retry"],
        &["jobs", "discard", "some-id", "--all"],
        &["catalog", "list", "--actions", "--triggers"],
        &["catalog", "call", "get-contact"],
        &["catalog", "call", "get-contact", "--location", "L", "--param", "contactId"],
        &["keys", "create"],
        &["keys", "create", "--name", ""],
        &["connect", "--pit-file", "x"],
        &["connect", "--location", "L"],
        &["connect", "--location", "", "--pit-file", "x"],
        &["connect", "--location", "two words", "--pit-file", "x"],
        &["connect", "--location", "L", "--pit-file", "x", "--time-zone", "Mars/Base"],
    ];
    for arguments in wrong {
        let ended = run(clienty_sync(arguments, &[]));
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{arguments:?}: {ended:?}");
    }
}

#[test]
fn wrong_usage_that_only_the_command_sees_exits_with_2_and_says_so_in_its_document() {
    let folder = Folder::new("usage");
    let data = folder.path().to_str().unwrap();
    let settings = [("CLIENTY_DATA_DIR", data)];
    assert_eq!(run(clienty_sync(&["migrate"], &settings)).status.code(), Some(0));
    let wrong: [(&[&str], &str); 4] = [
        (&["jobs"], "a subcommand is missing"),
        (&["jobs", "list", "--kind", "nope"], "no jobs are nope"),
        (&["jobs", "cancel", "--kind", "nope"], "no jobs are nope"),
        (&["catalog", "call", "get-contact", "--location", "L", "--body", "{"], "--body is no JSON"),
    ];
    for (arguments, reason) in wrong {
        let ended = run(clienty_sync(&[&["--json"], arguments].concat(), &settings));
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {ended:?}");
        let reported: Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert!(reported["error"].as_str().unwrap().contains(reason), "{arguments:?}: {reported}");
    }
}

#[test]
fn a_command_that_fails_says_so_in_its_document_too() {
    let folder = Folder::new("usage");
    let data = folder.path().to_str().unwrap();
    let settings = [("CLIENTY_DATA_DIR", data)];
    assert_eq!(run(clienty_sync(&["migrate"], &settings)).status.code(), Some(0));
    let failing: [(&[&str], &str); 6] = [
        (&["jobs", "show", "none"], "no job none"),
        (&["keys", "rotate", "none"], "no key none"),
        (&["keys", "revoke", "none"], "no key none"),
        (&["gateway"], "REDIS_URL is not set"),
        (&["worker"], "REDIS_URL is not set"),
        (&["up"], "CLIENTY_MASTER_KEYS"),
    ];
    for (arguments, reason) in failing {
        let settings = [("CLIENTY_DATA_DIR", data), ("CLIENTY_LISTEN", "127.0.0.1:0")];
        let ended = run(clienty_sync(&[arguments, &["--json"]].concat(), &settings));
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {ended:?}");
        let document: Value = document(&ended);
        assert!(document["error"].as_str().unwrap().contains(reason), "{arguments:?}: {document}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains(reason), "{arguments:?}: {ended:?}");

        let plain = run(clienty_sync(arguments, &settings));
        assert_eq!((plain.status.code(), plain.stdout.as_slice()), (Some(1), b"".as_slice()), "{arguments:?}");
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_reported_with_its_settings() {
    for command in [&["keys", "list"][..], &["jobs", "stats"], &["jobs", "list"]] {
        let ended = run(clienty_sync(command, &[("DATABASE_URL", "sqlite:///dev/null/none.db")]));
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert!(reported.contains("DATABASE_URL") && reported.contains("CLIENTY_DATA_DIR"), "{reported}");
    }
}

#[test]
fn logs_go_to_standard_error_and_the_result_alone_to_standard_output() {
    let folder = Folder::new("usage");
    let settings = [("CLIENTY_DATA_DIR", folder.path().to_str().unwrap()), ("RUST_LOG", "trace")];
    let ended = run(clienty_sync(&["migrate", "--json"], &settings));
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(document(&ended)["applied"].as_array().is_some_and(|applied| !applied.is_empty()));
    assert!(!ended.stderr.is_empty(), "at the level trace something is logged");
    for line in String::from_utf8(ended.stderr).unwrap().lines() {
        let logged: Result<Value, _> = serde_json::from_str(line);
        assert!(logged.is_ok_and(|logged| logged["level"].is_string()), "no log line: {line}");
    }
}

#[test]
fn migrating_twice_changes_nothing() {
    let folder = Folder::new("usage");
    let settings = [("CLIENTY_DATA_DIR", folder.path().to_str().unwrap())];
    assert_eq!(run(clienty_sync(&["migrate"], &settings)).status.code(), Some(0));
    let again = run(clienty_sync(&["migrate"], &settings));
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert_eq!(String::from_utf8(again.stdout).unwrap(), "the schema is up to date\n");
    assert_eq!(document(&run(clienty_sync(&["migrate", "--json"], &settings))), serde_json::json!({"applied": []}));
}

//! `connect`: how a location's token gets in.

use std::process::Output;

use serde_json::json;

use crate::support::folder::Folder;
use crate::support::installation::{Installation, MASTER_KEY, document};
use crate::support::program::{clienty_sync, run};

const TOKEN: &str = "pit-0f1e2d3c";

fn connect(folder: &Folder, token: &str, more: &[&str], settings: &[(&str, &str)]) -> Output {
    let file = folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let arguments = [&["connect", "--location", "L1", "--pit-file", file.to_str().unwrap()], more].concat();
    let data = [("CLIENTY_DATA_DIR", folder.path().to_str().unwrap())];
    if !settings.is_empty() {
        assert!(run(clienty_sync(&["migrate"], &data)).status.success());
    }
    run(clienty_sync(&arguments, &[&data, settings].concat()))
}

#[test]
fn a_token_is_taken_from_a_file_and_from_standard_input() {
    let folder = Folder::new("connect");
    let settings = [("CLIENTY_MASTER_KEYS", MASTER_KEY)];
    for more in [&["--json", "--unchecked"][..], &["--json", "--unchecked", "--time-zone", "Europe/Berlin"]] {
        let ended = connect(&folder, &format!("{TOKEN}\n"), more, &settings);
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let reported = document(&ended);
        assert_eq!(
            (&reported["locationId"], &reported["kind"], &reported["checked"]),
            (&json!("L1"), &json!("pit"), &json!(false))
        );
    }

    let token = std::fs::File::open(folder.path().join("token")).unwrap();
    let data = [("CLIENTY_DATA_DIR", folder.path().to_str().unwrap()), settings[0]];
    let mut command = clienty_sync(&["connect", "--location", "L2", "--pit-file", "-", "--unchecked"], &data);
    command.stdin(token);
    let ended = run(command);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(String::from_utf8(ended.stdout).unwrap().contains("L2 is stored without a check by GHL"));
}

#[test]
fn a_connected_location_is_moved_to_another_version_of_the_api() {
    let folder = Folder::new("connect");
    let data = [("CLIENTY_DATA_DIR", folder.path().to_str().unwrap())];
    let moved = |api| run(clienty_sync(&["connect", "--location", "L1", "--api", api, "--json"], &data));
    assert!(run(clienty_sync(&["migrate"], &data)).status.success());
    let nobody = moved("v3");
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("L1 is not connected"));

    let ended = connect(&folder, TOKEN, &["--api", "v3", "--unchecked"], &[("CLIENTY_MASTER_KEYS", MASTER_KEY)]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(document(&moved("v2")), json!({"locationId": "L1", "api": "v2"}));
    let unknown = moved("v9");
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}

#[tokio::test]
async fn a_location_is_disconnected_and_its_records_stay() {
    let installation = Installation::new(&[]).await;
    let (location, contact) = (installation.location.as_str(), installation.contacts[0].as_str());
    let (_program, api) = installation.serve("up");
    api.pulled(location, contact).await;
    assert_eq!(
        installation.json(&["disconnect", "--location", location]),
        json!({"locationId": location, "disconnected": true})
    );
    let event = json!({"type": "contact.selected", "locationId": location, "contactId": contact});
    assert_eq!(api.post(event.to_string()).await.faults(422), [(None, "locationId".to_owned())]);
    assert_eq!(api.get(&format!("/v1/locations/{location}/contacts/{contact}")).await.status, 200);
    for command in [&["disconnect"][..], &["sweep"], &["import"]] {
        let ended = installation.run(&[command, &["--location", location]].concat());
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {ended:?}");
        assert!(String::from_utf8(ended.stderr).unwrap().contains(&format!("{location} is not connected")));
    }

    let file = installation.data_folder().with_file_name("token.txt");
    installation.json(&["connect", "--location", location, "--pit-file", file.to_str().unwrap()]);
    api.done(&event).await;
}

#[test]
fn what_is_no_token_is_refused_with_the_file_named() {
    let folder = Folder::new("connect");
    let settings = [("CLIENTY_MASTER_KEYS", MASTER_KEY)];
    for (content, reason) in
        [("", "must hold the token"), (" \n", "must hold the token"), ("two words\n", "one line of letters")]
    {
        let ended = connect(&folder, content, &[], &settings);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let reported = String::from_utf8(ended.stderr).unwrap();
        assert!(reported.contains(reason) && reported.contains("/token"), "{reported}");
    }
    let empty = run(clienty_sync(&["connect", "--location", "L", "--pit-file", "-"], &settings));
    assert_eq!(empty.status.code(), Some(1), "{empty:?}");
    assert!(String::from_utf8(empty.stderr).unwrap().contains("standard input"));
    let missing = run(clienty_sync(&["connect", "--location", "L", "--pit-file", "/nowhere/t"], &settings));
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(String::from_utf8(missing.stderr).unwrap().contains("/nowhere/t"));
}

#[test]
fn without_a_master_key_nothing_is_stored_and_the_remedy_is_reported() {
    let folder = Folder::new("connect");
    let ended = connect(&folder, TOKEN, &[], &[]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let reported = String::from_utf8(ended.stderr).unwrap();
    assert!(reported.contains("CLIENTY_MASTER_KEYS") && reported.contains("openssl rand"), "{reported}");
    assert!(!reported.contains(TOKEN));
    assert!(!folder.path().join("clienty.db").exists());
}

#[test]
fn without_a_file_it_says_what_this_version_can_do() {
    let ended = run(clienty_sync(&["connect"], &[]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(String::from_utf8(ended.stderr).unwrap().contains("--location ID --pit-file FILE"));
}

//! `hooks`, and a message that `jobs explain` explains.

use serde_json::{Value, json};

use crate::support::installation::Installation;
use crate::support::receiver::{Does, Receiver};

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_made_shown_tried_rotated_and_deleted() {
    let installation =
        Installation::new(&[("CLIENTY_HOOKS_ALLOW_HTTP", "on"), ("CLIENTY_OUTSIDE_ALLOW_NETS", "127.0.0.1/32")]).await;
    let receiver = Receiver::start().await;
    let (_program, api) = installation.serve("up");
    let made = installation.json(&["hooks", "create", "--url", &receiver.url, "--event", "contact.*"]);
    receiver.knows(made["secret"].as_str().unwrap());
    let id = made["id"].as_str().unwrap();
    // The receiver answers on another thread meanwhile.
    let run = |arguments: &[&str]| installation.run(arguments);
    assert_eq!(run(&["hooks", "test", id]).status.code(), Some(0));
    receiver.assert_all_verified();
    receiver.does(Does::Answer(500));
    assert_eq!(run(&["hooks", "test", id]).status.code(), Some(1), "not taken");

    let contact = &installation.contacts[0];
    api.done(&json!({"type": "contact.selected", "locationId": installation.location, "contactId": contact})).await;
    let open = || installation.json(&["hooks", "deliveries", id, "--state", "open"])["deliveries"].clone();
    crate::support::wait_until_async("the delivery has failed", async || open()[0]["status"] == 500).await;
    let message = open()[0]["id"].as_str().unwrap().to_owned();
    let explained = installation.json(&["jobs", "explain", &message]);
    let why = explained["deliveries"][0]["why"].as_str().unwrap();
    assert!(why.starts_with("the receiver answered 500; it is retried at"), "{why}");

    let edited =
        installation.json(&["hooks", "edit", id, "--event", "contact.*", "--field", "city", "--imports", "true"]);
    assert_eq!((&edited["fields"], &edited["includeImports"]), (&json!(["city"]), &json!(true)));
    let edited = installation.json(&["hooks", "edit", id, "--field", "*", "--imports", "false"]);
    assert_eq!(
        (&edited["fields"], &edited["events"], &edited["url"]),
        (&json!(null), &json!(["contact.*"]), &made["url"])
    );
    let rotated = installation.json(&["hooks", "rotate", id, "--overlap-hours", "1"]);
    assert_ne!(rotated["secret"], made["secret"]);
    assert_eq!(installation.json(&["hooks", "disable", id])["state"], "disabled");
    assert_eq!(installation.json(&["hooks", "enable", id])["state"], "active");
    receiver.does(Does::Take);
    assert_eq!(installation.json(&["hooks", "resend", &message])["resent"], true);
    let recovered = installation.json(&["hooks", "recover", id, "--since", "2020-01-01T00:00:00Z"]);
    assert!(recovered["changes"].as_u64().unwrap() >= 1, "{recovered}");
    let text = String::from_utf8(run(&["hooks", "list"]).stdout).unwrap();
    assert!(text.contains(id) && !text.contains("whsec_"), "{text}");
    assert_eq!(installation.json(&["hooks", "delete", id])["deleted"], true);
    assert_eq!(installation.json(&["hooks", "list"])["hooks"], Value::Array(Vec::new()));
    for (arguments, code) in [
        (["hooks", "show", id].as_slice(), 1),
        (&["hooks", "delete", id], 1),
        (&["hooks", "resend", &message], 1),
        (&["jobs", "explain", &message], 1),
        (&["hooks", "edit", id, "--event", "*"], 1),
        (&["hooks", "edit", id], 2),
        (&["hooks", "edit", id, "--location", "*", "--location", "l"], 2),
        (&["hooks", "create", "--url", "https://10.0.0.1/", "--event", "*"], 1),
        (&["hooks", "create", "--url", "https://example.com/", "--event", "contact.vanished"], 2),
    ] {
        assert_eq!(run(arguments).status.code(), Some(code), "{arguments:?}");
    }
}

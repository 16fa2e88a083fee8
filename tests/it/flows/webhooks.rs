//! GHL's other webhooks start flows: each once, and none for what a flow itself called.

use serde_json::{Value, json};
use sync_model::clock::Clock;

use crate::support::api::Api;
use crate::support::folder::Folder;
use crate::support::ghl_signer::GhlSigner;
use crate::support::installation::Installation;
use crate::support::wait_until_async;

const DEAL: &str = "
on = \"OpportunityCreate\"
only_if.event.status.is = \"open\"

[[step]]
name = \"company\"
call = \"create-business\"
body.name = \"{event.name}\"

[[step]]
event = \"note.created\"
data.noteText = \"{contact.id} has {event.name}\"
";

async fn state(installation: &Installation) -> Value {
    Api::new(&installation.ghl, "").get(&format!("/_sandbox/locations/{}/state", installation.location)).await.json()
}

#[tokio::test]
async fn a_webhook_starts_one_run_and_one_of_what_a_flow_called_starts_none() {
    let (signer, folder) = (GhlSigner::new(), Folder::new("flows"));
    std::fs::write(folder.path().join("deal.toml"), DEAL).unwrap();
    let keys = signer.settings();
    let mut settings: Vec<_> = keys.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("CLIENTY_FLOWS_DIR", folder.path().to_str().unwrap()));
    let installation = Installation::new(&settings).await;
    let (mut up, api) = installation.serve("up");
    let contact = &installation.contacts[0];
    let send = async |webhook: &str, object: &str, name: &str, status: &str| {
        let body = json!({
            "type": "OpportunityCreate", "locationId": installation.location, "id": object, "contactId": contact, "name": name,
            "status": status, "webhookId": webhook, "timestamp": Clock::system().now().to_string(),
        })
        .to_string();
        let signature = signer.ghl(body.as_bytes());
        let answer = api
            .request("POST", "/webhooks/ghl", |request| request.body(body).header("x-ghl-signature", signature))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    let runs = async |outcome: &str, count: i64| {
        let wanted = async || installation.json(&["flows", "list"])["flows"][0]["runs"][outcome] == count;
        wait_until_async(&format!("{count} runs are {outcome}"), wanted).await;
    };
    for _ in 0..2 {
        send("w1", "o1", "First deal", "open").await;
    }
    runs("done", 1).await;
    let note = format!("{contact} has First deal");
    wait_until_async("the note is in GHL", async || {
        state(&installation).await["notes"].as_array().unwrap().iter().any(|one| one["body"] == *note)
    })
    .await;
    send("w2", "o2", "Lost deal", "lost").await;
    runs("skipped", 1).await;
    let companies = async || state(&installation).await["businesses"].as_array().unwrap().clone();
    let made: Vec<_> = companies().await.into_iter().filter(|one| one["name"] == "First deal").collect();
    assert_eq!(made.len(), 1);

    // As if GHL reported what the call made.
    send("w3", made[0]["id"].as_str().unwrap(), "Own deal", "open").await;
    runs("skipped", 2).await;
    send("w4", "o4", "Second deal", "open").await;
    runs("done", 2).await;
    assert!(companies().await.iter().all(|one| one["name"] != "Own deal"));
    up.terminate();
    up.wait();
}

//! A backtest says what has really happened, and sends nothing.

use ghl_sandbox::{SigningKey, WebhookFaults};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{NewKey, Role};

use super::Flowing;
use crate::support::api::Api;
use crate::support::test_app::{SEED, Setup};

const FLOWS: &[(&str, &str)] = &[
    (
        "vips",
        r#"
on = "contact.tagged=vip"
only_if.contact.city.is = "Bonn"

[[step]]
event = "note.created"
data.noteText = "a VIP of {contact.city}"

[[step]]
name = "company"
call = "create-business"
body.name = "{contact.companyName}"
only_if.contact.companyName.is_set = true

[[step]]
event = "note.created"
data.noteText = "its company is {company.buiseness.id}"
"#,
    ),
    (
        "moved",
        "on = \"contact.updated=city\"\nonly_if.event.before.city.is = \"Bonn\"\n[[step]]\nevent = \"contact.tagged\"\ndata.tags = [\"moved\"]\n",
    ),
    (
        "won",
        "on = \"OpportunityStatusUpdate\"\nonly_if.event.status.is = \"won\"\n[[step]]\nevent = \"contact.tagged\"\ndata.tags = [\"won\"]\n",
    ),
    ("by-hand", "[[step]]\nwait = \"1d\"\n"),
];

struct Asking {
    flowing: Flowing,
    api: Api,
}

impl Asking {
    async fn reported(&self, flow: &str, body: Value) -> crate::support::api::Answer {
        let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&self.api.key).json(&body);
        self.api.request("POST", &format!("/v1/flows/{flow}/backtest"), shape).await
    }

    async fn live(&self, flow: &str) -> (i64, i64) {
        (self.flowing.runs(flow, "done").await, self.flowing.runs(flow, "skipped").await)
    }
}

#[tokio::test]
async fn a_backtest_counts_the_runs_that_there_were_and_sends_nothing() {
    let flowing = Flowing::start(Setup { flows: FLOWS, ..Setup::default() }, WebhookFaults::default()).await;
    let new = NewKey { roles: vec![Role::Reader], ..NewKey::of_all("reader") };
    let (_, text) = flowing.app.app.records.create_key(&new).await.unwrap();
    let api = Api::new(&format!("http://{}", flowing.server.address), text.expose_secret());
    let asking = Asking { flowing, api };
    let flowing = &asking.flowing;
    let people = [("Bonn", "Acme"), ("Bonn", ""), ("Ulm", "Acme"), ("Bonn", "Acme")];
    for (index, (city, company)) in people.into_iter().enumerate() {
        let mut fields = json!({"firstName": "Ada", "email": format!("a{index}@x.de"), "city": city});
        if !company.is_empty() {
            fields["companyName"] = company.into();
        }
        let id = flowing.app.contact_by_hand(None, fields).await;
        flowing.settle().await;
        flowing.app.contact_by_hand(Some(&id), json!({"tags": ["vip"]})).await;
        flowing.settle().await;
        // What it reads today is not what it read then.
        flowing.app.contact_by_hand(Some(&id), json!({"city": "Kiel"})).await;
        flowing.settle().await;
        for status in ["open", "won"] {
            let body = json!({
                "type": "OpportunityStatusUpdate", "locationId": flowing.location, "id": format!("o{index}"), "contactId": id,
                "status": status, "webhookId": format!("w{index}-{status}"), "timestamp": flowing.app.app.clock.now().to_string(),
            })
            .to_string();
            let signature = SigningKey::from_seed(SEED).sign(body.as_bytes());
            let url = format!("http://{}/webhooks/ghl", flowing.server.address);
            let request = reqwest::Client::new().post(&url).header("x-ghl-signature", signature);
            let answer = request.header("content-type", "application/json").body(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
            flowing.settle().await;
        }
    }
    assert_eq!((asking.live("vips").await, asking.live("moved").await), ((3, 1), (3, 1)));
    let calls = flowing.app.all_calls(&flowing.location);
    for (flow, calls, at_most) in [("vips", 5, 8), ("moved", 3, 3), ("won", 4, 4)] {
        let answer = asking.reported(flow, json!({"days": 3})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let reported = answer.json();
        let (done, skipped) = asking.live(flow).await;
        assert_eq!(
            (reported["wouldRun"].as_i64(), reported["triggered"].as_i64()),
            (Some(done), Some(done + skipped)),
            "{reported:#}"
        );
        assert_eq!((&reported["complete"], &reported["unknown"]), (&json!(true), &json!(0)), "{reported:#}");
        assert_eq!(
            (reported["calls"].as_i64(), reported["callsAtMost"].as_i64()),
            (Some(calls), Some(at_most)),
            "{reported:#}"
        );
        assert!(!answer.text.contains("Bonn") && !answer.text.contains("x.de"), "{}", answer.text);
    }
    let not_enqueued = asking.reported("by-hand", json!({})).await;
    assert!(
        not_enqueued.status == 422 && not_enqueued.text.contains("only people start the flow"),
        "{}",
        not_enqueued.text
    );
    assert_eq!(asking.reported("vips", json!({"days": 99})).await.status, 422);
    assert_eq!(asking.reported("nothing", json!({})).await.status, 404);
    assert_eq!(flowing.app.all_calls(&flowing.location), calls);
    assert_eq!(asking.live("vips").await, (3, 1));
    asking.flowing.finish().await;
}

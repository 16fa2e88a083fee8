//! Jobs under a login: an expired token costs one refresh, a missing scope is refused before the call.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sync_workers::records::{JobState, LedgerEntry};

use super::site::Site;
use crate::support::wait_until_async;
use clienty_sync::app::App;
use clienty_sync::triggers;
use clienty_sync::triggers::webhook::Webhook;

async fn done(app: &App, event: &Value) -> LedgerEntry {
    let trigger = triggers::translate(event).unwrap();
    let id = app.producer().send(&[trigger]).await.unwrap().remove(0).job_id;
    wait_until_async("the job ends", async || app.records.job(&id).await.unwrap().unwrap().finished_at.is_some()).await;
    app.records.job(&id).await.unwrap().unwrap()
}

fn contact(site: &Site) -> String {
    let state = site.sandbox.state(&site.location()).unwrap();
    state["contacts"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ghl_calls_expired_is_refreshed_once_and_the_job_runs_again() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    site.install(app.oauth.as_ref().unwrap(), &site.location(), None).await.unwrap();
    // Our clock says that it is good for a day.
    site.sandbox.expire_tokens(&site.location());
    let workers = app.start_workers().unwrap();
    let event = json!({"type": "contact.selected", "locationId": site.location(), "contactId": contact(&site)});
    let job = done(&app, &event).await;
    assert_eq!((job.state, job.last_error), (JobState::Done, None));
    assert_eq!((site.count("refreshes"), site.count("refused")), (1, 0));
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_run_out_is_refreshed_with_a_permit_of_the_run() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    site.expires_in(0);
    site.install(app.oauth.as_ref().unwrap(), &site.location(), None).await.unwrap();
    site.expires_in(86_399);
    let workers = app.start_workers().unwrap();
    let event = json!({"type": "contact.selected", "locationId": site.location(), "contactId": contact(&site)});
    assert_eq!(done(&app, &event).await.state, JobState::Done);
    assert_eq!(site.count("refreshes"), 1);
    let text = app.metrics.render().unwrap();
    assert!(text.contains("clienty_token_refresh_total{result=\"ok\"} 1"), "{text}");
    workers.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_was_not_granted_is_named_before_any_call_for_it() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    let granted = Some("contacts.readonly locations.readonly");
    let installed = site.install(app.oauth.as_ref().unwrap(), &site.location(), granted).await.unwrap();
    assert_eq!(installed.missing_scopes, "contacts.write oauth.readonly oauth.write");
    let workers = app.start_workers().unwrap();
    let data = json!({"clientyNoteId": "k1", "noteText": "Likes tea"});
    let event =
        json!({"type": "note.created", "locationId": site.location(), "contactId": contact(&site), "data": data});
    let job = done(&app, &event).await;
    assert_eq!(job.state, JobState::Dead);
    assert!(job.last_error.as_ref().unwrap().contains("contacts.write"), "{job:?}");
    let calls = site.sandbox.stats().locations[&site.location()].operations.clone();
    assert_eq!(calls.get("POST /contacts/{contactId}/notes"), None);
    workers.stop().await;
}

/// Such a 401 comes back for ever, and each refresh would spend the customer's login.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_that_is_not_about_the_token_starts_no_refresh() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    site.install(app.oauth.as_ref().unwrap(), &site.location(), None).await.unwrap();
    let workers = app.start_workers().unwrap();
    let contact = contact(&site);
    for said in [
        r#"{"statusCode":401,"message":"version header was not found."}"#,
        r#"{"statusCode":401,"message":"version header is invalid"}"#,
        r#"{"statusCode":401,"message":"The token is not authorized for this scope."}"#,
    ] {
        site.gate.say(Method::GET, &format!("/contacts/{contact}"), StatusCode::UNAUTHORIZED, said);
        let event = json!({"type": "contact.selected", "locationId": site.location(), "contactId": contact});
        assert_eq!(done(&app, &event).await.state, JobState::Dead, "{said}");
        site.gate.open();
    }
    assert_eq!((site.count("refreshes"), site.count("refused")), (0, 0));
    // Nor does the location rest for it.
    let event = json!({"type": "contact.selected", "locationId": site.location(), "contactId": contact});
    assert_eq!(done(&app, &event).await.state, JobState::Done);
    workers.stop().await;
}

/// Nobody can say whether a later install has made it void, so GHL is asked.
#[tokio::test(flavor = "multi_thread")]
async fn an_uninstall_without_a_time_is_believed_once_ghl_refuses_the_token() {
    let site = Site::new(&[]).await;
    let (app, location) = (site.app().await, site.location());
    site.install(app.oauth.as_ref().unwrap(), &location, None).await.unwrap();
    let workers = app.start_workers().unwrap();
    let reported = async |id: &str| {
        let body = json!({"type": "UNINSTALL", "locationId": location, "webhookId": id}).to_string();
        let webhook = Webhook::read(body.as_bytes()).unwrap().accepted(app.clock.now());
        let outcome = app.records.accept_webhooks(&[webhook]).await.unwrap().remove(0);
        let job = sync_workers::jobs::new_job(&outcome.job.unwrap(), job_engine::Priority::Realtime);
        app.queue.push(&[job]).await.unwrap();
        let id = outcome.job_id.unwrap();
        let is_over = async || app.records.job(&id).await.unwrap().unwrap().finished_at.is_some();
        wait_until_async("the look is over", is_over).await;
        assert_eq!(app.records.job(&id).await.unwrap().unwrap().state, JobState::Done);
        app.records.connection(&location).await.unwrap().unwrap().is_connected()
    };
    assert!(reported("w1").await, "GHL takes the token: the app is there");
    site.sandbox.revoke_login(&location);
    assert!(!reported("w2").await, "GHL refuses it: the app is gone");
    workers.stop().await;
}

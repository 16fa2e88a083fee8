//! The typed client calls every operation on contacts of the simulated GHL, in both generations of the API.
//!
//! Client and sandbox share no type: where either has misread the documents, a reply can't be read here or a call is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use ghl::model::*;
use ghl::{ApiVersion, Client, ClientConfig, GhlError, GhlMetrics, LONG_LIST, Run, WireSecond};
use ghl_sandbox::{Limits, Sandbox, SandboxConfig};
use job_engine::{Lease, Permits};
use prometheus::Registry;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::time::Instant;

/// More than all calls of a test.
const CALLS: u32 = 500;

struct Place {
    sandbox: Sandbox,
    ghl: Client,
    token: SecretString,
    permits: Permits,
    location: String,
}

impl Place {
    async fn new() -> Self {
        let limits = Limits { burst: CALLS, ..Limits::default() };
        let sandbox = Sandbox::start(SandboxConfig { limits, ..SandboxConfig::default() }).await.unwrap();
        let config = ClientConfig { base_url: sandbox.url(), timeout: Duration::from_secs(60), long_list: LONG_LIST };
        let ghl = Client::new(&config, GhlMetrics::register(&Registry::new()).unwrap()).unwrap();
        let location = sandbox.locations().remove(0);
        let permits = Permits::new(CALLS, Lease::begin(Instant::now(), Duration::from_secs(3600)));
        Self { ghl, token: SecretString::from(location.token), permits, location: location.id, sandbox }
    }

    fn run(&self, api: ApiVersion) -> Run<'_> {
        self.ghl.for_run(&self.token, &self.permits).with_api(api)
    }

    /// An operation that no typed one is needed for: the id of the first of a list, or of what was made.
    async fn id(&self, method: Method, path: &str, place: &str, body: Value) -> String {
        let url = format!("{}{path}", self.sandbox.url());
        let request = reqwest::Client::new().request(method, url).json(&body).header("version", "2021-07-28");
        let token = self.sandbox.locations().remove(0).token;
        let reported: Value = request.bearer_auth(token).send().await.unwrap().json().await.unwrap();
        reported.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}: {reported}")).to_owned()
    }

    /// The operations on contacts that were called so far.
    fn called(&self) -> BTreeSet<String> {
        let stats = self.sandbox.stats().locations[&self.location].operations.clone();
        stats.into_keys().filter(|name| name.contains(" /contacts/")).collect()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn due() -> WireSecond {
    WireSecond::from("2035-01-01T09:00:00.987Z".parse::<jiff::Timestamp>().unwrap())
}

async fn contacts(place: &Place, run: Run<'_>, email: &str) -> Result<String, GhlError> {
    let location = &place.location;
    let fields = ContactFields { first_name: text("Ada"), email: text(email), ..ContactFields::default() };
    let new = NewContact {
        location_id: location.clone(),
        company_name: text("Engines"),
        gender: None,
        dnd: None,
        tags: vec!["maths".to_owned()],
        fields: fields.clone(),
    };
    let created = run.create_contact(&new).await?;
    let again = run.create_contact(&new).await.unwrap_err();
    assert!(
        matches!(&again, GhlError::Duplicate { contact_id, .. } if *contact_id == Some(created.id.clone())),
        "{again}"
    );
    let change = UpdateContact {
        fields: ContactFields { city: text("London"), ..ContactFields::default() },
        dnd: DndChange::default(),
    };
    assert_eq!(run.update_contact(&created.id, &change).await?.city.value(), text("London"));
    let upsert = UpsertContact { location_id: location.clone(), company_name: None, fields };
    let upserted = run.upsert_contact(&upsert).await?;
    assert_eq!((upserted.created, upserted.contact.id), (Some(false), created.id.clone()));
    assert_eq!(
        run.find_duplicate_contact(location, Some(email), None).await?.map(|found| found.id),
        Some(created.id.clone())
    );
    let search = SearchContacts { query: text(email), ..SearchContacts::all(location) };
    let found = run.search_contacts(&search).await?.contacts;
    assert_eq!(found.into_iter().map(|found| found.contact.id).collect::<Vec<_>>(), [created.id.as_str()]);
    assert_eq!(run.add_tags(&created.id, &["Engines".to_owned()]).await?, ["maths", "engines"]);
    run.remove_tags(&created.id, &["maths".to_owned()]).await?;
    assert_eq!(run.get_contact(&created.id).await?.tags.value().unwrap(), ["engines"]);
    Ok(created.id)
}

async fn tasks_and_notes(run: Run<'_>, contact: &str) -> Result<(), GhlError> {
    let new = NewTask { title: "Call".to_owned(), body: None, due_date: due(), completed: false, assigned_to: None };
    let task = run.create_task(contact, &new).await?;
    let changes = UpdateTask { title: text("Call back"), due_date: Some(due()), ..UpdateTask::default() };
    run.update_task(contact, &task.id, &changes).await?;
    run.complete_task(contact, &task.id, true).await?;
    let read = run.get_task(contact, &task.id).await?;
    assert_eq!((read.title.value(), read.completed.value()), (text("Call back"), Some(true)));
    assert_eq!(run.list_tasks(contact).await?.items.len(), 1);
    run.delete_task(contact, &task.id).await?;
    let gone = run.get_task(contact, &task.id).await.unwrap_err();
    assert!(matches!(gone, GhlError::Gone { .. }), "{gone}");

    let note = run.create_note(contact, &NewNote { body: "Hi".to_owned(), user_id: None }).await?;
    run.update_note(contact, &note.id, &UpdateNote { body: text("Ho"), user_id: None }).await?;
    assert_eq!(run.get_note(contact, &note.id).await?.body.value(), text("Ho"));
    assert_eq!(run.list_notes(contact).await?.items.len(), 1);
    run.delete_note(contact, &note.id).await?;
    assert!(run.list_appointments(contact).await?.items.is_empty());
    Ok(())
}

async fn memberships(place: &Place, run: Run<'_>, contact: &str) -> Result<(), GhlError> {
    let location = &place.location;
    let first = async |list: &str| {
        place.id(Method::GET, &format!("/{list}/?locationId={location}"), &format!("/{list}/0/id"), Value::Null).await
    };
    let user = first("users").await;
    assert_eq!(run.add_followers(contact, std::slice::from_ref(&user)).await?, [user.as_str()]);
    run.remove_followers(contact, &[user]).await?;
    let campaign = first("campaigns").await;
    run.add_to_campaign(contact, &campaign).await?;
    run.remove_from_campaign(contact, &campaign).await?;
    run.remove_from_all_campaigns(contact).await?;
    let workflow = first("workflows").await;
    run.add_to_workflow(contact, &workflow, None).await?;
    run.remove_from_workflow(contact, &workflow, None).await?;

    let new = json!({"locationId": location, "name": format!("Business of {contact}")});
    let business = place.id(Method::POST, "/businesses/", "/buiseness/id", new).await;
    assert_eq!(run.set_business(location, &[contact.to_owned()], Some(&business)).await?, [contact]);
    assert_eq!(run.list_contacts_of_business(&business, location, 10, 0, None).await?.contacts.len(), 1);
    run.set_business(location, &[contact.to_owned()], None).await?;
    let all =
        BulkTags { location_id: location.clone(), contacts: vec![contact.to_owned()], tags: vec!["all".to_owned()] };
    for change in [TagChange::Add, TagChange::Remove] {
        assert_eq!(run.change_tags(change, &all).await?.error_count, Some(0));
    }
    Ok(())
}

#[tokio::test]
async fn every_operation_on_contacts_is_typed_and_runs() {
    let place = Place::new().await;
    for (api, email) in [(ApiVersion::Dated, "dated@example.com"), (ApiVersion::V3, "v3@example.com")] {
        let run = place.run(api);
        let contact = contacts(&place, run, email).await.unwrap();
        tasks_and_notes(run, &contact).await.unwrap();
        memberships(&place, run, &contact).await.unwrap();
        run.delete_contact(&contact).await.unwrap();
        let gone = run.get_contact(&contact).await.unwrap_err();
        assert!(matches!(gone, GhlError::Gone { .. }), "{gone}");
    }
    // Deprecated, and gone from v3.
    let list = place.run(ApiVersion::Dated).list_contacts(&place.location, 100, None, None).await.unwrap();
    assert!(!list.contacts.is_empty());
    let called = place.called();
    let by_two_names = "DELETE /contacts/{contactId}/campaigns/";
    assert_eq!(called.iter().filter(|name| name.starts_with(by_two_names)).count(), 3, "one, removeAll and remove-all");
    assert_eq!(called.len() - 1, 32, "{called:#?}");
}

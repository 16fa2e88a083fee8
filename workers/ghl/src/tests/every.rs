//! Every operation once: how it is called, and what must leave the client. What holds for all of them is tested over
//! this table.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::super::model::*;
use super::super::{Endpoint, GhlError, Run, WireSecond, endpoints};

/// One operation, called with arguments that fill what it can send.
pub(super) struct Case {
    pub(super) endpoint: &'static Endpoint,
    pub(super) call: for<'a> fn(Run<'a>) -> BoxFuture<'a, Result<(), GhlError>>,
    /// Method, path and query.
    pub(super) line: &'static str,
    pub(super) body: Option<Value>,
}

macro_rules! case {
    ($endpoint:ident, |$run:ident| $call:expr, $line:literal) => {
        case!(@ $endpoint, |$run| $call, $line, None)
    };
    ($endpoint:ident, |$run:ident| $call:expr, $line:literal, $body:tt) => {
        case!(@ $endpoint, |$run| $call, $line, Some(json!($body)))
    };
    (@ $endpoint:ident, |$run:ident| $call:expr, $line:literal, $body:expr) => {
        Case {
            endpoint: &endpoints::$endpoint,
            call: |$run| Box::pin(async move { $call.await.map(drop) }),
            line: $line,
            body: $body,
        }
    };
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

fn at(second: &str) -> jiff::Timestamp {
    second.parse().unwrap()
}

/// Milliseconds, which no write may carry.
fn due() -> WireSecond {
    WireSecond::from(at("2020-10-25T11:00:00.987Z"))
}

fn new_task() -> NewTask {
    NewTask { title: "Call".to_owned(), body: text("Ask"), due_date: due(), completed: false, assigned_to: text("u1") }
}

fn all_fields() -> ContactFields {
    ContactFields {
        first_name: text("Ada"),
        last_name: text("King"),
        name: text("Ada King"),
        email: text("ada@example.com"),
        phone: text("+18832327657"),
        address1: text("1st St"),
        city: text("Dolomite"),
        state: text("AL"),
        country: text("US"),
        postal_code: text("35061"),
        website: text("https://example.com"),
        timezone: text("America/Chihuahua"),
        source: text("clienty"),
        date_of_birth: Some(jiff::civil::date(1990, 9, 25)),
        assigned_to: text("u1"),
        custom_fields: vec![SetCustomField::by_id("f1", json!("My Text"))],
    }
}

fn update() -> UpdateContact {
    let current = serde_json::from_value(json!({"id": "c1", "dndSettings": {"FB": {"status": "permanent"}}})).unwrap();
    let dnd = DndChange::of(&current, Some(true), &[(Channel::Sms, true), (Channel::Fb, false)]);
    UpdateContact { fields: ContactFields { first_name: text("Ada"), ..ContactFields::default() }, dnd }
}

fn search() -> SearchContacts {
    SearchContacts {
        query: text("ada"),
        ..SearchContacts::changed("l1", at("2026-01-01T00:00:00Z"), Some(at("2026-01-02T00:00:00Z")))
    }
}

fn event() -> AppointmentFields {
    AppointmentFields {
        end_time: Some(due()),
        title: text("Demo"),
        description: text("Show it"),
        appointment_status: text("confirmed"),
        assigned_user_id: text("u1"),
        address: text("Zoom"),
        to_notify: Some(false),
        ignore_date_range: Some(false),
        ignore_free_slot_validation: Some(true),
    }
}

fn new_appointment() -> NewAppointment {
    let [location_id, contact_id, calendar_id] = ["l1", "c1", "k1"].map(str::to_owned);
    NewAppointment { location_id, contact_id, calendar_id, start_time: due(), fields: event() }
}

fn update_note() -> UpdateNote {
    UpdateNote { body: text("Ho"), user_id: None }
}

/// The table, in the order of [`endpoints::ALL`].
#[expect(clippy::too_many_lines, reason = "a table: one operation after the other")]
pub(super) fn every() -> Vec<Case> {
    vec![
        case!(GET_LOCATION, |run| run.get_location("l1"), "GET /locations/l1"),
        case!(LIST_CUSTOM_FIELDS, |run| run.list_custom_fields("l1"), "GET /locations/l1/customFields?model=contact"),
        case!(LIST_LOCATION_TAGS, |run| run.list_location_tags("l1"), "GET /locations/l1/tags"),
        case!(
            SEARCH_TASKS,
            |run| {
                let search = SearchTasks {
                    contact_ids: texts(&["c1"]),
                    completed: Some(false),
                    assigned_to: texts(&["u1"]),
                    query: text("call"),
                    limit: 100,
                    skip: 7,
                };
                async move { run.search_tasks("l1", &search).await }
            },
            "POST /locations/l1/tasks/search",
            {"contactId": ["c1"], "completed": false, "assignedTo": ["u1"], "query": "call", "limit": 100, "skip": 7}
        ),
        case!(GET_CONTACT, |run| run.get_contact("c1"), "GET /contacts/c1"),
        case!(SEARCH_CONTACTS, |run| run.search_contacts(&search()), "POST /contacts/search", {
            "locationId": "l1",
            "pageLimit": 500,
            "filters": [{
                "field": "dateUpdated",
                "operator": "range",
                "value": {"gte": "2026-01-01T00:00:00Z", "lte": "2026-01-02T00:00:00Z"},
            }],
            "sort": [{"field": "dateUpdated", "direction": "asc"}],
            "query": "ada",
        }),
        case!(
            FIND_DUPLICATE_CONTACT,
            |run| run.find_duplicate_contact("l1", Some("ada+1@example.com"), Some("+18832327657")),
            "GET /contacts/search/duplicate?locationId=l1&number=%2B18832327657&email=ada%2B1%40example.com"
        ),
        case!(
            LIST_CONTACTS,
            |run| {
                let after = ListCursor { start_after_id: "c0".to_owned(), start_after: 1_631_087_949_919 };
                async move { run.list_contacts("l1", 100, Some(&after), Some("ada k")).await }
            },
            "GET /contacts/?locationId=l1&limit=100&startAfterId=c0&startAfter=1631087949919&query=ada+k"
        ),
        case!(
            LIST_CONTACTS_OF_BUSINESS,
            |run| run.list_contacts_of_business("b1", "l1", 100, 200, None),
            "GET /contacts/business/b1?locationId=l1&limit=100&skip=200"
        ),
        case!(
            CREATE_CONTACT,
            |run| {
                let contact = NewContact {
                    location_id: "l1".to_owned(),
                    company_name: text("DGS"),
                    gender: text("female"),
                    dnd: Some(false),
                    tags: texts(&["vip"]),
                    fields: all_fields(),
                };
                async move { run.create_contact(&contact).await }
            },
            "POST /contacts/",
            {
                "locationId": "l1", "companyName": "DGS", "gender": "female", "dnd": false, "tags": ["vip"],
                "firstName": "Ada", "lastName": "King", "name": "Ada King", "email": "ada@example.com",
                "phone": "+18832327657", "address1": "1st St", "city": "Dolomite", "state": "AL", "country": "US",
                "postalCode": "35061", "website": "https://example.com", "timezone": "America/Chihuahua",
                "source": "clienty", "dateOfBirth": "1990-09-25", "assignedTo": "u1",
                "customFields": [{"id": "f1", "field_value": "My Text"}],
            }
        ),
        case!(
            UPSERT_CONTACT,
            |run| {
                let fields = ContactFields { email: text("ada@example.com"), ..ContactFields::default() };
                let contact = UpsertContact { location_id: "l1".to_owned(), company_name: text("DGS"), fields };
                async move { run.upsert_contact(&contact).await }
            },
            "POST /contacts/upsert",
            {"locationId": "l1", "companyName": "DGS", "email": "ada@example.com"}
        ),
        case!(UPDATE_CONTACT, |run| run.update_contact("c1", &update()), "PUT /contacts/c1", {
            "firstName": "Ada", "dnd": true, "dndSettings": {"SMS": {"status": "active"}},
        }),
        case!(DELETE_CONTACT, |run| run.delete_contact("c1"), "DELETE /contacts/c1"),
        case!(ADD_TAGS, |run| run.add_tags("c1", &texts(&["vip"])), "POST /contacts/c1/tags", {"tags": ["vip"]}),
        case!(
            REMOVE_TAGS,
            |run| run.remove_tags("c1", &texts(&["vip"])),
            "DELETE /contacts/c1/tags",
            {"tags": ["vip"]}
        ),
        case!(
            ADD_FOLLOWERS,
            |run| run.add_followers("c1", &texts(&["u1"])),
            "POST /contacts/c1/followers",
            {"followers": ["u1"]}
        ),
        case!(
            REMOVE_FOLLOWERS,
            |run| run.remove_followers("c1", &texts(&["u1"])),
            "DELETE /contacts/c1/followers",
            {"followers": ["u1"]}
        ),
        case!(ADD_TO_CAMPAIGN, |run| run.add_to_campaign("c1", "k1"), "POST /contacts/c1/campaigns/k1", {}),
        case!(REMOVE_FROM_CAMPAIGN, |run| run.remove_from_campaign("c1", "k1"), "DELETE /contacts/c1/campaigns/k1"),
        case!(
            REMOVE_FROM_ALL_CAMPAIGNS,
            |run| run.remove_from_all_campaigns("c1"),
            "DELETE /contacts/c1/campaigns/removeAll"
        ),
        case!(
            ADD_TO_WORKFLOW,
            |run| run.add_to_workflow("c1", "w1", Some(at("2026-01-01T00:00:00.5Z"))),
            "POST /contacts/c1/workflow/w1",
            {"eventStartTime": "2026-01-01T00:00:00Z"}
        ),
        case!(
            REMOVE_FROM_WORKFLOW,
            |run| run.remove_from_workflow("c1", "w1", None),
            "DELETE /contacts/c1/workflow/w1",
            {}
        ),
        case!(
            BULK_TAGS,
            |run| {
                let [contacts, tags] = [texts(&["c1", "c2"]), texts(&["vip"])];
                let body = BulkTags { location_id: "l1".to_owned(), contacts, tags };
                async move { run.change_tags(TagChange::Remove, &body).await }
            },
            "POST /contacts/bulk/tags/update/remove",
            {"locationId": "l1", "contacts": ["c1", "c2"], "tags": ["vip"]}
        ),
        case!(
            BULK_BUSINESS,
            |run| run.set_business("l1", &texts(&["c1"]), None),
            "POST /contacts/bulk/business",
            {"locationId": "l1", "ids": ["c1"], "businessId": null}
        ),
        case!(LIST_TASKS, |run| run.list_tasks("c1"), "GET /contacts/c1/tasks"),
        case!(GET_TASK, |run| run.get_task("c1", "t1"), "GET /contacts/c1/tasks/t1"),
        case!(CREATE_TASK, |run| run.create_task("c1", &new_task()), "POST /contacts/c1/tasks", {
            "title": "Call", "body": "Ask", "dueDate": "2020-10-25T11:00:00Z", "completed": false, "assignedTo": "u1",
        }),
        case!(
            UPDATE_TASK,
            |run| {
                let changes = UpdateTask { due_date: Some(due()), ..UpdateTask::default() };
                async move { run.update_task("c1", "t1", &changes).await }
            },
            "PUT /contacts/c1/tasks/t1",
            {"dueDate": "2020-10-25T11:00:00Z"}
        ),
        case!(
            COMPLETE_TASK,
            |run| run.complete_task("c1", "t1", true),
            "PUT /contacts/c1/tasks/t1/completed",
            {"completed": true}
        ),
        case!(DELETE_TASK, |run| run.delete_task("c1", "t1"), "DELETE /contacts/c1/tasks/t1"),
        case!(LIST_NOTES, |run| run.list_notes("c1"), "GET /contacts/c1/notes"),
        case!(GET_NOTE, |run| run.get_note("c1", "n1"), "GET /contacts/c1/notes/n1"),
        case!(
            CREATE_NOTE,
            |run| {
                let note = NewNote { body: "Hi".to_owned(), user_id: text("u1") };
                async move { run.create_note("c1", &note).await }
            },
            "POST /contacts/c1/notes",
            {"body": "Hi", "userId": "u1"}
        ),
        case!(UPDATE_NOTE, |run| run.update_note("c1", "n1", &update_note()), "PUT /contacts/c1/notes/n1", {
            "body": "Ho",
        }),
        case!(DELETE_NOTE, |run| run.delete_note("c1", "n1"), "DELETE /contacts/c1/notes/n1"),
        case!(LIST_APPOINTMENTS, |run| run.list_appointments("c1"), "GET /contacts/c1/appointments"),
        case!(
            LIST_EVENTS,
            |run| {
                let of = EventsOf::Calendar("k1".to_owned());
                let [from, to] = [at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")];
                async move { run.list_events("l1", &of, from, to).await }
            },
            "GET /calendars/events?locationId=l1&calendarId=k1&startTime=1767225600000&endTime=1769904000000"
        ),
        case!(GET_APPOINTMENT, |run| run.get_appointment("a1"), "GET /calendars/events/appointments/a1"),
        case!(
            CREATE_APPOINTMENT,
            |run| {
                let appointment = new_appointment();
                async move { run.create_appointment(&appointment).await }
            },
            "POST /calendars/events/appointments",
            {
                "locationId": "l1", "contactId": "c1", "calendarId": "k1", "startTime": "2020-10-25T11:00:00Z",
                "endTime": "2020-10-25T11:00:00Z", "title": "Demo", "description": "Show it",
                "appointmentStatus": "confirmed", "assignedUserId": "u1", "address": "Zoom", "toNotify": false,
                "ignoreDateRange": false, "ignoreFreeSlotValidation": true,
            }
        ),
        case!(
            UPDATE_APPOINTMENT,
            |run| {
                let changes = UpdateAppointment { start_time: Some(due()), ..UpdateAppointment::default() };
                async move { run.update_appointment("a1", &changes).await }
            },
            "PUT /calendars/events/appointments/a1",
            {"startTime": "2020-10-25T11:00:00Z"}
        ),
        case!(DELETE_EVENT, |run| run.delete_event("a1"), "DELETE /calendars/events/a1", {}),
    ]
}

#[test]
fn the_table_holds_every_operation() {
    let named: Vec<_> = every().iter().map(|case| case.endpoint.operation).collect();
    let known: Vec<_> = endpoints::ALL.iter().map(|endpoint| endpoint.operation).collect();
    assert_eq!(named, known);
}

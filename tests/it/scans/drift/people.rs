//! People who edit on both sides whatever comes to hand, as the dice say.
//!
//! Each sees what there is, and may find that somebody on the other side was faster. What Clienty creates bears a mark in its text that no edit takes away, so that it is found again wherever it ends.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use sync_model::decide::sync_status::Progress;

use crate::support::deployment::Deployment;

const DUE: &str = "2035-01-01T09:00:00Z";

pub(super) struct People<'a> {
    place: &'a Deployment,
    location: String,
    /// Nobody can book in one that GHL has not.
    calendar: String,
    dice: StdRng,
    number: usize,
    /// What Clienty created, by mark: the contact it belongs to; none for a contact.
    created: BTreeMap<String, Option<String>>,
    /// Marks of what somebody deleted.
    deleted: BTreeSet<String>,
}

impl<'a> People<'a> {
    pub(super) async fn new(place: &'a Deployment, seed: u64) -> Self {
        let (location, dice) = (place.sandbox.locations().remove(0).id, StdRng::seed_from_u64(seed));
        let calendar = text(&place.sandbox.state(&location).unwrap()["appointments"][0], "calendarId");
        Self { place, location, calendar, dice, number: 0, created: BTreeMap::new(), deleted: BTreeSet::new() }
    }

    /// Somebody edits something, in GHL or in Clienty.
    pub(super) async fn edit(&mut self) {
        if self.dice.random_bool(0.5) { self.edit_in_ghl().await } else { self.edit_in_clienty().await }
    }

    /// A contact comes, changes, goes or is merged; a task, note or appointment comes, changes or goes.
    pub(super) async fn edit_in_ghl(&mut self) {
        self.number += 1;
        let (n, location) = (self.number, self.location.clone());
        let list = ["tasks", "notes", "appointments"][self.dice.random_range(0..3)];
        let Some(contact) = self.held("contacts") else { return };
        let contact = text(&contact, "id");
        match self.dice.random_range(0..100) {
            0..25 => {
                let field = self.field();
                let path = format!("{location}/contacts/{contact}");
                self.place.at_the_terminal("PUT", &path, json!({field: format!("theirs {n}")})).await;
            }
            25..30 => {
                let fields = json!({"firstName": "Newcomer", "email": format!("new{n}@example.com")});
                self.place.at_the_terminal("POST", &format!("{location}/contacts"), fields).await;
            }
            30..34 => {
                self.place.at_the_terminal("DELETE", &format!("{location}/contacts/{contact}"), json!({})).await;
            }
            34..38 => {
                let Some(heir) = self.held("contacts").filter(|heir| heir["id"] != contact.as_str()) else { return };
                let path = format!("{location}/contacts/{contact}/merge");
                self.place.at_the_terminal("POST", &path, json!({"into": heir["id"]})).await;
            }
            38..60 => {
                let mut fields = match list {
                    "tasks" => json!({"title": format!("Theirs {n}"), "dueDate": DUE, "completed": false}),
                    "notes" => json!({"body": format!("Theirs {n}")}),
                    _ => json!({"title": format!("Theirs {n}"), "calendarId": "c", "appointmentStatus": "confirmed",
                                "startTime": format!("2035-01-01T{:02}:00:00.000Z", n % 23),
                                "endTime": format!("2035-01-01T{:02}:30:00.000Z", n % 23)}),
                };
                fields["contactId"] = contact.into();
                self.place.at_the_terminal("POST", &format!("{location}/{list}"), fields).await;
            }
            60..88 => {
                let Some(record) = self.held(list) else { return };
                let fields = match list {
                    "tasks" if self.dice.random_bool(0.5) => json!({"completed": record["completed"] != true}),
                    "tasks" => json!({"body": format!("Theirs {n}")}),
                    "notes" => json!({"body": format!("{}\ntheirs {n}", text(&record, "body"))}),
                    _ => json!({"appointmentStatus": if n.is_multiple_of(2) { "showed" } else { "cancelled" }}),
                };
                let path = format!("{location}/{list}/{}", text(&record, "id"));
                self.place.at_the_terminal("PUT", &path, fields).await;
            }
            _ => {
                let Some(record) = self.held(list) else { return };
                self.deleted.extend(self.mark_of(&record));
                let path = format!("{location}/{list}/{}", text(&record, "id"));
                self.place.at_the_terminal("DELETE", &path, json!({})).await;
            }
        }
    }

    /// The same by events, of what Clienty knows.
    async fn edit_in_clienty(&mut self) {
        self.number += 1;
        let n = self.number;
        let contacts = self.place.records.shown_contacts(&self.location, "", i64::MAX).await.unwrap();
        let Some(contact) = self.one_of(&contacts) else { return };
        let view = self.place.records.contact_view(&self.location, &contact).await.unwrap();
        let view = view.map_or(Value::Null, |view| serde_json::to_value(view).unwrap());
        let kind = ["task", "note", "appointment"][self.dice.random_range(0..3)];
        let ours = view[format!("{kind}s")].as_array().cloned().unwrap_or_default();
        let ours = self.one_of(&ours);
        let mark = format!("[k{n}]");
        let (event, data) = match self.dice.random_range(0..100) {
            0..25 => ("contact.updated", json!({self.field(): format!("ours {n}")})),
            25..30 => ("contact.tagged", json!({"tags": [format!("tag{}", n % 5)]})),
            30..33 => ("contact.deleted", json!({})),
            33..40 => {
                let data = json!({"clientyContactId": format!("k{n}"), "firstName": format!("Ours {mark}"), "email": format!("k{n}@example.com")});
                if self.report("contact.created", None, data).await {
                    self.created.insert(mark, None);
                }
                return;
            }
            40..65 if kind == "task" => (
                "task.created",
                json!({"clientyTaskId": format!("k{n}"), "title": format!("Ours {mark}"), "dueDate": DUE}),
            ),
            40..65 if kind == "note" => {
                ("note.created", json!({"clientyNoteId": format!("k{n}"), "noteText": format!("Ours {mark}")}))
            }
            40..65 => {
                let mut data = json!({"clientyAppointmentId": format!("k{n}"), "calendarId": self.calendar, "title": format!("Ours {mark}"),
                                      "startTime": format!("2035-02-01T{:02}:00:00Z", n % 23)});
                if n.is_multiple_of(2) {
                    data["notes"] = format!("Ours {n}").into();
                }
                ("appointment.created", data)
            }
            65..90 => {
                let Some(record) = ours else { return };
                match kind {
                    "task" if self.dice.random_bool(0.3) => (
                        "task.completed",
                        json!({"taskId": record["taskId"], "clientyTaskId": record["clientyTaskId"]}),
                    ),
                    "task" => (
                        "task.updated",
                        json!({"taskId": record["taskId"], "clientyTaskId": record["clientyTaskId"], "body": format!("Ours {n}")}),
                    ),
                    "appointment" => {
                        let mut data = ids_of_appointment(&record);
                        match n % 3 {
                            0 => data["startTime"] = format!("2035-03-01T{:02}:30:00Z", n % 23).into(),
                            1 => data["address"] = format!("Room {n}").into(),
                            _ => data["status"] = ["confirmed", "noshow"][n % 2].into(),
                        }
                        ("appointment.updated", data)
                    }
                    _ => {
                        let wording = format!("{}\nours {n}", text(&record, "noteText"));
                        (
                            "note.updated",
                            json!({"noteId": record["noteId"], "clientyNoteId": record["clientyNoteId"], "noteText": wording}),
                        )
                    }
                }
            }
            _ => {
                let Some(record) = ours else { return };
                self.deleted.extend(self.mark_of(&record));
                match kind {
                    "task" => {
                        ("task.deleted", json!({"taskId": record["taskId"], "clientyTaskId": record["clientyTaskId"]}))
                    }
                    "appointment" => ("appointment.deleted", ids_of_appointment(&record)),
                    _ => {
                        ("note.deleted", json!({"noteId": record["noteId"], "clientyNoteId": record["clientyNoteId"]}))
                    }
                }
            }
        };
        if self.report(event, Some(&contact), data).await && event.ends_with("created") {
            self.created.insert(mark, Some(contact));
        }
    }

    /// Sends an event; whether what it is about was still there.
    async fn report(&self, event: &str, contact: Option<&str>, mut data: Value) -> bool {
        data.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let mut event = json!({"type": event, "locationId": self.location, "contactId": contact, "data": data});
        let mut answer = self.place.api.post(event.to_string()).await;
        if answer.text.contains("belongs to another contact; leave contactId out") {
            // GHL merged the contact since it was looked at. As the answer says.
            event.as_object_mut().unwrap().remove("contactId");
            answer = self.place.api.post(event.to_string()).await;
        }
        let is_gone = answer.text.contains("was deleted");
        assert!(answer.status == 202 || is_gone, "{event}: {}", answer.text);
        !is_gone
    }

    /// All that Clienty created is in GHL once, unless somebody deleted it or its contact.
    pub(super) async fn assert_nothing_lost_or_doubled(&self) {
        let state = self.place.sandbox.state(&self.location).unwrap();
        let rows = |list: &str| state[list].as_array().unwrap().clone();
        let held = ["contacts", "tasks", "notes", "appointments"].map(rows).concat();
        let marks: Vec<_> = held.iter().filter_map(|record| self.mark_of(record)).collect();
        let contacts: BTreeSet<_> = rows("contacts").iter().map(|contact| text(contact, "id")).collect();
        let mut found = 0;
        for (mark, contact) in &self.created {
            let times = marks.iter().filter(|other| *other == mark).count();
            let may_lack = self.deleted.contains(mark) || contact.as_ref().is_none_or(|id| !contacts.contains(id));
            assert!(times == 1 || (times == 0 && may_lack), "{mark} of {contact:?} is there {times} times");
            found += times;
        }
        assert!(found > 0, "nothing was created");
    }

    /// Only what was created in Clienty for a contact that somebody had deleted or merged in GHL is given up, and its job says so: nothing else
    /// of GHL's or ours may end one.
    pub(super) async fn assert_given_up_for_good_reason(&self) {
        let state = self.place.sandbox.state(&self.location).unwrap();
        let has =
            |id: &String| state["contacts"].as_array().unwrap().iter().any(|contact| contact["id"] == id.as_str());
        for job in self.place.dead().await {
            let id =
                ["clientyTaskId", "clientyNoteId", "clientyAppointmentId"].iter().find_map(|id| job.data[id].as_str());
            let contact = id.and_then(|id| self.created.get(&format!("[{id}]"))).and_then(Option::as_ref);
            let is_refused = job.event_type.ends_with(".created") && job.outcome == Some(Progress::Refused);
            assert!(is_refused && contact.is_some_and(|contact| !has(contact)), "given up: {job:?}");
            assert_eq!(job.last_error.as_deref(), Some("GHL has no such contact"), "given up: {job:?}");
        }
    }

    fn mark_of(&self, record: &Value) -> Option<String> {
        let texts = ["title", "noteText", "body", "firstName"].iter().filter_map(|field| record[field].as_str());
        let mut marks = texts.filter_map(|text| Some(text[text.find("[k")?..=text.find(']')?].to_owned()));
        marks.next()
    }

    /// A record that GHL has.
    fn held(&mut self, list: &str) -> Option<Value> {
        let state = self.place.sandbox.state(&self.location).unwrap();
        self.one_of(state[list].as_array().unwrap())
    }

    fn field(&mut self) -> &'static str {
        ["city", "address1", "companyName", "postalCode"][self.dice.random_range(0..4)]
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        (!all.is_empty()).then(|| all[self.dice.random_range(0..all.len())].clone())
    }
}

fn text(record: &Value, field: &str) -> String {
    record[field].as_str().unwrap_or_default().to_owned()
}

fn ids_of_appointment(record: &Value) -> Value {
    json!({"appointmentId": record["appointmentId"], "clientyAppointmentId": record["clientyAppointmentId"]})
}

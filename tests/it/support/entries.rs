//! Tasks, notes and appointments that a producer creates, each with a text of its own: what the sandbox holds shows how often each was created.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster::Cluster;

/// Events that create `each` tasks and notes of every seeded contact. They can be sent again: their ids make it harmless.
pub(crate) fn creations(cluster: &Cluster, each: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for location in cluster.sandbox.locations() {
        for contact in cluster.contacts(&location.id) {
            for n in 0..each {
                let (location, own_id) = (&location.id, format!("{contact}-{n}"));
                events.push(json!({
                    "id": format!("task-{own_id}"), "type": "task.created", "locationId": location, "contactId": contact,
                    "data": {"clientyTaskId": own_id, "title": format!("Call {own_id}"), "dueDate": "2026-03-01T09:00:00Z"},
                }));
                events.push(json!({
                    "id": format!("note-{own_id}"), "type": "note.created", "locationId": location, "contactId": contact,
                    "data": {"clientyNoteId": own_id, "noteText": format!("Note {own_id}")},
                }));
            }
        }
    }
    events
}

/// Each task, note, appointment and contact that `events` create is in the sandbox exactly once.
pub(crate) fn assert_created_once(cluster: &Cluster, events: &[Value]) {
    let mut held: BTreeMap<(String, String), usize> = BTreeMap::new();
    for location in cluster.sandbox.locations() {
        let state = cluster.sandbox.state(&location.id).unwrap();
        for (list, field) in
            [("tasks", "title"), ("notes", "body"), ("appointments", "title"), ("contacts", "firstName")]
        {
            for entry in state[list].as_array().unwrap() {
                let text = entry[field].as_str().unwrap_or_default().to_owned();
                *held.entry((location.id.clone(), text)).or_default() += 1;
            }
        }
    }
    let wrong: Vec<_> = events
        .iter()
        .filter_map(|event| {
            let text = ["title", "noteText", "firstName"].into_iter().find_map(|name| event["data"][name].as_str())?;
            let location = event["locationId"].as_str()?.to_owned();
            let count = held.get(&(location, text.to_owned())).copied().unwrap_or(0);
            (count != 1).then(|| format!("{text}: {count} times"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} are not there once: {wrong:?}", wrong.len(), events.len());
}

//! What a stored webhook reports.

use ghl::WireTime;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StoredWebhook;
use crate::mapping;
use crate::records::AnyEntry;

impl StoredWebhook {
    /// What it says; nothing where that can't be read.
    #[must_use]
    pub fn said(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// GHL's time of the event, where it bears one: no later than its receipt, since a time ahead would make echoes of all that comes until then.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let at = self.said().get("timestamp").and_then(WireTime::read)?.instant_in(&TimeZone::UTC)?;
        Some(at.min(self.received_at))
    }

    /// The contact that it is about, as GHL reports it; none of another record.
    #[must_use]
    pub fn contact(&self) -> Option<Value> {
        const EVENTS: [&str; 4] = ["ContactCreate", "ContactUpdate", "ContactDndUpdate", "ContactTagUpdate"];
        let said = self.said();
        (EVENTS.contains(&self.event_type.as_str()) && said["payloadTooLarge"] != true).then_some(said)
    }

    /// The task, note or appointment that it is about, of a contact in a location of `zone`; none where it does not say.
    #[must_use]
    pub fn part(&self, contact_id: &str, zone: &TimeZone) -> Option<AnyEntry> {
        let mut said = self.said();
        Some(match self.event_type.as_str() {
            event @ ("TaskCreate" | "TaskComplete" | "TaskDelete") => {
                let mut task = mapping::task::from_ghl(read(said)?, contact_id);
                if event == "TaskComplete" {
                    task.completed = true;
                    task.absent.remove("completed");
                }
                AnyEntry::Task(task)
            }
            "NoteCreate" | "NoteUpdate" | "NoteDelete" => {
                AnyEntry::Note(mapping::note::from_ghl(read(said)?, contact_id))
            }
            _ => AnyEntry::Appointment(mapping::appointment::from_ghl(
                read(said["appointment"].take())?,
                contact_id,
                zone,
            )),
        })
    }
}

fn read<T: DeserializeOwned>(record: Value) -> Option<T> {
    serde_json::from_value(record).ok()
}

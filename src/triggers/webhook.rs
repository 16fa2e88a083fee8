//! Webhooks that GHL sends: from the bytes of a body to what it says and what it asks for here.
//!
//! A body is cleaned where it is not quite JSON, and brought into the one form that all that follows reads: its fields on top, an
//! appointment's under `appointment`. One that makes no sense then is kept as it is and asks for nothing. The signature was checked before.
//!
//! Traps: there is no order, and a body may be days old, so age refuses nothing and is looked at again; the documents' samples of changed and
//! deleted appointments say `AppointmentCreate`, a new task may come without its contact, and of a body over 256 KB only the ids are left.

use std::ops::BitOr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ghl::WireTime;
use ghl::json::{self, Document};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use sync_model::ids;
use sync_workers::records::{NewWebhook, WEBHOOK_SOURCE, WebhookWork, is_late};

mod envelope;
#[cfg(test)]
mod tests;

pub use ghl::webhooks::{Event, Recognised, recognise};

/// The name of this source in the ledger and in metrics.
pub const SOURCE: &str = WEBHOOK_SOURCE;

/// The body is no JSON, whatever is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// By which a repetition is known.
    pub id: String,
}

/// A webhook, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// By which a repetition is known: GHL's id of the webhook, or the hash of a body that has none.
    pub id: String,
    /// What it is.
    pub event: Recognised,
    /// The location it is about.
    pub location_id: Option<String>,
    /// When GHL sent it.
    pub at: Option<Timestamp>,
    /// What it says.
    pub news: News,
    /// GHL left out what made it too large: only its ids count.
    pub payload_too_large: bool,
    /// All its fields; empty where the body holds no object.
    pub fields: Map<String, Value>,
    /// The body as text, without what must not be kept.
    text: String,
}

/// What a webhook says, as far as anything here depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A contact is new or reads differently.
    Contact { contact_id: String },
    /// A contact is gone.
    ContactGone { contact_id: String },
    /// A task, note or appointment is new, reads differently, is completed or is gone.
    Part { part: Part, id: Option<String>, contact_id: Option<String> },
    /// The location reads differently.
    Location,
    /// The app was installed, or taken away.
    App { installed: bool, location_id: Option<String>, company_id: Option<String>, app_id: Option<String> },
    /// Nothing that matters here.
    Other,
}

/// What hangs on a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Task,
    Note,
    Appointment,
}

impl Webhook {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Unreadable`], where it can't be read even after it was cleaned.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        let hashed = || format!("sha256:{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, body)));
        let document = json::read(body).map_err(|_| Unreadable { id: hashed() })?;
        let kept = json::text_of(&document, body);
        let (mut fields, was_packed) = unpacked(document.value).unwrap_or_default();
        let removed = remove_secrets(&mut fields);
        let was_inside = envelope::open(&mut fields);
        let event = recognise(&fields);
        let moved = envelope::flatten(event, &mut fields) || was_packed || was_inside;
        let text = if removed || moved { Value::Object(fields.clone()).to_string() } else { kept };
        let given = id(&fields, "webhookId").map(|id| format!("id:{id}"));
        let (location_id, news) = (location(event, &fields), news(event, &fields));
        Ok(Self {
            id: given.unwrap_or_else(hashed),
            event,
            location_id,
            at: fields.get("timestamp").and_then(WireTime::read).and_then(|at| at.instant_in(&TimeZone::UTC)),
            news,
            payload_too_large: fields.get("payloadTooLarge").and_then(Value::as_bool).unwrap_or_default(),
            fields,
            text,
        })
    }

    /// What is kept of it, and what it asks for.
    #[must_use]
    pub fn accepted(self, now: Timestamp) -> NewWebhook {
        let is_of_app = matches!(self.news, News::App { .. })
            || [Event::PlanChange, Event::LocationCreate].into_iter().any(|event| self.event.could_match(event));
        NewWebhook {
            work: self.work(),
            id: self.id,
            event_type: self.event.name(),
            location_id: self.location_id,
            needs_connection: !is_of_app,
            is_late: is_late(self.at, now),
            body: self.text,
        }
    }

    fn work(&self) -> WebhookWork {
        match &self.news {
            News::Contact { contact_id } => WebhookWork::Pull { contact_id: contact_id.clone() },
            News::ContactGone { contact_id } => {
                WebhookWork::ContactGone { contact_id: contact_id.clone(), at: self.at }
            }
            News::Part { contact_id: Some(contact_id), .. } => WebhookWork::Pull { contact_id: contact_id.clone() },
            News::Part { part: Part::Task, id: Some(id), contact_id: None } => {
                WebhookWork::FindTask { task_id: id.clone() }
            }
            News::Part { part: Part::Note, id: Some(id), contact_id: None } => {
                WebhookWork::PullOwner { note_id: id.clone() }
            }
            News::Part { part: Part::Appointment, id: Some(id), contact_id: None } => {
                WebhookWork::FindAppointment { appointment_id: id.clone() }
            }
            News::Location => WebhookWork::RefreshLocation,
            // Without a time a later install may have made it void: it is checked in GHL.
            News::App { installed: false, location_id: Some(_), .. } if self.at.is_none() => {
                WebhookWork::RefreshLocation
            }
            News::Part { .. } | News::App { .. } | News::Other => WebhookWork::Nothing,
        }
    }
}

/// The object that a body is, or holds: in a list of one, or in a text. Whether it was packed so.
fn unpacked(body: Value) -> Option<(Map<String, Value>, bool)> {
    match body {
        Value::Object(fields) => Some((fields, false)),
        Value::Array(mut items) if items.len() == 1 => unpacked(items.remove(0)).map(|(fields, _)| (fields, true)),
        Value::String(text) => match json::read(text.as_bytes()) {
            Ok(Document { value: Value::Object(fields), .. }) => Some((fields, true)),
            _ => None,
        },
        _ => None,
    }
}

fn news(event: Recognised, fields: &Map<String, Value>) -> News {
    use Event::*;

    let contact_id = || id(fields, "contactId");
    let part = |part| News::Part { part, id: id(fields, "id"), contact_id: contact_id() };
    match event {
        Recognised::As(ContactCreate | ContactUpdate | ContactDndUpdate | ContactTagUpdate) => {
            id(fields, "id").or_else(contact_id).map_or(News::Other, |contact_id| News::Contact { contact_id })
        }
        Recognised::As(ContactDelete) => {
            id(fields, "id").or_else(contact_id).map_or(News::Other, |contact_id| News::ContactGone { contact_id })
        }
        Recognised::As(TaskCreate | TaskComplete | TaskDelete) => part(Part::Task),
        Recognised::As(NoteCreate | NoteUpdate | NoteDelete) => part(Part::Note),
        Recognised::As(AppointmentCreate | AppointmentUpdate | AppointmentDelete)
        | Recognised::OneOf { name: "Appointment", .. } => {
            let nested = fields.get("appointment").and_then(Value::as_object).unwrap_or(fields);
            let contact_id = id(nested, "contactId").or_else(contact_id);
            News::Part { part: Part::Appointment, id: id(nested, "id"), contact_id }
        }
        Recognised::As(LocationUpdate) => News::Location,
        Recognised::As(app @ (AppInstall | AppUninstall)) => News::App {
            installed: app == AppInstall,
            location_id: id(fields, "locationId"),
            company_id: id(fields, "companyId"),
            app_id: id(fields, "appId"),
        },
        _ => News::Other,
    }
}

/// Events of a location name it by `id`; orders, invoices and their like by `altId`.
fn location(event: Recognised, fields: &Map<String, Value>) -> Option<String> {
    if let Recognised::As(Event::LocationCreate | Event::LocationUpdate) = event {
        return id(fields, "id").or_else(|| id(fields, "locationId"));
    }
    let is_alternative = fields.get("altType").is_some_and(|kind| kind == "location");
    id(fields, "locationId").or_else(|| is_alternative.then(|| id(fields, "altId")).flatten())
}

/// A text that can be an id of GHL's: what is none would be stored, looked up and put into a path.
fn id(fields: &Map<String, Value>, name: &str) -> Option<String> {
    let text = fields.get(name)?.as_str()?;
    let is_id = ids::is_id(text) && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_id.then(|| text.to_owned())
}

/// Removes what GHL may send and must not be stored. Returns whether there was any.
fn remove_secrets(fields: &mut Map<String, Value>) -> bool {
    let mut removed = false;
    fields.retain(|name, _| {
        let is_secret = name.eq_ignore_ascii_case("ssn");
        removed |= is_secret;
        !is_secret
    });
    // Not `any`, which would end at the first.
    fields.values_mut().map(remove_secrets_of).fold(removed, BitOr::bitor)
}

fn remove_secrets_of(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => remove_secrets(fields),
        Value::Array(items) => items.iter_mut().map(remove_secrets_of).fold(false, BitOr::bitor),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

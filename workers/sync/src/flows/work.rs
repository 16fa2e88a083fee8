//! From a step to the trigger of its job, with what goes without saying: the contact of the run, and the id by which a repetition of a
//! created task, note or appointment is known.

use ghl::catalog::{self, Operation, Shape, Wish};
use job_engine::Priority;
use serde_json::{Map, Value, json};

use super::read::ROOTS;
use super::templates::{Known, MissingValue, Place, fill, fill_members, places_of};
use super::{Call, Event, Http, Request, SOURCE, Script, Step, StepAction};
use crate::events::{FieldError, IncomingEvent, operation, translate};

/// Whose work a step's is.
#[derive(Debug, Clone)]
pub struct WorkOf<'a> {
    /// The flow's name.
    pub flow: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// The step's place, from 0.
    pub step: usize,
    /// GHL's id of the location.
    pub location_id: &'a str,
    /// The contact of the run, by the id under which it is kept.
    pub contact_id: Option<&'a str>,
    /// Who goes first.
    pub priority: Priority,
}

/// What a step does, its places filled.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// An event, as a producer sends it.
    Event(Value),
    /// A call: the operation, and what is wished of it as `POST /v1/operations/{name}` takes it.
    Call(String, Value),
    /// A script: its name, and what it gets.
    Script(String, Map<String, Value>),
    /// A request to the outside.
    Http(Request),
}

impl WorkOf<'_> {
    /// The id of the step's event: the same, however often the step is tried.
    #[must_use]
    pub fn event_id(&self) -> String {
        format!("{}.{}", self.run, self.step)
    }

    /// An event, so that its job can be accepted; none for what is no job.
    ///
    /// # Errors
    /// What is wrong with what the step says, now that its places are filled.
    pub fn trigger(&self, work: &Work) -> Result<Option<IncomingEvent>, Vec<FieldError>> {
        let mut trigger = match work {
            Work::Event(event) => translate(event)?,
            Work::Call(name, request) => {
                let text = |name: &str| request[name].as_str().map(str::to_owned);
                let request = Wish {
                    location_id: self.location_id.to_owned(),
                    version: text("version"),
                    parameters: request["parameters"].as_object().cloned().unwrap_or_default(),
                    body: request.get("body").cloned(),
                    confirmed: request["confirm"] == true,
                };
                operation::call(name, request, SOURCE, None)?
            }
            Work::Script(..) | Work::Http(_) => return Ok(None),
        };
        (trigger.event.id, trigger.event.source) = (Some(self.event_id()), SOURCE.to_owned());
        trigger.priority = self.priority;
        // What a call says comes from the contact of the run, whomever it names: an erasure of that person's data finds it.
        if let (Work::Call(..), Some(contact_id)) = (work, self.contact_id) {
            trigger.event.contact_id = Some(contact_id.to_owned());
        }
        Ok(Some(trigger))
    }
}

impl Step {
    /// What it does; none for a wait.
    ///
    /// # Errors
    /// A place that can't be filled.
    pub fn work(&self, of: &WorkOf<'_>, known: &Known<'_>) -> Result<Option<Work>, MissingValue> {
        Ok(match &self.action {
            StepAction::Wait(_) => None,
            StepAction::Event(event) => Some(Work::Event(event.say(of, known)?)),
            StepAction::Call(call) => Some(call.request(of, known)?),
            StepAction::Http(http) => Some(Work::Http(http.request(known)?)),
            StepAction::Script(Script { source, input }) => {
                Some(Work::Script(source.name.clone(), fill_members(input, known)?))
            }
        })
    }

    /// What its pipes can do nothing with, each with where it stands. What is not known yet is not among it.
    #[must_use]
    pub fn unfit(&self, known: &Known<'_>) -> Vec<(String, MissingValue)> {
        let places = self.places().into_iter();
        let missing_values =
            places.filter_map(|(field, place)| known.find(&place).err().map(|missing| (field, missing)));
        missing_values.filter(|(_, missing)| matches!(missing, MissingValue::Unfit { .. })).collect()
    }

    /// Whether anything of it is known only once an earlier step has answered.
    #[must_use]
    pub fn awaits_answers(&self) -> bool {
        self.places().iter().filter_map(|(_, place)| place.root()).any(|root| !ROOTS.contains(&root))
    }

    /// Whether what goes without saying is the contact of the run.
    pub(super) fn takes_contact(&self) -> bool {
        match &self.action {
            StepAction::Wait(_) | StepAction::Script(_) | StepAction::Http(_) => false,
            StepAction::Event(event) => event.contact_id.is_none() && event.is_about_contact(),
            StepAction::Call(call) => {
                let (in_path, in_body) = call.wants_contact();
                in_path || in_body
            }
        }
    }

    /// The places that it speaks of, each with where it stands.
    pub(super) fn places(&self) -> Vec<(String, Place)> {
        let mut places: Vec<_> = self.only_if.iter().flat_map(|condition| condition.places("")).collect();
        let members = |members: &Map<String, Value>, field: &str| places_of(&Value::Object(members.clone()), field);
        match &self.action {
            StepAction::Wait(_) => {}
            StepAction::Event(Event { event_type: _, contact_id, data }) => {
                places.extend(contact_id.iter().flat_map(|id| places_of(id, "contactId")));
                places.extend(members(data, "data"));
            }
            StepAction::Call(Call { operation: _, version: _, parameters, body, confirmed: _ }) => {
                places.extend(members(parameters, "parameters"));
                places.extend(body.iter().flat_map(|body| places_of(body, "body")));
            }
            StepAction::Script(Script { source: _, input }) => places.extend(members(input, "input")),
            StepAction::Http(Http { url, headers, body, method: _, sign: _, again: _ }) => {
                places.extend(places_of(&Value::from(url.as_str()), "http"));
                places.extend(members(headers, "headers"));
                places.extend(body.iter().flat_map(|body| places_of(body, "body")));
            }
        }
        places
    }
}

impl Event {
    /// Whether a producer would have to say which contact it means. A contact that is to be created is none of the run's.
    fn is_about_contact(&self) -> bool {
        let (record, act) = self.event_type.split_once('.').unwrap_or_default();
        (record == "contact") != (act == "created")
    }

    /// Where Clienty's id of what it creates stands.
    fn own_id(&self) -> Option<&'static str> {
        match self.event_type.as_str() {
            "task.created" => Some("clientyTaskId"),
            "note.created" => Some("clientyNoteId"),
            "appointment.created" => Some("clientyAppointmentId"),
            _ => None,
        }
    }

    fn say(&self, of: &WorkOf<'_>, known: &Known<'_>) -> Result<Value, MissingValue> {
        let mut data = fill_members(&self.data, known)?;
        if let Some(own_id) = self.own_id() {
            data.entry(own_id).or_insert_with(|| format!("flow-{}-{}", of.flow, of.event_id()).into());
        }
        let mut event = json!({"type": self.event_type, "locationId": of.location_id, "data": data});
        let contact_id = match &self.contact_id {
            Some(id) => fill(id, known)?,
            None => of.contact_id.filter(|_| self.is_about_contact()).map(Value::from),
        };
        if let Some(contact_id) = contact_id {
            event["contactId"] = contact_id;
        }
        Ok(event)
    }
}

impl Call {
    fn request(&self, of: &WorkOf<'_>, known: &Known<'_>) -> Result<Work, MissingValue> {
        let mut parameters = fill_members(&self.parameters, known)?;
        let mut body = self.body.as_ref().map(|body| fill(body, known)).transpose()?.flatten();
        let (in_path, in_body) = self.wants_contact();
        if let Some(id) = of.contact_id {
            if in_path {
                parameters.insert("contactId".to_owned(), id.into());
            }
            if in_body && let Some(members) = body.get_or_insert_with(|| json!({})).as_object_mut() {
                members.insert("contactId".to_owned(), id.into());
            }
        }
        let mut request = json!({"locationId": of.location_id, "parameters": parameters});
        for (name, value) in [
            ("version", self.version.clone().map(Value::from)),
            ("body", body),
            ("confirm", self.confirmed.then_some(true.into())),
        ] {
            if let Some(value) = value {
                request[name] = value;
            }
        }
        Ok(Work::Call(self.operation.clone(), request))
    }

    /// Whether the operation needs a contact that the step leaves out: among the parameters, in the body.
    fn wants_contact(&self) -> (bool, bool) {
        const NAME: &str = "contactId";
        let Some(form) = catalog::catalog()
            .operation(&self.operation)
            .and_then(|found: &Operation| found.form(self.version.as_deref()))
        else {
            return (false, false);
        };
        let needs = |field: &catalog::Field| field.name == NAME && field.required;
        let in_path = form.parameters.iter().any(|parameter| needs(&parameter.field));
        let in_body = matches!(form.body.as_ref().map(|body| &body.shape), Some(Shape::Fields(fields)) if fields.iter().any(needs));
        let says = |body: &Value| body.get(NAME).is_some() || !body.is_object();
        (in_path && !self.parameters.contains_key(NAME), in_body && !self.body.as_ref().is_some_and(says))
    }
}

//! Flows: what a person who writes no code wants done when something happens, as data: an trigger, and steps one after the other.
//!
//! All here is pure. A definition is a document, read by [`Flow::read`] or by [`Flow::checked`], which holds it against the
//! events and the catalogue. A run
//! keeps the document that it began with, so an edited file changes new runs only. A step becomes a trigger as any event or call
//! ([`Step::work`]), with its places, as `{contact.email}`, filled from what the run knows ([`Known`]).
//!
//! A new kind of step: a variant of [`StepAction`], its words in `read.rs`, what is wrong with one in `check.rs`, and what it does in `jobs/flow_step.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use sync_model::decide::rules::Trigger;

use crate::scripts::Source;

mod change;
mod check;
mod condition;
mod http;
mod look;
mod on;
mod read;
mod scripted;
mod templates;
#[cfg(test)]
mod tests;
mod wait;
mod work;

pub use change::{Changed, IN_A_CHANGE};
pub use check::of_contact as contact_fields;
pub use condition::{Asks, Condition};
pub use ghl::webhooks::object_of;
pub use http::{Again, Http, Request, is_secret_name};
pub use look::Seen;
pub use templates::{HeaderPart, Known, MissingValue, Piped, Place, fill};
pub(crate) use templates::{misread, places_of};
pub use wait::Wait;
pub use work::{Work, WorkOf};

/// The source of what flows do in the ledger and in metrics. It is no trigger for a flow.
pub const SOURCE: &str = "flow";

/// In the place of a tag: any.
pub const ANY_TAG: &str = "*";

/// The `origin` of an event that happened in GHL.
pub const ORIGIN_GHL: &str = "ghl";
/// The `origin` of an event that a producer sent.
pub const ORIGIN_CLIENTY: &str = "clienty";

/// One flow, as its file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// The file's stem.
    pub name: String,
    /// What it is good for, in its author's words.
    pub about: String,
    /// When it runs by itself; none for one that people start.
    pub on: Option<On>,
    /// What must hold as a run begins.
    pub only_if: Vec<Condition>,
    /// Values by name, which whoever starts a run can set otherwise.
    pub set: Map<String, Value>,
    /// In order.
    pub steps: Vec<Step>,
    /// Where it runs; none for every location.
    pub locations: Option<Vec<String>>,
    /// Which of its versions it is; none of a file.
    pub version: Option<i64>,
    /// The document that it was read from.
    pub definition: Value,
}

/// What starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum On {
    /// Something happened to a contact in GHL.
    Contact(Trigger),
    /// A producer sent an event of this type, or it happened in GHL to what is kept here.
    Event(String),
    /// A field of a record reads otherwise than before, whichever side changed it: `contact.updated=email`.
    Changed {
        /// `contact`, `task`, `note` or `appointment`.
        record: String,
        /// The field, or a list of which anything changed.
        field: String,
    },
    /// GHL sent a webhook of this name.
    Webhook(&'static str),
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// By which later steps speak of its answer.
    pub name: Option<String>,
    /// What must hold, or the step is passed over.
    pub only_if: Vec<Condition>,
    /// The step, from 0, in whose place it is done: where that one is done, this one is passed over.
    pub instead_of: Option<usize>,
    /// What it does.
    pub action: StepAction,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAction {
    /// Nothing, for a while.
    Wait(Wait),
    /// What a producer would say.
    Event(Event),
    /// An operation of the catalogue.
    Call(Call),
    /// A script, which computes its answer.
    Script(Script),
    /// A request to the outside.
    Http(Http),
}

/// An event as a step says it, its places not filled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// As in `contact.tagged`.
    pub event_type: String,
    /// The contact it is about, where that is not the run's own.
    pub contact_id: Option<Value>,
    /// The rest.
    pub data: Map<String, Value>,
}

/// A call of an operation, its places not filled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its name in the catalogue.
    pub operation: String,
    /// The version of the API, where it is not the usual one.
    pub version: Option<String>,
    /// What goes into path and query.
    pub parameters: Map<String, Value>,
    /// The body.
    pub body: Option<Value>,
    /// The author knows that a second call of it could not be taken back.
    pub confirmed: bool,
}

/// A script with its input, whose places are not filled yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    /// What runs.
    pub source: Arc<Source>,
    /// What its function gets.
    pub input: Map<String, Value>,
}

/// By which it is known whether two processes have the same flows.
#[must_use]
pub fn hash(flows: &[Flow]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};

    // Without a key of its own, so it is the same in every process of one release.
    let mut hasher = DefaultHasher::new();
    for flow in flows {
        (&flow.name, flow.definition.to_string()).hash(&mut hasher);
    }
    format!("{:012x}", hasher.finish() >> 16)
}

impl Flow {
    /// What people call the step at `index`: its name, or its number.
    #[must_use]
    pub fn title(&self, index: usize) -> String {
        let name = self.steps.get(index).and_then(|step| step.name.clone());
        name.unwrap_or_else(|| format!("step {}", index + 1))
    }

    /// What its trigger is called in its file; none where only people start it.
    #[must_use]
    pub fn on_words(&self) -> Option<&str> {
        self.definition["on"].as_str()
    }

    /// Whether a step after `index` speaks of the answer of the step of that name: no other answer is kept.
    #[must_use]
    pub fn reports_of(&self, index: usize, name: &str) -> bool {
        let later = self.steps.iter().skip(index + 1);
        later.flat_map(Step::places).any(|(_, place)| place.root() == Some(name))
    }

    /// Its scripts, each once.
    #[must_use]
    pub fn scripts(&self) -> Vec<&Arc<Source>> {
        let mut scripts: Vec<&Arc<Source>> = Vec::new();
        for step in &self.steps {
            if let StepAction::Script(script) = &step.action
                && !scripts.contains(&&script.source)
            {
                scripts.push(&script.source);
            }
        }
        scripts
    }

    /// The names of the secrets that its steps speak of, each once.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<&str> {
        let steps = self.steps.iter();
        steps
            .flat_map(|step| if let StepAction::Http(http) = &step.action { http.secrets() } else { Vec::new() })
            .collect()
    }

    /// Whether it runs in that location.
    #[must_use]
    pub fn runs_in(&self, location_id: &str) -> bool {
        self.locations.as_ref().is_none_or(|locations| locations.iter().any(|id| id == location_id))
    }

    /// Whether a run needs a contact.
    #[must_use]
    pub fn needs_contact(&self) -> bool {
        let of_flow = self.only_if.iter().flat_map(|condition| condition.places(""));
        let mut all = of_flow.chain(self.steps.iter().flat_map(Step::places));
        all.any(|(_, place)| place.root() == Some("contact")) || self.steps.iter().any(Step::takes_contact)
    }
}

//! The catalog: every action of GHL's API and every event that can start something, as data.
//!
//! The data is made from GHL's published documents by `workers/ghl/catalog/refresh`, a file an area, with `corrections.toml` merged
//! over it where the documents mislead; a test holds the result against the documents again. It is read on first use.
//!
//! ```
//! let catalog = ghl::catalog::catalog();
//! let operation = catalog.operation("create-task").expect("it is in the documents");
//! assert_eq!(operation.form(None).expect("the first form").path, "/contacts/{contactId}/tasks");
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use reqwest::Method;
use serde::Serialize;
use sync_model::suggest::nearest;

use crate::{Endpoint, InV3, Replay};

mod call;
mod files;
mod page;
mod read;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

pub use call::{Call, Mistake, Wish};
pub use page::page;
pub use shape::{Field, Shape};

/// All operations and triggers.
#[derive(Debug)]
pub struct Catalog {
    operations: Vec<Operation>,
    triggers: Vec<Trigger>,
    by_name: HashMap<&'static str, usize>,
}

/// One action: something that GHL can be asked to do.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// GHL's operation id, or ours where GHL gave one twice; unique.
    pub name: &'static str,
    /// The operation id in the documents, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documented_as: Option<&'static str>,
    /// The document that it is from, such as `contacts`.
    pub area: &'static str,
    /// What it does, in one sentence.
    pub does: String,
    /// Requests that one call of it is: what it takes from the location's limit.
    pub cost: u8,
    /// Whether it may be sent again.
    #[serde(serialize_with = "replay_word")]
    pub replay: Replay,
    /// GHL advises against it.
    pub deprecated: bool,
    /// Where the documents are not followed: the field, and why.
    pub corrections: BTreeMap<&'static str, String>,
    /// How it is called, by version; never empty, the first is the usual one.
    pub versions: Vec<Form>,
}

/// How an operation is called in one version of the API.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Form {
    /// Value of the `Version` header.
    pub version: &'static str,
    /// The HTTP method.
    #[serde(serialize_with = "method_word")]
    pub method: Method,
    /// The path, with `{name}` where a parameter goes.
    pub path: &'static str,
    /// Scopes that the token needs; empty where the documents name none.
    pub scopes: Vec<&'static str>,
    /// Whose token it takes.
    pub tokens: Vec<Token>,
    /// What goes into the path and the query; the headers are the client's own.
    pub parameters: Vec<Parameter>,
    /// The body, where it takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
}

/// One parameter beside the body.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Where it goes.
    #[serde(rename = "in")]
    pub place: Place,
    /// Name, need and shape.
    #[serde(flatten)]
    pub field: Field,
}

/// Where a parameter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Into the path.
    Path,
    /// Behind the question mark.
    Query,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Body {
    /// How it is written.
    pub media: Media,
    /// Whether a request without it is refused.
    pub required: bool,
    /// What it looks like.
    pub shape: Shape,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Media {
    /// As JSON.
    #[serde(rename = "application/json")]
    Json,
    /// As a form of names and values.
    #[serde(rename = "application/x-www-form-urlencoded")]
    Form,
    /// As parts, for files.
    #[serde(rename = "multipart/form-data")]
    Parts,
}

/// Whose token an operation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Token {
    /// A location's, by OAuth or a Private Integration Token.
    Location,
    /// A location's by OAuth only.
    LocationOauth,
    /// An agency's, by OAuth or a Private Integration Token.
    Agency,
    /// An agency's by OAuth only.
    AgencyOauth,
}

/// Something that happens in GHL.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// The webhook's event, or our name for what has no event; unique.
    pub name: &'static str,
    /// The area it is about.
    pub area: &'static str,
    /// What happened, in one sentence.
    pub does: String,
    /// How we learn of it.
    pub found: Found,
    /// The operations that read what is compared, if reconciliation finds it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<&'static str>,
    /// What the webhook brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Shape>,
}

/// How we learn of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// GHL sends a webhook.
    Webhook,
    /// By reading, and comparing with the records.
    #[serde(rename = "sweep")]
    Reconcile,
}

/// The catalog, read when it is first needed.
#[must_use]
pub fn catalog() -> &'static Catalog {
    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
        // It is part of the program and the same in each: a test reads all of it, so it can't fail later.
        read::all().expect("the catalog's files can be read")
    });
    &CATALOG
}

impl Catalog {
    /// Every operation, by area and path.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Every trigger: those with a webhook first.
    #[must_use]
    pub fn triggers(&self) -> &[Trigger] {
        &self.triggers
    }

    /// The operation of that name.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.by_name.get(name).map(|at| &self.operations[*at])
    }

    /// The trigger of that name.
    #[must_use]
    pub fn trigger(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// All areas, each once, in alphabetical order.
    #[must_use]
    pub fn areas(&self) -> Vec<&'static str> {
        let mut areas: Vec<_> = self.operations.iter().map(|operation| operation.area).collect();
        areas.extend(self.triggers.iter().map(|trigger| trigger.area));
        areas.sort_unstable();
        areas.dedup();
        areas
    }

    /// Up to three names that look like `name`: for who mistyped one.
    #[must_use]
    pub fn similar(&self, name: &str) -> Vec<&'static str> {
        let asked = words(name);
        let names =
            || self.operations.iter().map(|operation| operation.name).chain(self.triggers.iter().map(|t| t.name));
        let misspelled = nearest(name, names());
        let mut ranked: Vec<_> = names()
            .map(|known| {
                let has = words(known);
                let shared = has.iter().filter(|word| asked.contains(word)).count();
                (shared, has.len().abs_diff(asked.len()), known)
            })
            .filter(|(shared, _, known)| *shared > 0 && Some(*known) != misspelled)
            .collect();
        // Stable, so of equals the operation stands before the trigger.
        ranked.sort_by_key(|(shared, apart, _)| (std::cmp::Reverse(*shared), *apart));
        misspelled.into_iter().chain(ranked.into_iter().map(|(.., known)| known)).take(3).collect()
    }
}

/// The words of `create-task`, `createTask` and `TaskCreate`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (letter.is_alphanumeric(), words.last_mut()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

impl Operation {
    /// How it is called in `version`; in the usual one where none is named.
    #[must_use]
    pub fn form(&self, version: Option<&str>) -> Option<&Form> {
        match version {
            None => self.versions.first(),
            Some(version) => self.versions.iter().find(|form| form.version == version),
        }
    }

    /// Whether each word of `text` stands in its name, its sentence or its path, whatever the case.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        let texts = [self.name, &self.does].into_iter().chain(self.versions.iter().map(|form| form.path));
        contains(texts, text)
    }
}

impl Form {
    /// What the client sends.
    #[must_use]
    pub fn endpoint(&'static self, operation: &Operation) -> Endpoint {
        let Self { version, method, path, scopes, .. } = self;
        let &Operation { name, cost, replay, .. } = operation;
        let (method, cost) = (method.clone(), u32::from(cost));
        Endpoint { operation: name, method, path, version, v3: InV3::Same, scopes, cost, replay }
    }
}

impl Trigger {
    /// Whether each word of `text` stands in its name or its sentence, whatever the case.
    #[must_use]
    pub fn mentions(&self, text: &str) -> bool {
        contains([self.name, &self.does].into_iter(), text)
    }
}

fn contains<'a>(texts: impl Iterator<Item = &'a str>, text: &str) -> bool {
    let texts: Vec<_> = texts.map(str::to_lowercase).collect();
    text.to_lowercase().split_whitespace().all(|word| texts.iter().any(|each| each.contains(word)))
}

fn replay_word<S: serde::Serializer>(replay: &Replay, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(replay.as_str())
}

fn method_word<S: serde::Serializer>(method: &Method, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(method.as_str())
}

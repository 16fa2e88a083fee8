//! A provider as data: what it is asked, what it costs, and what of its answer fills which field.
//!
//! Read from a document, every mistake at once, each with its field; who read the document from a text knows the line. A provider without a `url` calls
//! no one: its fields are made of the contact's own keys.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value};
use sync_model::decide::span;
use sync_model::money::Money;

use super::keys::{KEYS, Keys};
use super::template::{self, ROOTS};
use crate::events::{FieldError, Fields};
use crate::flows::{misread, places_of};

/// Fields of a contact that enrichment may fill, beside custom fields: no tags, no owner, nothing that decides what is sent to a person.
pub const FILLABLE: [&str; 14] = [
    "firstName",
    "lastName",
    "email",
    "phone",
    "companyName",
    "address1",
    "city",
    "state",
    "country",
    "postalCode",
    "website",
    "timezone",
    "dateOfBirth",
    "source",
];

/// Whether enrichment may fill the field of that name; custom fields are named by key, `customFields.linkedin`.
#[must_use]
pub fn is_fillable(name: &str) -> bool {
    let is_key = |key: &str| !key.is_empty() && key.len() <= 100 && !key.contains(char::is_whitespace);
    FILLABLE.contains(&name) || name.strip_prefix("customFields.").is_some_and(is_key)
}

/// So often a provider may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Calls.
    pub calls: u32,
    /// Within so long.
    pub within: Duration,
}

/// When a provider takes money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// When it knows the person.
    Match,
    /// For each answer.
    Call,
}

/// Where its answers come from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Each part of the path is a template.
    pub(super) url: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Value>,
}

/// One provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// Its file's stem, and its name in lists, metrics and records.
    pub name: String,
    /// What it is, in its author's words.
    pub about: String,
    /// None for one that calls no one.
    pub(super) request: Option<Request>,
    /// Whether it may be asked without a key.
    pub keyless: bool,
    /// Keys without which it is not asked; together they are whom it was asked about.
    pub needs: Vec<String>,
    /// How often it may be called, by each process.
    pub limit: Option<Limit>,
    /// The most credits that one call takes.
    pub credits: u64,
    /// What one credit costs.
    pub price: Money,
    /// When they are taken.
    pub charged: Charged,
    /// The header that reports how many were.
    pub(super) spent: Option<String>,
    pub(super) missing: Vec<u16>,
    pub(super) throttled: Vec<u16>,
    /// A place of the answer that has something where it knows the person.
    pub(super) found: Option<String>,
    pub(super) confidence: Option<String>,
    /// What the confidence is at most.
    pub(super) confidence_most: u32,
    /// For how long an answer counts.
    pub keeps: Duration,
    /// For how long it counts that it knows nothing.
    pub keeps_misses: Duration,
    /// By the field of the contact: where its value stands.
    pub(super) fields: Vec<(String, String)>,
}

impl Provider {
    /// Reads the document of the provider `name`.
    ///
    /// # Errors
    /// One [`FieldError`] a mistake, all at once.
    pub fn read(name: &str, document: &Value) -> Result<Self, Vec<FieldError>> {
        let mut mistakes = Vec::new();
        let empty = Map::new();
        let mut fields = Fields::new(document.as_object().unwrap_or(&empty), "");
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        if !(1..=40).contains(&name.len()) || !name.chars().all(is_plain) {
            let message = "the file's name names the provider: 1 to 40 lower-case letters, digits, - and _".to_owned();
            mistakes.push(FieldError { field: String::new(), message });
        }
        let about = fields.required_text("about");
        let request = request(&mut fields, &mut mistakes);
        let keyless = fields.flag("keyless").unwrap_or(false);
        let needs = needs(&mut fields, request.is_some());
        let limit = fields.text("limit").and_then(|text| {
            let limit = limit(&text);
            if limit.is_none() {
                fields.refuse("limit", "must be calls within a time, as \"100/1m\", \"15/1s\" or \"1000/1h\"");
            }
            limit
        });
        let credits = whole(&mut fields, "credits", 10_000).unwrap_or(0);
        let price = money(&mut fields, "price");
        let charged = match fields.text("charged").as_deref() {
            None | Some("match") => Charged::Match,
            Some("call") => Charged::Call,
            Some(_) => {
                fields.refuse("charged", "must be \"match\" or \"call\"");
                Charged::Call
            }
        };
        let spent = fields.text("spent").map(|name| name.to_lowercase());
        let (missing, throttled) = (statuses(&mut fields, "missing"), statuses(&mut fields, "throttled"));
        let (found, confidence) = (fields.text("found"), fields.text("confidence"));
        let confidence_most = whole(&mut fields, "confidence_most", 1_000_000).unwrap_or(1);
        let keeps = period(&mut fields, "keeps", 90);
        let keeps_misses = period(&mut fields, "keeps_misses", 30);
        let filled = filled(&mut fields, &mut mistakes);
        mistakes.extend(fields.finish());
        let of_answer: &[&str] = if request.is_some() { &["key", "data"] } else { &["key"] };
        for field in ["about", "url", "query", "headers", "body", "found", "confidence", "fields"] {
            let Some(value) = document.get(field).filter(|_| field != "about") else { continue };
            let roots = if ["url", "query", "headers", "body"].contains(&field) { &ROOTS[..2] } else { of_answer };
            mistakes.extend(misread(value, field).into_iter().map(|(field, message)| FieldError { field, message }));
            for (field, place) in places_of(value, field) {
                let wrong = template::mistake(&place, roots);
                mistakes.extend(wrong.map(|message| FieldError { field, message }));
            }
        }
        let provider = Self {
            name: name.to_owned(),
            about,
            request,
            keyless,
            needs,
            limit,
            credits,
            price,
            charged,
            spent,
            missing,
            throttled,
            found,
            confidence,
            confidence_most: u32::try_from(confidence_most.max(1)).unwrap_or(1),
            keeps,
            keeps_misses,
            fields: filled,
        };
        if mistakes.is_empty() { Ok(provider) } else { Err(mistakes) }
    }

    /// Whether it is asked over the network.
    #[must_use]
    pub fn calls(&self) -> bool {
        self.request.is_some()
    }

    /// What one call costs at most.
    #[must_use]
    pub fn cost(&self) -> Money {
        self.price.times(self.credits)
    }

    /// The fields that it may fill.
    pub fn gives(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a contact with these keys can be asked about.
    #[must_use]
    pub fn can_ask(&self, keys: &Keys) -> bool {
        self.needs.iter().all(|name| keys.get(name).is_some())
    }

    /// Whether its requests carry a key of its own, where there is one.
    #[must_use]
    pub fn takes_secret(&self) -> bool {
        self.places().iter().any(|(name, _)| name == "secret")
    }

    /// What its requests report a person: the keys, each with whether only its hash is sent. For those who ask where their data went.
    #[must_use]
    pub fn sends(&self) -> Vec<String> {
        let keys = self.places().into_iter().filter_map(|(name, is_hashed)| {
            let key = name.strip_prefix("key.")?;
            Some(if is_hashed { format!("{key} (hashed)") } else { key.to_owned() })
        });
        let mut keys: Vec<_> = keys.collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// By whom an answer is known again.
    pub(super) fn identity(&self, keys: &Keys) -> Value {
        self.needs.iter().map(|name| (name.clone(), Value::from(keys.get(name).unwrap_or_default()))).collect()
    }

    /// The same provider, asked at another place: its name is the first part of the path.
    #[must_use]
    pub fn at(mut self, base: &str) -> Self {
        if let Some(request) = &mut self.request {
            let rest = request.url.split_once("://").map_or("", |(_, rest)| rest);
            let path = rest.split_once('/').map_or("", |(_, path)| path);
            request.url = format!("{}/{}/{path}", base.trim_end_matches('/'), self.name);
        }
        self
    }

    /// The places of its requests, as they are written, each with whether it is hashed.
    fn places(&self) -> Vec<(String, bool)> {
        let Some(Request { method: _, url, query, headers, body }) = &self.request else { return Vec::new() };
        let texts = [url].into_iter().chain(query.iter().chain(headers).map(|(_, text)| text));
        let values = texts.map(|text| Value::from(text.as_str())).chain(body.clone());
        let places = values.flat_map(|value| places_of(&value, ""));
        let named = places.filter_map(|(_, place)| {
            let is_hashed = matches!(&place, crate::flows::Place::Piped(piped) if piped.text.contains("hash"));
            match place.bare() {
                crate::flows::Place::Path(path) => Some((path.join("."), is_hashed)),
                _ => None,
            }
        });
        named.collect()
    }
}

fn request(fields: &mut Fields<'_>, mistakes: &mut Vec<FieldError>) -> Option<Request> {
    let url = fields.text("url");
    let method = match fields.text("method").as_deref() {
        None | Some("GET") => Method::GET,
        Some("POST") => Method::POST,
        Some(_) => {
            fields.refuse("method", "must be \"GET\" or \"POST\"");
            Method::GET
        }
    };
    let query = texts(fields, "query", mistakes);
    let headers = texts(fields, "headers", mistakes);
    for (name, _) in &headers {
        if reqwest::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
            let message = "is no name of a header".to_owned();
            mistakes.push(FieldError { field: format!("headers.{name}"), message });
        }
    }
    let body = fields.object("body").cloned().map(Value::Object);
    if body.is_some() && method != Method::POST {
        fields.refuse("body", "needs method = \"POST\"");
    }
    let Some(url) = url else {
        if !query.is_empty() || !headers.is_empty() || body.is_some() {
            fields.refuse("url", "is missing; what has a query, headers or a body is asked somewhere");
        }
        return None;
    };
    let host = url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    if !host.is_some_and(|host| !host.is_empty() && !host.contains(['{', '}', '?', '#'])) {
        fields.refuse("url", "must begin with https:// and a host without places, as https://api.example.com/people");
    } else if url.contains(['?', '#']) {
        fields.refuse("url", "must have no query; say it as query.NAME = \"{key.email}\"");
    }
    Some(Request { method, url, query, headers, body })
}

/// A table of texts.
fn texts(fields: &mut Fields<'_>, name: &'static str, mistakes: &mut Vec<FieldError>) -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for (key, value) in fields.object(name).into_iter().flatten() {
        match value.as_str() {
            Some(text) => texts.push((key.clone(), text.to_owned())),
            None => {
                mistakes.push(FieldError { field: format!("{name}.{key}"), message: "must be a text".to_owned() });
            }
        }
    }
    texts
}

fn needs(fields: &mut Fields<'_>, is_asked: bool) -> Vec<String> {
    let named = |value: &Value| value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let needs: Vec<String> = fields.read("needs", "a list of keys, as [\"email\"]", named).unwrap_or_default();
    if let Some(unknown) = needs.iter().find(|name| !KEYS.contains(&name.as_str())) {
        fields.refuse("needs", format!("has {unknown:?}, which is no key; keys are {}", KEYS.join(", ")));
    } else if is_asked && needs.is_empty() && !fields.has_mistake("needs") {
        fields.refuse("needs", format!("is missing: whom it is asked about, by some of {}", KEYS.join(", ")));
    }
    needs
}

fn filled(fields: &mut Fields<'_>, mistakes: &mut Vec<FieldError>) -> Vec<(String, String)> {
    let filled = texts(fields, "fields", mistakes);
    if filled.is_empty() && !fields.has_mistake("fields") {
        fields.refuse("fields", "is missing: fields.NAME = \"{data.…}\" says what an answer fills");
    }
    for (name, _) in filled.iter().filter(|(name, _)| !is_fillable(name)) {
        let message = format!("can't be filled; known are {}, and \"customFields.KEY\" in quotes", FILLABLE.join(", "));
        mistakes.push(FieldError { field: format!("fields.{name}"), message });
    }
    filled
}

fn whole(fields: &mut Fields<'_>, name: &'static str, most: u64) -> Option<u64> {
    let expected = format!("a whole number from 0 to {most}");
    fields.read(name, &expected, |value| value.as_u64().filter(|number| *number <= most))
}

fn money(fields: &mut Fields<'_>, name: &'static str) -> Money {
    let written = |value: &Value| match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    fields.read(name, &sync_model::money::NotMoney.to_string(), written).unwrap_or_default()
}

fn statuses(fields: &mut Fields<'_>, name: &'static str) -> Vec<u16> {
    let status = |value: &Value| value.as_u64().and_then(|status| u16::try_from(status).ok());
    let valid = |value: &Value| {
        let all: Option<Vec<u16>> = value.as_array()?.iter().map(status).collect();
        all.filter(|all| all.iter().all(|status| (200..=599).contains(status)))
    };
    fields.read(name, "a list of HTTP statuses, as [404]", valid).unwrap_or_default()
}

fn period(fields: &mut Fields<'_>, name: &'static str, days: u64) -> Duration {
    let usual = Duration::from_secs(days * 24 * 60 * 60);
    let Some(text) = fields.text(name) else { return usual };
    match span::parse(&text).map(Duration::try_from) {
        Ok(Ok(period)) => period,
        Ok(Err(_)) => usual,
        Err(expected) => {
            fields.refuse(name, format!("must be {expected}"));
            usual
        }
    }
}

/// `100/1m`.
fn limit(text: &str) -> Option<Limit> {
    let (calls, within) = text.split_once('/')?;
    let calls = calls.trim().parse().ok().filter(|calls| (1..=1_000_000).contains(calls))?;
    let within = within.trim();
    let unit = within.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count: u64 = within.strip_suffix(unit)?.parse().ok().filter(|count| (1..=1000).contains(count))?;
    Some(Limit { calls, within: Duration::from_secs(count * seconds) })
}

//! From the request for a call to the call: checked completely before it is accepted, with every
//! mistake reported at once.

use std::fmt;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sync_model::ids;

use super::shape::kind_of;
use super::{Body, Field, Form, Media, Operation, Place, Shape, Token};
use crate::Replay;

/// The requested call.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The location whose token is used.
    pub location_id: String,
    /// The version of the API; the operation's usual one where none is named.
    pub version: Option<String>,
    /// What goes into path and query, by name. Texts stand for numbers and flags too, as a command line has nothing else.
    pub parameters: Map<String, Value>,
    /// The body.
    pub body: Option<Value>,
    /// The caller knows that a second call of it could not be taken back.
    pub confirmed: bool,
}

/// A call that was found right, as a job carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The operation's name.
    pub operation: String,
    /// The version of the API.
    pub version: String,
    /// What takes the places in the path, from left to right.
    pub ids: Vec<String>,
    /// The query.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
}

/// Something that is wrong with a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where: `parameters.contactId`, `body.tags[2]`.
    pub field: String,
    /// What is wrong there, and what would be right; never the value itself.
    pub message: String,
}

impl Mistake {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl Operation {
    /// The call that fulfils the wish. A `locationId` that the operation needs and the wish leaves out is the location itself.
    ///
    /// # Errors
    /// Every mistake at once.
    pub fn call(&self, request: Wish) -> Result<Call, Vec<Mistake>> {
        let Wish { location_id, version, parameters, body, confirmed } = request;
        let Some(form) = self.form(version.as_deref()) else {
            let known: Vec<_> = self.versions.iter().map(|form| form.version).collect();
            return Err(vec![Mistake::new(
                "version",
                format!("is not one of this operation; it has {}", known.join(", ")),
            )]);
        };
        let mut mistakes = Vec::new();
        if let Some(reason) = form.out_of_reach() {
            mistakes.push(Mistake::new("operation", reason));
        }
        if self.replay == Replay::Never && !confirmed {
            let message = "is needed: a second call could not be taken back (a message, a payment, a post); confirm that it is meant";
            mistakes.push(Mistake::new("confirm", message));
        }
        let (ids, query) = form.check_parameters(&location_id, parameters, &mut mistakes);
        let body = form.check_body(&location_id, body, &mut mistakes);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Call { operation: self.name.to_owned(), version: form.version.to_owned(), ids, query, body })
    }
}

impl Form {
    /// Why a location's connection can't call it at all.
    fn out_of_reach(&self) -> Option<&'static str> {
        let agency_only = !self.tokens.is_empty()
            && self.tokens.iter().all(|token| matches!(token, Token::Agency | Token::AgencyOauth));
        let gives_tokens = self.path.starts_with("/oauth/") && self.method == Method::POST;
        let takes_files = self.body.as_ref().is_some_and(|body| body.media == Media::Parts);
        if gives_tokens {
            Some(
                "answers with a token, which belongs in the vault and not among the replies of jobs; use `clienty-sync connect`",
            )
        } else if agency_only {
            Some("takes an agency's token, and locations are called with their own; call it at GHL with the agency's")
        } else if takes_files {
            Some("uploads files, which no job carries; call it at GHL")
        } else {
            None
        }
    }

    pub(super) fn check_parameters(
        &self,
        location_id: &str,
        mut given: Map<String, Value>,
        mistakes: &mut Vec<Mistake>,
    ) -> (Vec<String>, Vec<(String, String)>) {
        let (mut places, mut query) = (Vec::new(), Vec::new());
        if self.parameters.iter().any(|parameter| parameter.field.name == "locationId" && parameter.field.required) {
            given.entry("locationId").or_insert_with(|| location_id.into());
        }
        own_location(&given, location_id, "parameters", mistakes);
        for parameter in &self.parameters {
            let Field { name, required, shape } = &parameter.field;
            let at = format!("parameters.{name}");
            let values = match given.get(name) {
                None | Some(Value::Null) if *required => {
                    mistakes.push(Mistake::new(at, format!("is missing; it must be {}", shape.in_words())));
                    continue;
                }
                None | Some(Value::Null) => continue,
                Some(value) => texts(shape, value, &at, mistakes),
            };
            match parameter.place {
                Place::Query => query.extend(values.into_iter().map(|value| (name.clone(), value))),
                Place::Path => {
                    let id = values.into_iter().next().unwrap_or_default();
                    if let Err(bad) = ids::check(&id)
                        && !mistakes.iter().any(|mistake| mistake.field == at)
                    {
                        mistakes.push(Mistake::new(at, bad.to_string()));
                    }
                    places.push((self.path.find(&format!("{{{name}}}")), id));
                }
            }
        }
        let is_known = |name: &str| self.parameters.iter().any(|parameter| parameter.field.name == name);
        for name in given.keys().filter(|name| !is_known(name)) {
            let known: Vec<_> = self.parameters.iter().map(|parameter| parameter.field.name.as_str()).collect();
            let known =
                if known.is_empty() { "there are none".to_owned() } else { format!("known are {}", known.join(", ")) };
            mistakes.push(Mistake::new(format!("parameters.{name}"), format!("is not known here; {known}")));
        }
        places.sort();
        (places.into_iter().map(|(_, id)| id).collect(), query)
    }

    fn check_body(&self, location_id: &str, body: Option<Value>, mistakes: &mut Vec<Mistake>) -> Option<Value> {
        let Some(Body { required, shape, media: _ }) = &self.body else {
            if body.is_some() {
                mistakes.push(Mistake::new("body", "is not taken by this operation; leave it out"));
            }
            return None;
        };
        let mut body = match body {
            None if !required && !needs_members(shape) => return None,
            None => Value::Object(Map::new()),
            Some(body) => body,
        };
        if let (Shape::Fields(fields), Some(members)) = (shape, body.as_object_mut()) {
            if fields.iter().any(|field| field.name == "locationId" && field.required) {
                members.entry("locationId").or_insert_with(|| location_id.into());
            }
            own_location(members, location_id, "body", mistakes);
        }
        shape.check(&body, "body", mistakes);
        Some(body)
    }
}

fn needs_members(shape: &Shape) -> bool {
    matches!(shape, Shape::Fields(fields) if fields.iter().any(|field| field.required))
}

/// Another location's record under this location's token and limit is a mistake, whatever GHL would say.
fn own_location(given: &Map<String, Value>, location_id: &str, place: &str, mistakes: &mut Vec<Mistake>) {
    if given.get("locationId").and_then(Value::as_str).is_some_and(|other| other != location_id) {
        mistakes
            .push(Mistake::new(format!("{place}.locationId"), "is another location than the one that is called for"));
    }
}

/// A parameter as text, each item of a list for itself. Texts are read as what the shape asks for.
fn texts(shape: &Shape, value: &Value, at: &str, mistakes: &mut Vec<Mistake>) -> Vec<String> {
    if let (Shape::List(item), Value::Array(values)) = (shape, value) {
        let each = values.iter().enumerate();
        return each.flat_map(|(index, value)| texts(item, value, &format!("{at}[{index}]"), mistakes)).collect();
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            mistakes.push(Mistake::new(at, format!("must be {}, not {}", shape.in_words(), kind_of(value))));
            return Vec::new();
        }
    };
    let fits = |shape: &Shape| match shape {
        Shape::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
        Shape::Flag => matches!(text.as_str(), "true" | "false"),
        Shape::Words(words) => words.contains(&text),
        _ => true,
    };
    let inner = match shape {
        Shape::List(item) | Shape::OrNull(item) => item,
        shape => shape,
    };
    if !fits(inner) {
        mistakes.push(Mistake::new(at, format!("must be {}", inner.in_words())));
    }
    vec![text]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::catalog;
    use super::*;

    fn call(name: &str, parameters: Value, body: Option<Value>) -> Result<Call, Vec<String>> {
        let parameters = parameters.as_object().unwrap().clone();
        let request = Wish { location_id: "L".to_owned(), parameters, body, ..Wish::default() };
        let found = catalog().operation(name).unwrap().call(request);
        found.map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn a_right_call_has_its_ids_in_the_order_of_the_path() {
        let found = call("get-task", json!({"taskId": "T", "contactId": "C"}), None).unwrap();
        assert_eq!((found.ids, found.query, found.body), (vec!["C".to_owned(), "T".to_owned()], vec![], None));
    }

    #[test]
    fn every_mistake_of_a_call_is_reported_at_once() {
        let body = json!({"title": 7, "completed": "yes", "titel": "x"});
        assert_eq!(
            call("create-task", json!({"contactid": "C"}), Some(body)).unwrap_err(),
            [
                "parameters.contactId",
                "parameters.contactid",
                "body.completed",
                "body.dueDate",
                "body.title",
                "body.titel"
            ]
        );
        assert_eq!(
            call("create-task", json!({"contactId": ".."}), Some(json!([]))).unwrap_err(),
            ["parameters.contactId", "body"]
        );
        assert_eq!(call("get-contact", json!({"contactId": "C"}), Some(json!({}))).unwrap_err(), ["body"]);
        assert_eq!(call("get-contact", json!({"contactId": {"id": "C"}}), None).unwrap_err(), ["parameters.contactId"]);
    }

    #[test]
    fn a_body_that_is_left_out_misses_its_members() {
        assert_eq!(call("add-tags", json!({"contactId": "C"}), None).unwrap_err(), ["body.tags"]);
    }

    #[test]
    fn the_location_goes_without_saying_and_no_other_is_taken() {
        let found = call("get-contacts", json!({"limit": "20"}), None).unwrap();
        assert_eq!(found.query, [("limit".to_owned(), "20".to_owned()), ("locationId".to_owned(), "L".to_owned())]);
        let found = call("create-contact", json!({}), Some(json!({"firstName": "A"}))).unwrap();
        assert_eq!(found.body.unwrap()["locationId"], "L");
        assert_eq!(
            call("create-contact", json!({}), Some(json!({"locationId": "M"}))).unwrap_err(),
            ["body.locationId"]
        );
        assert_eq!(call("get-location", json!({"locationId": "M"}), None).unwrap_err(), ["parameters.locationId"]);
    }

    #[test]
    fn texts_of_a_command_line_are_read_as_numbers_flags_and_words() {
        assert_eq!(call("get-contacts", json!({"limit": "many"}), None).unwrap_err(), ["parameters.limit"]);
        assert_eq!(call("get-contacts", json!({"limit": 20}), None).unwrap().query[0].1, "20");
        let body = Some(json!({"contacts": ["C"], "tags": ["a"]}));
        assert_eq!(call("update-contacts-tags", json!({"type": "drop"}), body).unwrap_err(), ["parameters.type"]);
    }

    #[test]
    fn what_cannot_be_taken_back_is_confirmed_first() {
        let parameters = json!({"contactId": "C", "workflowId": "W"}).as_object().unwrap().clone();
        let request = Wish { location_id: "L".to_owned(), parameters, ..Wish::default() };
        let operation = catalog().operation("add-contact-to-workflow").unwrap();
        let mistakes = operation.call(request.clone()).unwrap_err();
        assert_eq!(mistakes.iter().map(|mistake| mistake.field.as_str()).collect::<Vec<_>>(), ["confirm"]);
        assert!(operation.call(Wish { confirmed: true, ..request }).is_ok());
    }

    #[test]
    fn what_no_location_can_call_is_refused() {
        for name in ["get-access-token", "get-location-access-token", "upload-file-attachments", "get-company"] {
            assert!(call(name, json!({}), None).unwrap_err().contains(&"operation".to_owned()), "{name}");
        }
    }

    #[test]
    fn a_version_is_one_that_the_operation_has() {
        let operation = catalog().operation("get-contacts").unwrap();
        let request = Wish { location_id: "L".to_owned(), version: Some("v3".to_owned()), ..Wish::default() };
        assert_eq!(operation.call(request).unwrap_err()[0].field, "version");
    }
}

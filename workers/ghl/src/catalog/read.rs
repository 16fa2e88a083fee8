//! Reads the data files.

use std::collections::{BTreeMap, HashMap};

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{AREAS, TRIGGERS};
use super::{Body, Catalog, Field, Form, Found, Media, Operation, Parameter, Place, Shape, Token, Trigger};
use crate::Replay;

/// An operation as it stands in its file.
#[derive(Deserialize)]
struct Entry {
    name: &'static str,
    id: Option<&'static str>,
    does: String,
    replay: &'static str,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    corrected: BTreeMap<&'static str, String>,
    v3: Option<Map<String, Value>>,
    #[serde(flatten)]
    form: Map<String, Value>,
}

/// A form as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    call: String,
    version: String,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    tokens: Vec<String>,
    #[serde(default)]
    path: Map<String, Value>,
    #[serde(default)]
    query: Map<String, Value>,
    media: Option<String>,
    #[serde(default)]
    body_required: bool,
    body: Option<Value>,
}

/// A trigger as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    name: &'static str,
    area: &'static str,
    does: String,
    found: &'static str,
    #[serde(default)]
    by: Vec<&'static str>,
    payload: Option<Value>,
}

/// All files; the first thing that can't be read, with its place.
pub(super) fn all() -> Result<Catalog, String> {
    let mut operations = Vec::new();
    for &(area, text) in AREAS {
        let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| format!("{area}: {error}"))?;
        for entry in entries {
            let name = entry.name;
            operations.push(operation(area, entry).map_err(|reason| format!("{area}: {name}: {reason}"))?);
        }
    }
    let reported: Vec<Reported> = serde_json::from_str(TRIGGERS).map_err(|error| format!("triggers: {error}"))?;
    let triggers = reported.into_iter().map(trigger).collect::<Result<_, _>>()?;
    let by_name: HashMap<_, _> = operations.iter().enumerate().map(|(at, operation)| (operation.name, at)).collect();
    if by_name.len() != operations.len() {
        return Err("two operations share a name".to_owned());
    }
    Ok(Catalog { operations, triggers, by_name })
}

fn operation(area: &'static str, entry: Entry) -> Result<Operation, String> {
    let Entry { name, id, does, replay, deprecated, corrected, v3, form: written } = entry;
    let mut versions = vec![form(written.clone())?];
    if let Some(differs) = v3 {
        let mut second = written;
        second.extend(differs);
        // What v3 does not have is written as null.
        second.retain(|_, value| !value.is_null());
        versions.push(form(second)?);
    }
    let replay = Replay::parse(replay).ok_or_else(|| format!("`{replay}` is no replay class"))?;
    Ok(Operation { name, documented_as: id, area, does, cost: 1, replay, deprecated, corrections: corrected, versions })
}

fn form(written: Map<String, Value>) -> Result<Form, String> {
    let written: Written = serde_json::from_value(Value::Object(written)).map_err(|error| error.to_string())?;
    let Written { call, version, scopes, tokens, path, query, media, body_required, body } = written;
    let (method, address) = call.split_once(' ').ok_or("`call` is a method and a path")?;
    let mut parameters = Vec::new();
    for (place, members) in [(Place::Path, path), (Place::Query, query)] {
        parameters.extend(Field::read_all(&members)?.into_iter().map(|field| Parameter { place, field }));
    }
    let body = body.map(|shape| {
        let media = match media.as_deref() {
            None => Media::Json,
            Some("form") => Media::Form,
            Some("multipart/form-data") => Media::Parts,
            Some(other) => return Err(format!("`{other}` is no media type that is known here")),
        };
        Ok(Body { media, required: body_required, shape: Shape::read(&shape)? })
    });
    Ok(Form {
        version: kept(version),
        method: Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?,
        path: kept(address.to_owned()),
        scopes: scopes.into_iter().map(kept).collect(),
        tokens: tokens.iter().map(|word| token(word)).collect::<Result<_, _>>()?,
        parameters,
        body: body.transpose()?,
    })
}

/// The catalog is read once and never dropped, so what it is made of may as well be `'static`, which the client asks for.
fn kept(text: String) -> &'static str {
    text.leak()
}

fn token(word: &str) -> Result<Token, String> {
    match word {
        "location" => Ok(Token::Location),
        "location-oauth" => Ok(Token::LocationOauth),
        "agency" => Ok(Token::Agency),
        "agency-oauth" => Ok(Token::AgencyOauth),
        other => Err(format!("`{other}` is no kind of token")),
    }
}

fn trigger(reported: Reported) -> Result<Trigger, String> {
    let Reported { name, area, does, found, by, payload } = reported;
    let wrong = |reason: String| format!("triggers: {name}: {reason}");
    let found = match found {
        "webhook" => Found::Webhook,
        "sweep" => Found::Reconcile,
        other => return Err(wrong(format!("`{other}` is no way to be found"))),
    };
    let payload = payload.as_ref().map(Shape::read).transpose().map_err(wrong)?;
    Ok(Trigger { name, area, does, found, by, payload })
}

//! What clients of the last release rely on: a route, a field or a value that is gone would break them, and so would a
//! field that they have to send now.
//!
//! `released.txt` has what that document promised, a fact a line. A release writes it anew:
//! `cargo test --test it write_what_is_released -- --ignored`.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Operation, document};

const RELEASED: &str = include_str!("released.txt");
/// Before a fact that a client has to know, instead of one that it may rely on.
const NEEDS: &str = "needs ";

/// The facts of a document.
#[derive(Default)]
struct Facts(BTreeSet<String>);

impl Facts {
    fn of(document: &Value) -> Self {
        let mut facts = Self::default();
        let mut sent = Vec::new();
        for operation in Operation::all(document) {
            let route = format!("{} {}", operation.method.to_uppercase(), operation.path);
            facts.add(format!("route {route}"));
            for parameter in ["path", "query", "header"].into_iter().flat_map(|place| operation.parameters(place)) {
                let name = parameter["name"].as_str().unwrap();
                facts.add(format!("parameter {route} {name}"));
                facts.values(&format!("parameter {route} {name}"), &parameter["schema"]);
                if parameter["required"] == true {
                    facts.add(format!("{NEEDS}parameter {route} {name}"));
                }
            }
            for media in
                operation.reported["requestBody"]["content"].as_object().into_iter().flat_map(|all| all.values())
            {
                facts.schema(&format!("body of {route}"), &media["schema"], true);
                sent.extend(named(&media["schema"]));
            }
            for (status, response) in operation.responses().into_iter().filter(|(status, _)| *status < 300) {
                facts.add(format!("answer {route} {status}"));
                for media in response["content"].as_object().into_iter().flat_map(|all| all.values()) {
                    facts.schema(&format!("answer {route} {status}"), &media["schema"], false);
                }
            }
        }
        for (event, webhook) in document["webhooks"].as_object().unwrap() {
            facts.add(format!("webhook {event}"));
            let body = webhook.pointer("/post/requestBody/content/application~1json/schema").unwrap();
            facts.schema(&format!("webhook {event}"), body, false);
        }
        // What is sent within what is sent.
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let mut place = 0;
        while let Some(name) = sent.get(place).cloned() {
            place += 1;
            sent.extend(named(&schemas[&name]).into_iter().filter(|other| !sent.contains(other)).collect::<Vec<_>>());
        }
        for (name, schema) in schemas {
            facts.schema(name, schema, sent.contains(name));
        }
        facts
    }

    fn add(&mut self, fact: String) {
        self.0.insert(fact);
    }

    fn values(&mut self, place: &str, schema: &Value) {
        for value in schema["enum"].as_array().into_iter().flatten() {
            self.add(format!("value {place} {value}"));
        }
    }

    /// The fields and values of a schema; those of others that it refers to are facts of their own.
    fn schema(&mut self, place: &str, schema: &Value, is_sent: bool) {
        if let Some(other) = schema["$ref"].as_str() {
            return self.add(format!("is {place} {}", other.rsplit('/').next().unwrap()));
        }
        self.values(place, schema);
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}.{name}");
            self.add(format!("field {place}"));
            self.schema(&place, field, is_sent);
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // Whoever reads relies on it; whoever sends has to know it.
            let always = if is_sent { NEEDS } else { "always " };
            self.add(format!("{always}{place}.{name}"));
        }
        self.schema_of(&format!("{place}[]"), &schema["items"], is_sent);
        for (name, key) in [("oneOf", "|"), ("anyOf", "|"), ("allOf", "&")] {
            for one in schema[name].as_array().into_iter().flatten() {
                self.schema_of(&format!("{place}{key}"), one, is_sent);
            }
        }
    }

    fn schema_of(&mut self, place: &str, schema: &Value, is_sent: bool) {
        if schema.is_object() {
            self.schema(place, schema, is_sent);
        }
    }

    /// What breaks clients that were written for the `released` facts.
    fn breaking(&self, released: &BTreeSet<String>) -> Vec<String> {
        let relied = released.iter().filter(|fact| !fact.starts_with(NEEDS) && !self.0.contains(*fact));
        let gone = relied.map(|fact| format!("gone: {fact}"));
        // A new route or schema may need what it likes.
        let is_known = |needed: &str| {
            let owner = needed.strip_prefix("parameter ").map_or_else(
                || needed.rsplit_once('.').map(|(owner, _)| owner.to_owned()),
                |parameter| parameter.rsplit_once(' ').map(|(route, _)| format!("route {route}")),
            );
            owner.is_some_and(|owner| released.iter().any(|fact| fact.contains(&owner)))
        };
        let needed = self.0.iter().filter_map(|fact| fact.strip_prefix(NEEDS));
        let new = needed.filter(|needed| !released.contains(&format!("{NEEDS}{needed}")) && is_known(needed));
        gone.chain(new.map(|needed| format!("needed now: {needed}"))).collect()
    }
}

/// The schemas that a schema refers to.
fn named(schema: &Value) -> Vec<String> {
    let mut names = Vec::new();
    super::scan(schema, "", &mut |place, value| {
        if place.ends_with("/$ref") {
            names.extend(value.as_str().and_then(|text| text.rsplit('/').next()).map(str::to_owned));
        }
    });
    names
}

fn released() -> BTreeSet<String> {
    RELEASED.lines().map(str::to_owned).collect()
}

#[test]
fn nothing_breaks_clients_of_the_last_release() {
    let breaking = Facts::of(&document()).breaking(&released());
    assert!(breaking.is_empty(), "clients of the last release rely on it:\n{}", breaking.join("\n"));
    assert!(RELEASED.lines().count() > 500, "the file has what was released");
}

#[test]
fn what_would_break_a_client_is_found_and_what_is_added_is_none() {
    let released = Facts::of(&document()).0;
    let breaking = |change: &dyn Fn(&mut Value)| {
        let mut changed = document();
        change(&mut changed);
        Facts::of(&changed).breaking(&released)
    };
    let removed = |pointer: &'static str, name: &'static str| {
        breaking(&move |document| {
            let object = document.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
            assert!(object.remove(name).is_some(), "{pointer} {name}");
        })
    };
    assert!(removed("/paths", "/v1/me").iter().any(|fact| fact == "gone: route GET /v1/me"));
    assert_eq!(removed("/components/schemas/Hook/properties", "url"), ["gone: field Hook.url"]);
    assert!(removed("/webhooks", "job.died").contains(&"gone: webhook job.died".to_owned()));
    let without_admin = |document: &mut Value| {
        document["components"]["schemas"]["Me"]["properties"]["roles"]["items"]["enum"].as_array_mut().unwrap().pop();
    };
    assert_eq!(breaking(&without_admin), ["gone: value Me.roles[] \"admin\""]);
    let required = |schema: &'static str, field: &'static str| {
        breaking(&move |document| {
            document["components"]["schemas"][schema]["required"].as_array_mut().unwrap().push(json!(field));
        })
    };
    assert_eq!(required("NewApiKey", "roles"), ["needed now: NewApiKey.roles"]);
    assert_eq!(required("Trial", "more"), [""; 0], "an answer may have more");
    let more = |document: &mut Value| {
        document["components"]["schemas"]["Hook"]["properties"]["more"] = json!({"type": "string"});
        document["paths"]["/v1/more"] = json!({"get": {"responses": {"200": {"description": "More."}}}});
    };
    assert_eq!(breaking(&more), [""; 0]);
}

#[test]
#[ignore = "a release writes the file"]
fn write_what_is_released() {
    let facts: Vec<_> = Facts::of(&document()).0.into_iter().collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http/openapi/released.txt");
    std::fs::write(file, facts.join("\n") + "\n").unwrap();
}

//! The catalogue against itself, against the typed client, and against GHL's documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Body, Field, Form, Found, Operation, Place, Shape, catalog, files};
use crate::{ApiVersion, Replay, endpoints};

mod paths;

/// The areas that are about contacts.
const CONTACT_CENTRED: [&str; 10] = [
    "contacts",
    "locations",
    "calendars",
    "opportunities",
    "conversations",
    "users",
    "businesses",
    "custom-fields",
    "workflows",
    "campaigns",
];

#[test]
fn every_file_is_read_and_every_name_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let files: BTreeSet<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let read: BTreeSet<_> = files::AREAS.iter().map(|(area, _)| *area).chain(["triggers"]).map(str::to_owned).collect();
    assert_eq!(read, files);
    for operation in catalog().operations() {
        assert_eq!(catalog().operation(operation.name).map(|found| found.area), Some(operation.area));
    }
    assert!(catalog().operation("create_task").is_none());
    assert_eq!(catalog().similar("create_task")[0], "create-task");
    assert_eq!(catalog().similar("create-opportunty")[0], "create-opportunity");
}

#[test]
fn at_least_126_operations_are_about_contacts() {
    let count = catalog().operations().iter().filter(|operation| CONTACT_CENTRED.contains(&operation.area)).count();
    assert!(count >= 126, "{count}");
}

#[test]
fn every_sentence_is_one_and_every_reconcile_names_operations_that_exist() {
    let operations = catalog().operations().iter().map(|operation| (operation.name, &operation.does));
    for (name, does) in operations.chain(catalog().triggers().iter().map(|trigger| (trigger.name, &trigger.does))) {
        assert!(does.ends_with('.') && does.starts_with(char::is_uppercase) && !does.contains("  "), "{name}: {does}");
    }
    for trigger in catalog().triggers() {
        assert_eq!(trigger.found == Found::Reconcile, !trigger.by.is_empty(), "{}", trigger.name);
        assert_eq!(trigger.found == Found::Webhook, trigger.payload.is_some(), "{}", trigger.name);
        assert!(trigger.by.iter().all(|name| catalog().operation(name).is_some()), "{:?}", trigger.by);
    }
}

#[test]
fn only_reads_are_safe_and_what_sends_or_charges_is_never_repeated() {
    for operation in catalog().operations() {
        let method = operation.versions[0].method.as_str();
        assert!(method != "GET" || operation.replay == Replay::Safe, "{}", operation.name);
        assert!(
            !(operation.replay == Replay::Safe && matches!(method, "PUT" | "PATCH" | "DELETE")),
            "{}",
            operation.name
        );
        let path = operation.versions[0].path;
        if method == "POST"
            && ["/send", "/charges", "/record-payment", "/purchase"].iter().any(|end| path.ends_with(end))
        {
            assert_eq!(operation.replay, Replay::Never, "{}", operation.name);
        }
    }
}

#[test]
fn the_typed_endpoints_agree_with_the_catalogue() {
    for endpoint in endpoints::ALL {
        let is_it = |operation: &&Operation| {
            let form = &operation.versions[0];
            form.method == endpoint.method && form.path == endpoint.path
        };
        let operation = catalog().operations().iter().find(is_it);
        let operation = operation.unwrap_or_else(|| panic!("{} is not in the catalogue", endpoint.operation));
        let form = &operation.versions[0];
        assert_eq!(operation.documented_as.unwrap_or(operation.name), endpoint.operation);
        assert_eq!((form.version, operation.replay), (endpoint.version, endpoint.replay), "{}", endpoint.operation);
        assert_eq!(form.scopes, endpoint.scopes, "{}", endpoint.operation);
        assert_eq!(u32::from(operation.cost), endpoint.cost, "{}", endpoint.operation);
        let v3 = operation.form(Some("v3")).map(|form| form.path);
        assert_eq!(v3, endpoint.path_in(ApiVersion::V3), "{}", endpoint.operation);
    }
}

/// GHL's documents, where the tester has them.
fn documents() -> Option<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is no setting of the program: where the tester keeps GHL's documents"
    )]
    let folder = std::env::var("GHL_DOCS_DIR").ok();
    if folder.is_none() {
        eprintln!("GHL_DOCS_DIR is not set: the catalogue is not compared with GHL's documents");
    }
    folder.map(PathBuf::from)
}

fn read(file: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some()).collect();
    files.sort();
    files
}

/// What the documents say of one operation in one version, in words that can be compared.
#[derive(Debug, PartialEq)]
struct Documented {
    version: String,
    scopes: BTreeSet<String>,
    /// `in name required shape`.
    path: BTreeSet<String>,
    query: BTreeSet<String>,
    /// Whether there is a body, and its members with their need.
    body: Option<BTreeSet<String>>,
}

/// By area, operation id, method and path, and whether it is of v3.
type Key = (String, String, String, bool);

#[test]
fn the_catalogue_holds_what_the_documents_say_and_nothing_else() {
    let Some(folder) = documents() else { return };
    let mut said = BTreeMap::new();
    for (folder, is_v3) in [(folder.join("openapi"), false), (folder.join("openapi/v3"), true)] {
        for file in files_in(&folder) {
            let area = file.file_stem().unwrap().to_str().unwrap().trim_end_matches("-v3").to_owned();
            let document = read(&file);
            for (path, methods) in document["paths"].as_object().unwrap() {
                for (method, operation) in methods.as_object().unwrap() {
                    let call = format!("{} {path}", method.to_uppercase());
                    let id = operation["operationId"].as_str().unwrap().to_owned();
                    said.insert((area.clone(), id, call, is_v3), documented(&document, operation));
                }
            }
        }
    }
    assert_eq!(said.keys().filter(|key| !key.3).count(), 576, "the documents are others than those of June 2026");

    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for operation in catalog().operations() {
        let mut used = BTreeSet::from(["name"]);
        for form in &operation.versions {
            let id = operation.documented_as.unwrap_or(operation.name).to_owned();
            let call = format!("{} {}", form.method, form.path);
            let key: Key = (operation.area.to_owned(), id, call, form.version == "v3");
            match said.get(&key) {
                None => wrong.push(format!("{key:?} is not in the documents")),
                Some(documented) => compare(operation, form, documented, &mut used, &mut wrong),
            }
            seen.insert(key);
        }
        let stale = operation
            .corrections
            .keys()
            .filter(|field| !used.contains(**field) && !matches!(**field, "tokens" | "bodyRequired"));
        wrong.extend(stale.map(|field| format!("{}: {field} is corrected to what the documents say", operation.name)));
    }
    wrong.extend(said.keys().filter(|key| !seen.contains(*key)).map(|key| format!("{key:?} is missing")));
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// Notes where the catalogue differs without a correction that says so; `used` gathers the corrections that were needed.
fn compare(
    operation: &Operation,
    form: &Form,
    documented: &Documented,
    used: &mut BTreeSet<&'static str>,
    wrong: &mut Vec<String>,
) {
    let held = held(form);
    let fields = [
        ("version", held.version == documented.version),
        ("scopes", held.scopes == documented.scopes),
        ("path", held.path == documented.path),
        ("query", held.query == documented.query),
        ("body", held.body == documented.body),
    ];
    for (field, _) in fields.into_iter().filter(|(_, same)| !same) {
        used.insert(field);
        if !operation.corrections.contains_key(field) {
            wrong.push(format!(
                "{} {}: {field}: {held:?} is documented as {documented:?}",
                operation.name, form.version
            ));
        }
    }
}

fn held(form: &Form) -> Documented {
    let at = |place: Place| {
        let here = form.parameters.iter().filter(move |parameter| parameter.place == place);
        here.map(|parameter| field_words(&parameter.field)).collect()
    };
    let members = |body: &Body| match &body.shape {
        Shape::Fields(fields) => fields.iter().map(|field| format!("{} {}", field.name, field.required)).collect(),
        _ => BTreeSet::new(),
    };
    Documented {
        version: form.version.to_owned(),
        scopes: form.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        path: at(Place::Path),
        query: at(Place::Query),
        body: form.body.as_ref().map(members),
    }
}

fn field_words(field: &Field) -> String {
    let shape = match &field.shape {
        Shape::List(item) => format!("[{}]", item.to_value()),
        shape => shape.to_value().to_string(),
    };
    format!("{} {} {shape}", field.name, field.required)
}

/// Read without the generator's code, which is in another language: a mistake in one is a difference here.
fn documented(document: &Value, operation: &Value) -> Documented {
    let none = Vec::new();
    let parameters = operation["parameters"].as_array().unwrap_or(&none);
    let version = parameters.iter().find(|parameter| parameter["name"] == "Version");
    let at = |place: &str| {
        let here = parameters.iter().filter(|parameter| parameter["in"] == place);
        here.map(|parameter| {
            let (name, required) = (parameter["name"].as_str().unwrap(), parameter["required"] == true);
            format!("{name} {required} {}", type_words(&parameter["schema"]))
        })
        .collect()
    };
    let ways =
        operation["security"].as_array().unwrap_or(&none).iter().flat_map(|way| way.as_object().unwrap().values());
    let scopes = ways.flat_map(|scopes| scopes.as_array().unwrap()).map(|scope| scope.as_str().unwrap().to_owned());
    let content = operation["requestBody"]["content"].as_object();
    let schema = content.and_then(|content| content.values().next()).map(|media| resolve(document, &media["schema"]));
    let body = schema.map(|schema| {
        let required: Vec<_> = schema["required"].as_array().unwrap_or(&none).iter().collect();
        let names = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
        names.map(|name| format!("{name} {}", required.iter().any(|one| *one == name))).collect()
    });
    Documented {
        version: version.map_or("", |version| version["schema"]["enum"][0].as_str().unwrap()).to_owned(),
        scopes: scopes.collect(),
        path: at("path"),
        query: at("query"),
        body,
    }
}

fn type_words(schema: &Value) -> String {
    let null = if schema["nullable"] == true { "?" } else { "" };
    match (schema["type"].as_str(), schema["enum"].as_array()) {
        (Some("array"), _) => format!("[{}]", type_words(&schema["items"])),
        (Some("string"), Some(words)) => {
            let words: Vec<_> =
                words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
            format!("\"={}{null}\"", words.join("|"))
        }
        (Some(kind @ ("string" | "number" | "boolean")), _) => format!("\"{kind}{null}\""),
        _ => "\"any\"".to_owned(),
    }
}

/// What a reference leads to, and what several schemas that all hold say together.
fn resolve(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return resolve(document, &document["components"]["schemas"][name]);
    }
    let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
    for part in parts.iter().map(|part| resolve(document, part)) {
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
    }
    serde_json::json!({"properties": properties, "required": required})
}

#[test]
fn every_webhook_of_the_documents_is_a_trigger_and_beside_them_only_those_of_later_documents() {
    let Some(folder) = documents() else { return };
    let said: BTreeMap<String, BTreeSet<String>> = files_in(&folder.join("webhooks"))
        .iter()
        .map(|file| {
            let document = read(file);
            let members =
                document["schema"]["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned());
            (document["event"].as_str().unwrap().to_owned(), members.collect())
        })
        .collect();
    assert_eq!(said.len(), 58);
    let all = catalog().triggers().iter().filter(|trigger| trigger.found == Found::Webhook);
    let (webhooks, later): (Vec<_>, Vec<_>) = all.partition(|trigger| said.contains_key(trigger.name));
    assert_eq!(later.len(), 19);
    let held: BTreeMap<String, BTreeSet<String>> = webhooks
        .into_iter()
        .map(|trigger| {
            let members = match &trigger.payload {
                Some(Shape::Fields(fields)) => fields.iter().map(|field| field.name.clone()).collect(),
                _ => BTreeSet::new(),
            };
            (trigger.name.to_owned(), members)
        })
        .collect();
    assert_eq!(held, said);
}

/// One table of names for the webhooks that are taken in, those that start flows, and the catalogue.
#[test]
fn the_webhooks_of_the_catalogue_are_those_that_are_recognised() {
    let known: BTreeSet<&str> = crate::webhooks::Event::ALL.iter().map(|event| event.as_str()).collect();
    let webhooks = catalog().triggers().iter().filter(|trigger| trigger.found == Found::Webhook);
    assert_eq!(webhooks.map(|trigger| trigger.name).collect::<BTreeSet<_>>(), known);
}

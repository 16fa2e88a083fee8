//! The client against GHL's published OpenAPI documents: each request is one that they describe, and their example replies
//! are read. In both generations of the API.
//!
//! The documents are not part of the repository; without `GHL_DOCS_DIR` these tests say so and pass.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::{ApiVersion, Endpoint};
use super::every::every;
use super::requests::sent;
use super::*;

const FILES: [(ApiVersion, &str); 6] = [
    (ApiVersion::Dated, "contacts.json"),
    (ApiVersion::Dated, "locations.json"),
    (ApiVersion::Dated, "calendars.json"),
    (ApiVersion::V3, "v3/contacts-v3.json"),
    (ApiVersion::V3, "v3/locations-v3.json"),
    (ApiVersion::V3, "v3/calendars-v3.json"),
];

/// What one document says of one operation.
struct Described<'d> {
    document: &'d Value,
    operation: &'d Value,
}

struct Documents(Vec<(ApiVersion, Value)>);

impl Documents {
    fn open() -> Option<Self> {
        let Some(folder) = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("openapi")) else {
            eprintln!("GHL_DOCS_DIR is not set: the client was not compared with GHL's documents");
            return None;
        };
        let read = |name| serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        Some(Self(FILES.into_iter().map(|(api, name)| (api, read(name))).collect()))
    }

    /// The operation at the endpoint's own path and method; `None` where the generation has it not.
    fn describe(&self, endpoint: &Endpoint, api: ApiVersion) -> Option<Described<'_>> {
        let path = endpoint.path_in(api)?;
        let method = endpoint.method.as_str().to_lowercase();
        let document = self.0.iter().find(|(of, document)| *of == api && document["paths"][path][&method].is_object());
        let (_, document) = document.unwrap_or_else(|| panic!("{method} {path} is in no document of {}", api.name()));
        Some(Described { operation: &document["paths"][path][&method], document })
    }
}

impl Described<'_> {
    fn parameters(&self, place: &str) -> Vec<&Value> {
        self.operation["parameters"].as_array().unwrap().iter().filter(|reported| reported["in"] == place).collect()
    }

    fn scopes(&self) -> Vec<&str> {
        let ways = self.operation["security"].as_array().into_iter().flatten();
        let lists = ways.flat_map(|way| way.as_object().unwrap().values());
        lists.flat_map(|list| list.as_array().unwrap()).filter_map(Value::as_str).collect()
    }

    /// The schema that this one is, references and `allOf` of one followed.
    fn schema<'a>(&'a self, mut schema: &'a Value) -> &'a Value {
        loop {
            if let Some(name) = schema["$ref"].as_str() {
                schema = &self.document["components"]["schemas"][name.rsplit('/').next().unwrap()];
            } else if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
                schema = only;
            } else {
                return schema;
            }
        }
    }

    /// What of `value` the schema does not know or misses.
    fn faults(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let schema = self.schema(schema);
        if let Some(ways) = schema["oneOf"].as_array() {
            let faults: Vec<_> = ways.iter().map(|way| self.faults(way, value, place)).collect();
            return if faults.iter().any(Vec::is_empty) { Vec::new() } else { faults.concat() };
        }
        match value {
            Value::Object(sent) => {
                // An empty schema, as of the search, says nothing.
                let Some(known) = schema["properties"].as_object().filter(|known| !known.is_empty()) else {
                    return Vec::new();
                };
                let needed = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let missing =
                    needed.filter(|name| !sent.contains_key(*name)).map(|name| format!("{place}{name}: missing"));
                let unknown = sent.keys().filter(|name| !known.contains_key(*name));
                let unknown = unknown.map(|name| format!("{place}{name}: not described"));
                let inside = sent.iter().filter_map(|(name, value)| Some((known.get(name)?, name, value)));
                let inside =
                    inside.flat_map(|(schema, name, value)| self.faults(schema, value, &format!("{place}{name}.")));
                missing.chain(unknown).chain(inside.collect::<Vec<_>>()).collect()
            }
            Value::Array(sent) if schema["type"] == "array" => {
                sent.iter().flat_map(|value| self.faults(&schema["items"], value, place)).collect()
            }
            // The documents give dates and numbers as objects whose sample is a text or number.
            _ if schema["type"] == "object" || schema["nullable"] == true => Vec::new(),
            value => {
                let kind = match value {
                    Value::String(_) => "string",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "number",
                    Value::Array(_) => "array",
                    Value::Null | Value::Object(_) => "null",
                };
                let among = schema["enum"].as_array().is_none_or(|among| among.contains(value));
                let fits = schema["type"] == kind && among;
                if fits { Vec::new() } else { vec![format!("{place} is {kind}, and is described as {schema}")] }
            }
        }
    }

    /// The sample reply, made of the examples of its fields, and its status.
    fn sample(&self) -> Option<(u16, Value)> {
        let replies = self.operation["responses"].as_object().unwrap();
        let (status, reply) = replies.iter().find(|(status, _)| status.starts_with('2')).unwrap();
        let schema = &reply["content"]["application/json"]["schema"];
        schema.is_object().then(|| (status.parse().unwrap(), self.example(schema)))
    }

    fn example(&self, schema: &Value) -> Value {
        let reported = self.schema(schema);
        if let Some(properties) = reported["properties"].as_object() {
            let fields: Map<_, _> =
                properties.iter().map(|(name, schema)| (name.clone(), self.example(schema))).collect();
            return Value::Object(fields);
        }
        if !reported["example"].is_null() {
            return reported["example"].clone();
        }
        match reported["type"].as_str() {
            Some("array") => json!([self.example(&reported["items"])]),
            Some("boolean") => json!(true),
            Some("number") => json!(1),
            Some("string") => json!("text"),
            _ => json!({}),
        }
    }
}

#[tokio::test]
async fn every_request_is_one_that_the_documents_describe() {
    let Some(documents) = Documents::open() else { return };
    let bench = Bench::with([]).await;
    for (api, case) in
        [ApiVersion::Dated, ApiVersion::V3].into_iter().flat_map(|api| every().into_iter().map(move |case| (api, case)))
    {
        let Some(described) = documents.describe(case.endpoint, api) else { continue };
        bench.server.will(Answer::json(503, ""));
        let permits = permits(1);
        (case.call)(bench.ghl.for_run(&bench.token, &permits).with_api(api)).await.unwrap_err();
        let request = bench.server.requests().pop().unwrap();
        let (line, body) = sent(&request);
        let operation = case.endpoint.operation;
        let of = format!("{operation} of {}", api.name());
        assert_eq!(described.operation["operationId"], operation, "{of}");

        let version = &described.parameters("header")[0]["schema"]["enum"][0];
        let version = version.as_str().unwrap();
        assert!(request.lines().any(|line| line == format!("version: {version}")), "{of}: {version}");

        let (_, query) = line.split_once('?').unwrap_or_default();
        let names: Vec<_> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
        let names: Vec<_> = names.into_iter().filter(|name| !name.is_empty()).collect();
        let known = described.parameters("query");
        for name in &names {
            assert!(known.iter().any(|reported| reported["name"] == *name), "{of}: {name} is not described");
        }
        for reported in known.iter().filter(|reported| reported["required"] == true) {
            assert!(names.iter().any(|name| reported["name"] == *name), "{of}: {} is missing", reported["name"]);
        }

        let schema = &described.operation["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(schema.is_object(), body.is_some(), "{of}: body");
        if let Some(body) = body {
            assert_eq!(described.faults(schema, &body, ""), Vec::<String>::new(), "{of}");
        }

        // Bulk operations are described without a scope, and need one.
        let needed = if operation == "create-association" || operation == "add-remove-contact-from-business" {
            vec!["contacts.write"]
        } else {
            described.scopes()
        };
        assert!(needed.iter().all(|scope| case.endpoint.scopes.contains(scope)), "{of}: {needed:?}");
        assert!(case.endpoint.scopes.iter().all(|scope| needed.contains(scope)), "{of}: {needed:?}");
    }
}

/// What the documents leave out: the replies of searches, and the items of one.
fn undescribed(operation: &str) -> Option<Value> {
    match operation {
        "search-contacts-advanced" => Some(json!({
            "contacts": [{"id": "c1", "phoneLabel": null, "firstNameLowerCase": "ada", "customFields": [],
                "searchAfter": [1_733_752_000_000_i64, "c1"]}],
            "total": 120,
            "traceId": "t",
        })),
        "get-duplicate-contact" => Some(json!({"contact": {"id": "c1", "email": "ada@example.com"}, "traceId": "t"})),
        "task-search" => Some(json!({"tasks": [{"_id": "t1", "title": "Call", "contactId": "c1"}], "traceId": "t"})),
        _ => None,
    }
}

#[tokio::test]
async fn every_example_reply_of_the_documents_is_read() {
    let Some(documents) = Documents::open() else { return };
    let bench = Bench::with([]).await;
    for api in [ApiVersion::Dated, ApiVersion::V3] {
        for case in every() {
            let Some(described) = documents.describe(case.endpoint, api) else { continue };
            let operation = case.endpoint.operation;
            let reported = undescribed(operation).map(|reply| (200, reply));
            let (status, reply) =
                reported.or_else(|| described.sample()).unwrap_or_else(|| panic!("{operation} has no sample"));
            bench.server.will(Answer::json(status, &reply.to_string()));
            let permits = permits(1);
            let read = (case.call)(bench.ghl.for_run(&bench.token, &permits).with_api(api)).await;
            assert_eq!(read, Ok(()), "{operation} of {}: {reply}", api.name());
        }
    }
}

//! Replies against GHL's published OpenAPI documents, in both generations of the API.
//!
//! Each call of [`Bench::get`](super::Bench::get) and [`Bench::send`](super::Bench::send) is held against them, so every
//! test of the sandbox is a test of its shapes. The documents are not part of the repository; without `GHL_DOCS_DIR`
//! this says so, and looks at nothing.

mod schema;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use reqwest::Method;
use serde_json::Value;

use schema::Schemas;

const FILES: [(&str, &str); 10] = [
    ("dated", "contacts.json"),
    ("dated", "locations.json"),
    ("dated", "calendars.json"),
    ("dated", "businesses.json"),
    ("dated", "campaigns.json"),
    ("dated", "workflows.json"),
    ("dated", "users.json"),
    ("v3", "v3/contacts-v3.json"),
    ("v3", "v3/locations-v3.json"),
    ("v3", "v3/calendars-v3.json"),
];

/// Statuses that the documents do not name, and clients met.
const UNDOCUMENTED: [u16; 5] = [403, 404, 429, 500, 502];

static DOCUMENTS: LazyLock<Option<Documents>> = LazyLock::new(Documents::open);

pub(super) struct Documents {
    all: Vec<(&'static str, Value)>,
    common: Value,
    /// Operations that a call was answered well by, such as `dated GET /contacts/{contactId}`.
    seen: Mutex<BTreeSet<String>>,
}

impl Documents {
    pub(super) fn get() -> Option<&'static Self> {
        DOCUMENTS.as_ref()
    }

    fn open() -> Option<Self> {
        let Some(folder) = std::env::var_os("GHL_DOCS_DIR").map(|docs| PathBuf::from(docs).join("openapi")) else {
            eprintln!("GHL_DOCS_DIR is not set: the sandbox was not compared with GHL's documents");
            return None;
        };
        let read = |name: &str| serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
        let all = FILES.into_iter().map(|(version, name)| (version, read(name))).collect();
        Some(Self { all, common: read("common/common-schemas.json"), seen: Mutex::default() })
    }

    /// The operations of one document, as `dated GET /contacts/{contactId}`.
    pub(super) fn operations(&self, version: &str, beginning: &str) -> BTreeSet<String> {
        let paths = self.all.iter().filter(|(of, _)| *of == version).flat_map(|(_, document)| {
            document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with(beginning))
        });
        let operations = paths.flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |m| (m, path)));
        operations.map(|(method, path)| format!("{version} {} {path}", method.to_uppercase())).collect()
    }

    pub(super) fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Panics where the documents promise another reply.
    pub(super) fn check(&self, version: &str, method: &Method, path: &str, status: u16, body: &Value) {
        let path = path.split('?').next().unwrap();
        let Some((document, template)) = self.describe(version, method, path) else {
            assert_eq!(status, 404, "{version} {method} {path} is in no document and answers {body}");
            return;
        };
        let responses = &document["paths"][template][method.as_str().to_lowercase()]["responses"];
        let called = format!("{version} {method} {template}");
        let Some(response) = responses.get(status.to_string()) else {
            let known = UNDOCUMENTED.contains(&status) || status == 422 || status == 401 || status == 400;
            assert!(known, "{called} answers {status}, which the documents do not name");
            return;
        };
        // In `v3` errors have another shape than the documents' common one.
        if version == "v3" && status >= 400 {
            assert!(body["error"]["message"].is_string() && body["error"]["code"].is_string(), "{called}: {body}");
            return;
        }
        if status < 300 {
            self.seen.lock().unwrap().insert(called.clone());
        }
        let schema = &response["content"]["application/json"]["schema"];
        let mut complaints = Vec::new();
        Schemas { document, common: &self.common }.check(schema, body, "", &mut complaints);
        assert!(complaints.is_empty(), "{called} answers {status} with\n{}\n{body:#}", complaints.join("\n"));
    }

    /// The template with the fewest parameters that fits.
    fn describe(&self, version: &str, method: &Method, path: &str) -> Option<(&Value, &str)> {
        let method = method.as_str().to_lowercase();
        let all = self.all.iter().filter(|(of, _)| *of == version).flat_map(|(_, document)| {
            let paths = document["paths"].as_object().unwrap().iter();
            paths.filter(|(_, methods)| methods.get(&method).is_some()).map(move |(path, _)| (document, path.as_str()))
        });
        all.filter(|(_, template)| fits(template, path)).min_by_key(|(_, template)| template.matches('{').count())
    }
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
    template.len() == path.len()
        && template.iter().zip(&path).all(|(named, sent)| named == sent || (named.starts_with('{') && !sent.is_empty()))
}

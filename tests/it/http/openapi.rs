//! The document of the API: it names every route, its examples work, and the gateway answers as it says.

use std::collections::{BTreeMap, BTreeSet};

use clienty_sync::gateway::{Gateway, OPENAPI};
use serde_json::{Value, json};

use self::schema::{Schemas, Unnamed};
use crate::support::api::{Answer, Api};
use crate::support::ghl_signer::GhlSigner;
use crate::support::installation::Installation;
use crate::support::program::{clienty_sync, run};

mod released;
mod schema;

/// What succeeds only with an OAuth app at GHL, at another address, after a message was sent, with a dead run or while no scan is under way: that it is
/// answered as documented is all that is asked of these.
const ELSEWHERE: [&str; 9] = [
    "/oauth/install",
    "/oauth/callback",
    "/metrics",
    "/v1/hooks/{hookId}/deliveries/{deliveryId}/resend",
    "/v1/locations/{locationId}/import",
    "/v1/locations/{locationId}/reconcile",
    "/v1/locations/{locationId}/verify",
    "/v1/flow-runs/{runId}/retry",
    "/v1/flow-runs/{runId}/discard",
];
const WEBHOOKS: &str = "/webhooks/ghl";

fn document() -> Value {
    serde_json::from_str(OPENAPI).expect("JSON")
}

/// One operation of the document.
#[derive(Debug, Clone, Copy)]
struct Operation<'a> {
    schemas: Schemas<'a>,
    method: &'a str,
    path: &'a str,
    reported: &'a Value,
}

impl<'a> Operation<'a> {
    fn all(document: &'a Value) -> Vec<Self> {
        let schemas = Schemas { document };
        let paths = document["paths"].as_object().unwrap();
        let of_path = |(path, methods): (&'a String, &'a Value)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(move |(method, reported)| Self { schemas, method, path, reported }).collect::<Vec<_>>()
        };
        paths.iter().flat_map(of_path).collect()
    }

    fn is_open(self) -> bool {
        self.reported["security"] == json!([])
    }

    /// One of them is needed.
    fn roles(self) -> Vec<&'a str> {
        texts(&self.reported["x-clienty-role"])
    }

    fn parameters(self, place: &str) -> Vec<&'a Value> {
        let all = self.reported["parameters"].as_array().into_iter().flatten();
        all.map(|parameter| self.schemas.resolved(parameter)).filter(|parameter| parameter["in"] == place).collect()
    }

    /// The bodies of its examples. What is edited was made before, and goes afterwards.
    fn bodies(self) -> Vec<&'a Value> {
        let examples =
            self.reported.pointer("/requestBody/content/application~1json/examples").and_then(Value::as_object);
        let mut examples: Vec<_> = examples.into_iter().flatten().collect();
        examples.sort_by_key(|(name, _)| match name.rsplit('.').next() {
            Some("selected") => 0,
            Some("created") => 1,
            Some("deleted") => 3,
            _ => 2,
        });
        examples.into_iter().map(|(_, example)| &example["value"]).collect()
    }

    /// Its answers by status.
    fn responses(self) -> BTreeMap<u16, &'a Value> {
        let responses = self.reported["responses"].as_object().unwrap().iter();
        responses.map(|(status, response)| (status.parse::<u16>().unwrap(), self.schemas.resolved(response))).collect()
    }

    /// The status of its success.
    fn success(self) -> u16 {
        *self.responses().keys().next().expect("it is answered")
    }

    /// The path with its places filled, and behind it what its query needs and one parameter more.
    fn filled(self, fill: impl Fn(&'a Value) -> String, more: Option<&'a Value>) -> String {
        let places = self.parameters("path");
        let place = |path: String, parameter: &&'a Value| {
            path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &fill(&parameter["example"]))
        };
        let path = places.iter().fold(self.path.to_owned(), place);
        let asked = self.parameters("query").into_iter();
        let asked = asked.filter(|parameter| parameter["required"] == true || more == Some(*parameter));
        let pairs =
            asked.map(|parameter| format!("{}={}", parameter["name"].as_str().unwrap(), fill(&parameter["example"])));
        let query: Vec<_> = pairs.collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// That the answer is one of the documented ones, in all that the document says of it.
    fn check(self, answer: &Answer, asked: &str) {
        let asked = format!("{} {asked}", self.method);
        let Some(response) = self.responses().remove(&answer.status) else {
            panic!("{asked}: {} is not documented: {}", answer.status, answer.text)
        };
        assert!(!answer.header("x-request-id").is_empty(), "{asked}: without x-request-id");
        for (name, _) in response["headers"].as_object().into_iter().flatten() {
            let is_certain = name != "Retry-After" || answer.status == 429;
            assert!(!is_certain || answer.headers.contains_key(name.as_str()), "{asked}: without {name}");
        }
        let Some(content) = response["content"].as_object() else { return };
        let kind = answer.header("content-type").split(';').next().unwrap_or_default();
        let media = content.get(kind).unwrap_or_else(|| panic!("{asked}: {kind:?} is not documented"));
        if !kind.ends_with("json") {
            return;
        }
        let body = answer.json();
        let faults = self.schemas.faults(&media["schema"], &body, Unnamed::Fault);
        assert!(faults.is_empty(), "{asked}: {faults:#?} in {body}");
        if kind == "application/problem+json" {
            let codes = texts(&response["x-clienty-problems"]);
            let code = body["type"].as_str().unwrap().trim_start_matches("/problems/");
            assert!(codes.contains(&code), "{asked}: {code} is not among {codes:?}");
        }
    }
}

/// The API with a new key of that role.
fn of_role(installation: &Installation, api: &Api, role: &str) -> Api {
    let made = installation.json(&["keys", "create", "--name", role, "--role", role]);
    api.with_key(made["key"].as_str().unwrap())
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A path with its places left empty: code and document name them differently.
fn shape(path: &str) -> String {
    path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect::<Vec<_>>().join("/")
}

/// Each value within the document, with its place.
fn scan<'a>(value: &'a Value, place: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(place, value);
    let members = value.as_object().into_iter().flatten();
    for (name, below) in members {
        scan(below, &format!("{place}/{}", name.replace('/', "~1")), visit);
    }
    for (index, below) in value.as_array().into_iter().flatten().enumerate() {
        scan(below, &format!("{place}/{index}"), visit);
    }
}

#[test]
fn every_route_is_in_the_document_and_the_other_way_round() {
    let document = document();
    let described: BTreeSet<(String, String)> = Operation::all(&document)
        .into_iter()
        .map(|operation| (operation.method.to_uppercase(), shape(operation.path)))
        .collect();
    let routes: BTreeSet<(String, String)> =
        Gateway::every_route().into_iter().map(|route| (route.method.to_string(), shape(route.path))).collect();
    let missing: Vec<_> = routes.difference(&described).collect();
    let invented: Vec<_> = described.difference(&routes).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing: {missing:?}, no route: {invented:?}");
}

#[test]
fn who_may_use_a_route_is_in_the_document() {
    let document = document();
    let mut routes: BTreeMap<_, _> = Gateway::api_routes()
        .into_iter()
        .map(|route| {
            let roles: Vec<_> = route.roles.iter().map(|role| role.as_str()).collect();
            ((route.method.to_string(), shape(route.path)), (roles, route.people))
        })
        .collect();
    for operation in Operation::all(&document) {
        let route = routes.remove(&(operation.method.to_uppercase(), shape(operation.path)));
        let people = operation.reported["x-clienty-people"] == true;
        let described = (!operation.is_open()).then(|| (operation.roles(), people));
        assert_eq!(described, route, "{} {}", operation.method, operation.path);
    }
}

#[test]
fn the_document_is_openapi_3_1_and_refers_to_what_is_there() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut used = BTreeSet::new();
    scan(&document, "", &mut |_, value| {
        if let Some(to) = value["$ref"].as_str() {
            Schemas { document: &document }.resolved(value);
            used.insert(to.trim_start_matches('#').to_owned());
        }
    });
    let components = document["components"].as_object().unwrap().iter().filter(|(kind, _)| *kind != "securitySchemes");
    let named: BTreeSet<String> = components
        .flat_map(|(kind, of)| of.as_object().unwrap().keys().map(move |name| format!("/components/{kind}/{name}")))
        .collect();
    assert_eq!(named.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "nothing refers to these");

    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for operation in Operation::all(&document) {
        let Operation { path, reported, .. } = operation;
        assert!(ids.insert(reported["operationId"].as_str().unwrap()), "{path}: its operationId is another's");
        assert!(reported["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{path}: no summary");
        assert!(texts(&reported["tags"]).iter().all(|tag| tags.contains(tag)), "{path}: {}", reported["tags"]);
        let places: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let named: BTreeSet<_> =
            operation.parameters("path").iter().map(|place| place["name"].as_str().unwrap()).collect();
        assert_eq!(places, named, "{path}");
        for (status, response) in operation.responses() {
            let description = response["description"].as_str();
            assert!(description.is_some_and(|text| !text.is_empty()), "{path}: {status} without a description");
            assert!((200..600).contains(&status), "{path}: {status}");
        }
    }
}

#[test]
fn every_example_in_the_document_fits_its_schema() {
    let document = document();
    let schemas = Schemas { document: &document };
    let mut seen = 0;
    let mut fits = |place: &str, schema: &Value, example: &Value| {
        let faults = schemas.faults(schema, example, Unnamed::Fault);
        assert!(faults.is_empty(), "{place}: {faults:#?}");
        seen += 1;
    };
    scan(&document, "", &mut |place, value| {
        // A parameter or a media type; what a schema calls its own properties is neither.
        if value["schema"].is_object() && !place.ends_with("/properties") {
            if let Some(example) = value.get("example") {
                fits(place, &value["schema"], example);
            }
            for (_, example) in value["examples"].as_object().into_iter().flatten() {
                fits(place, &value["schema"], &example["value"]);
            }
        }
    });
    assert!(seen > 50, "{seen} examples");
    for operation in Operation::all(&document) {
        for parameter in [operation.parameters("path"), operation.parameters("query")].concat() {
            assert!(parameter.get("example").is_some(), "{}: {} has no example", operation.path, parameter["name"]);
        }
    }
}

#[test]
fn every_problem_is_an_answer_of_some_route() {
    let document = document();
    let mut named = BTreeSet::new();
    scan(&document, "", &mut |_, value| named.extend(texts(&value["x-clienty-problems"])));
    let page = include_str!("../../../docs/PROBLEMS.md");
    // That there is a route with another method is reported by none of them.
    let explained: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).filter(|code| *code != "wrong-method").collect();
    assert_eq!(named, explained);
}

/// A gateway with workers, and records of every kind.
struct Asked<'a> {
    document: &'a Value,
    api: Api,
    signer: GhlSigner,
    /// What stands here for an id of the examples.
    names: Vec<(String, String)>,
}

impl Asked<'_> {
    /// An example with the ids that there are here.
    fn here(&self, example: &Value) -> String {
        let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        self.names.iter().fold(text, |text, (documented, real)| text.replace(documented, real))
    }

    /// The example of a place in the path of some operation.
    fn documented(document: &Value, operation_id: &str, name: &str) -> String {
        let operations = Operation::all(document);
        let operation = operations.iter().find(|operation| operation.reported["operationId"] == operation_id).unwrap();
        let places = operation.parameters("path");
        places.iter().find(|place| place["name"] == name).unwrap()["example"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, operation: Operation<'_>, path: &str, body: Option<String>) -> Answer {
        let shape = |request: reqwest::RequestBuilder| {
            let request = if operation.is_open() { request } else { request.bearer_auth(&self.api.key) };
            let Some(body) = body else { return request };
            let request = match operation.path {
                WEBHOOKS => request.header("x-ghl-signature", self.signer.ghl(body.as_bytes())),
                _ => request,
            };
            request.header("content-type", "application/json").body(body)
        };
        let answer = self.api.request(&operation.method.to_uppercase(), path, shape).await;
        operation.check(&answer, path);
        answer
    }

    async fn succeeds(&self, operation: Operation<'_>, path: &str, body: Option<String>) -> Answer {
        let answer = self.ask(operation, path, body).await;
        if !ELSEWHERE.contains(&operation.path) {
            assert_eq!(answer.status, operation.success(), "{} {path}: {}", operation.method, answer.text);
        }
        answer
    }

    /// Sends every example, and each parameter of the query alone.
    async fn examples(&self, operation: Operation<'_>) {
        let fill = |example: &Value| self.here(example);
        let path = operation.filled(fill, None);
        let bodies = operation.bodies();
        for body in &bodies {
            let answer = self.succeeds(operation, &path, Some(self.here(body))).await;
            // One event may be about what the one before has made.
            for accepted in answer.json()["accepted"].as_array().into_iter().flatten() {
                self.api.job_in_state(accepted["jobId"].as_str().unwrap(), "done").await;
            }
        }
        if bodies.is_empty() {
            self.succeeds(operation, &path, None).await;
        }
        for parameter in operation.parameters("query") {
            self.succeeds(operation, &operation.filled(fill, Some(parameter)), None).await;
        }
    }
}

#[tokio::test]
async fn every_example_works_and_every_answer_is_as_documented() {
    let (document, signer) = (document(), GhlSigner::new());
    let keys = signer.settings();
    // Where GHL wins, GHL is read before it is written, so that a conflict is certain.
    let settings: Vec<_> = keys.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let installation = Installation::new(&[&settings[..], &[("CLIENTY_MERGE_POLICY", "ghl")]].concat()).await;
    let (_program, api) = installation.serve("up");
    let api = of_role(&installation, &api, "admin");
    let Installation { location, contacts, .. } = &installation;

    // A job, a reply, a conflict, a change, a hook and an API key.
    let selected = json!({"type": "contact.selected", "locationId": location, "contactId": contacts[1]});
    let job = api.done(&selected).await;
    let call = json!({"locationId": location, "parameters": {"contactId": contacts[1]}});
    let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&api.key).json(&call);
    let called = api.request("POST", "/v1/operations/get-contact", shape).await.json();
    api.job_in_state(called["jobId"].as_str().unwrap(), "done").await;
    let ghl = Api::new(&installation.ghl, &installation.token);
    let in_ghl = |request: reqwest::RequestBuilder| {
        request.bearer_auth(&ghl.key).header("version", "2021-07-28").json(&json!({"city": "Hamburg"}))
    };
    let edited = ghl.request("PUT", &format!("/contacts/{}", contacts[1]), in_ghl).await;
    assert_eq!(edited.status, 200, "{}", edited.text);
    let edit = json!({"type": "contact.updated", "locationId": location, "contactId": contacts[1], "data": {"city": "Berlin"}});
    api.done(&edit).await;
    let conflicts = api.get(&format!("/v1/locations/{location}/conflicts")).await.json();
    let selected = json!({"type": "contact.selected", "locationId": location, "contactId": contacts[0]});
    api.done(&selected).await;
    let history = api.get(&format!("/v1/locations/{location}/contacts/{}/history", contacts[0])).await.json();
    let of_contact = |item: &&Value| item["record"] == "contact";
    let change = history["history"].as_array().unwrap().iter().find(of_contact).expect("it was stored").clone();
    let hook = json!({"url": "https://example.com/hooks", "events": ["note.*"]});
    let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&api.key).json(&hook);
    let made = api.request("POST", "/v1/hooks", shape).await.json();
    let state = ghl.get(&format!("/_sandbox/locations/{location}/state")).await.json();
    let flow = json!({"toml": "[[step]]\nwait = \"1d\"\n"});
    let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&api.key).json(&flow);
    assert_eq!(api.request("PUT", "/v1/flows/welcome", shape).await.status, 201);
    let mapping = json!({"toml": ""});
    let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&api.key).json(&mapping);
    assert_eq!(api.request("PUT", &format!("/v1/locations/{location}/mapping"), shape).await.status, 201);
    let wanted = json!({"locationId": location, "contactId": contacts[0]});
    let shape = |request: reqwest::RequestBuilder| request.bearer_auth(&api.key).json(&wanted);
    api.pulled(location, &contacts[0]).await;
    let run = api.request("POST", "/v1/flows/welcome/run", shape).await.json();

    let key = installation.json(&["keys", "create", "--name", "shop", "--role", "reader"]);

    let documented = |operation, name| Asked::documented(&document, operation, name);
    let event = document.pointer("/paths/~1v1~1events/post/requestBody/content/application~1json/examples").unwrap();
    let calendar = event["appointment.created"]["value"]["data"]["calendarId"].as_str().unwrap().to_owned();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{conflicts} {state}")).to_owned();
    let names = vec![
        (documented("showContact", "locationId"), location.clone()),
        (documented("showContact", "contactId"), contacts[0].clone()),
        (documented("showJob", "jobId"), text(&job["id"])),
        (documented("showReply", "jobId"), text(&called["jobId"])),
        (documented("undoConflict", "conflictId"), text(&conflicts["conflicts"][0]["id"])),
        (documented("showHook", "hookId"), text(&made["id"])),
        (documented("rotateKey", "keyId"), text(&key["id"])),
        (documented("showFlowRun", "runId"), text(&run["runId"])),
        ("4711".to_owned(), text(&change["id"])),
        ("01992f3b-0010-7000-8000-000000000000".to_owned(), text(&change["recordId"])),
        (calendar, text(&state["appointments"][0]["calendarId"])),
    ];
    let asked = Asked { document: &document, api, signer, names };
    // What is erased can't be read.
    let mut operations = Operation::all(asked.document);
    operations.sort_by_key(|operation| ["post", "get", "delete"].iter().position(|method| *method == operation.method));
    for operation in operations {
        asked.examples(operation).await;
    }
}

/// Whether it is about a hook, a flow or an API key, which may be looked for first.
fn is_named(operation: Operation<'_>) -> bool {
    ["{hookId}", "{flow}", "{keyId}"].iter().any(|place| operation.path.contains(place))
}

#[tokio::test]
async fn every_refusal_is_as_documented() {
    let document = document();
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let api = of_role(&installation, &api, "admin");
    let asked = Asked { document: &document, api, signer: GhlSigner::new(), names: Vec::new() };
    let nobody = |_: &Value| "nobody".to_owned();
    for operation in Operation::all(asked.document) {
        let (path, responses) = (operation.filled(nobody, None), operation.responses());
        let has_body = operation.reported["requestBody"].is_object();
        if !operation.is_open() {
            let without_key = asked.api.request(&operation.method.to_uppercase(), &path, |request| request).await;
            assert_eq!(without_key.status, 401, "{path}: {}", without_key.text);
            operation.check(&without_key, &path);
        }
        if operation.path.contains('{') {
            let unknown = asked.ask(operation, &path, has_body.then(|| "{}".to_owned())).await;
            assert!(unknown.status >= 400, "{path}: {}", unknown.text);
            // What can be no id is nobody's, wherever it stands.
            let never = operation.filled(|_| "a%00b".to_owned(), None);
            assert_eq!(asked.ask(operation, &never, has_body.then(|| "{}".to_owned())).await.status, 404, "{never}");
        }
        if operation.path.starts_with("/v1/") && !operation.parameters("query").is_empty() {
            let here = operation.filled(|_| installation.location.clone(), None);
            let sign = if here.contains('?') { '&' } else { '?' };
            let wrong = asked.ask(operation, &format!("{here}{sign}nonsense=1"), None).await;
            let is_nobodys = is_named(operation) && wrong.status == 404;
            assert!(wrong.status == 400 || is_nobodys, "{here}: {} {}", wrong.status, wrong.text);
        }
        if operation.path.starts_with("/v1/") && has_body {
            // A hook or a flow that nobody has is looked for before its body is read.
            let is_nobodys = |answer: &Answer| is_named(operation) && answer.status == 404;
            for (body, status) in [("{", 400), ("{}", 422), ("7", 422)] {
                let refused = asked.ask(operation, &path, Some(body.to_owned())).await;
                let fits = refused.status == status || is_nobodys(&refused);
                assert!(fits, "{path} {body}: {} {}", refused.status, refused.text);
            }
            let too_long = asked.ask(operation, &path, Some(" ".repeat(1024 * 1024 + 1))).await;
            assert_eq!(too_long.status, 413, "{path}: {}", too_long.text);
            let too_many = asked.ask(operation, &path, Some(format!("[{}1]", "1,".repeat(200_000)))).await;
            assert!(too_many.status == 413 || is_nobodys(&too_many), "{path}: {} {}", too_many.status, too_many.text);
        }
        if operation.path == WEBHOOKS {
            let unsigned = asked.api.request("POST", &path, |request| request.body("{}")).await;
            assert_eq!(unsigned.status, 401, "{}", unsigned.text);
            operation.check(&unsigned, &path);
        }
        assert!(responses.len() > 1 || operation.path == "/healthz", "{path} is never refused");
    }
}

/// What nobody has is asked for: it is not there for those who may ask, and not allowed to the others.
#[tokio::test]
async fn each_role_may_what_the_document_says() {
    let document = document();
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    for role in ["producer", "reader", "operator", "admin"] {
        let api = of_role(&installation, &api, role);
        let asked = Asked { document: &document, api, signer: GhlSigner::new(), names: Vec::new() };
        for operation in Operation::all(&document).into_iter().filter(|operation| !operation.is_open()) {
            let needed = operation.roles();
            let may = role == "admin" || needed.contains(&role) || (role == "operator" && needed.contains(&"reader"));
            let path = operation.filled(|_| "nobody".to_owned(), None);
            let body = (operation.method == "post").then(|| "{}".to_owned());
            let answer = asked.ask(operation, &path, body).await;
            assert_eq!(answer.status == 403, !may, "{role}, {} {path}: {}", operation.method, answer.text);
        }
    }
}

#[tokio::test]
async fn the_document_is_served_and_printed_as_it_is_and_its_page_asks_nobody_else() {
    let printed = run(clienty_sync(&["openapi"], &[]));
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end(), OPENAPI.trim_end());
    let as_json = run(clienty_sync(&["openapi", "--json"], &[]));
    assert_eq!(serde_json::from_slice::<Value>(&as_json.stdout).unwrap(), document());

    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let get = async |path: &str| api.request("GET", path, |request| request).await;
    assert_eq!(get("/openapi.json").await.text, OPENAPI);
    let page = get("/docs").await;
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"), "{page:?}");
    assert!(page.text.contains("<noscript>") && page.text.contains("href=\"openapi.json\""), "{}", page.text);
    for path in ["/docs", "/docs/page.css", "/docs/page.js"] {
        let file = get(path).await;
        assert_eq!(file.status, 200, "{path}");
        for outside in ["http:", "https:", "\"//", "@import", "url(", "innerHTML", "localStorage", "sessionStorage"] {
            assert!(!file.text.contains(outside), "{path} has {outside}");
        }
    }
    for asset in ["docs/page.css", "docs/page.js"] {
        assert!(page.text.contains(asset), "{asset}");
    }
    let lines = get("/llms.txt").await.text;
    for operation in Operation::all(&document()) {
        let line = format!("`{} {}`", operation.method.to_uppercase(), operation.path);
        assert!(lines.contains(&line), "llms.txt lacks {line}");
    }
}

#[tokio::test]
async fn an_explanation_of_a_problem_is_a_page_for_browsers_and_markdown_for_programs() {
    let installation = Installation::new(&[]).await;
    let (_program, api) = installation.serve("up");
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for (path, accept, kind, holds) in [
        ("/problems/not-found", "*/*", "text/markdown", "## not-found\n404."),
        ("/problems/not-found", "text/markdown, text/html", "text/markdown", "## not-found\n404."),
        ("/problems/not-found.md", browser, "text/markdown", "## not-found\n404."),
        ("/problems/not-found", browser, "text/html", "<p>404."),
        ("/problems", "*/*", "text/markdown", "\n## unauthorized\n"),
        ("/problems", browser, "text/html", "<a href=\"/problems/unauthorized\">"),
    ] {
        let answer = api.request("GET", path, |request| request.header("accept", accept)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let reported = (answer.header("content-type").split(';').next().unwrap(), answer.text.contains(holds));
        assert_eq!(reported, (kind, true), "{path} {accept}: {}", answer.text);
    }
    for unknown in ["/problems/nonsense", "/problems/nonsense.md", "/problems/.md"] {
        api.request("GET", unknown, |request| request).await.problem(404);
    }
}

//! Who may ask what: every role on every route, at every location. What is not allowed is 403, what is another's is as if it were not.
//!
//! The routes are those that the gateway has registered; one that is new has to say here how it is asked.

use clienty_sync::gateway::{ApiRoute, Gateway, Server, ServerLimits, listen};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{ConnectionKind, KeyPlace, NewKey, NewToken, Places, Role};

use crate::support::api::{Answer, Api};
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

/// What there is of one location to ask for.
struct Tenant {
    location: String,
    contact: String,
    /// A pull that is done.
    job: String,
    /// A call whose answer is kept.
    call: String,
    conflict: String,
    /// A hook that learns of this location alone.
    hook: String,
    /// A flow that runs in this location alone.
    flow: String,
    /// A run of it that has ended.
    run: String,
    /// A change of the contact in its history.
    change: String,
    /// An API key of this location alone, which reads ids alone.
    key: String,
}

impl Tenant {
    /// One that does not exist.
    fn nobody() -> Self {
        let id = |name: &str| format!("no-{name}");
        let (location, contact, job) = (id("location"), id("contact"), id("job"));
        let (call, conflict, hook) = (id("call"), id("c"), id("hook"));
        let (flow, run, change, key) = (id("flow"), id("run"), id("change"), id("api-key"));
        Self { location, contact, job, call, conflict, hook, flow, run, change, key }
    }

    /// What must never be in an answer to whoever may not see it.
    fn marks(&self) -> [&str; 9] {
        let Self { location, contact, job, call, conflict, hook, flow, run, change: _, key } = self;
        [location, contact, job, call, conflict, hook, flow, run, key]
    }
}

/// A system with the data of two tenants, interleaved.
struct Shared {
    app: TestApp,
    server: Server,
    tenants: [Tenant; 2],
}

/// The agency that has installed the second location.
const AGENCY: &str = "agency-of-the-second";

impl Shared {
    async fn start(database_url: Option<String>) -> Self {
        let app = TestApp::working(Setup { locations: 2, contacts: 4, database_url, ..Setup::default() }).await;
        let locations = app.sandbox.locations();
        let second = &locations[1];
        let sealed = clienty_sync::app::vault(&app.app.config).unwrap();
        let access = Some(sealed.seal(&second.token.clone().into(), &second.id).unwrap());
        let token = NewToken { access, refresh: None, expires_at: None, scopes: None, missing_scopes: String::new() };
        let records = &app.app.records;
        records.connect(&second.id, ConnectionKind::Oauth, Some(AGENCY), &token, None, None).await.unwrap();
        let mut tenants = locations.iter().map(|location| Tenant {
            contact: app.contacts(&location.id).remove(0),
            location: location.id.clone(),
            ..Tenant::nobody()
        });
        let mut tenants: [Tenant; 2] = std::array::from_fn(|_| tenants.next().unwrap());
        for round in 0..3 {
            for tenant in &mut tenants {
                let Tenant { location, contact, .. } = tenant;
                let task = json!({"clientyTaskId": format!("{location}-{round}"), "title": format!("of {location}"),
                    "dueDate": "2030-01-01T00:00:00Z"});
                tenant.job =
                    app.send(json!({"type": "contact.selected", "locationId": location, "contactId": contact})).await;
                app.send(json!({"type": "task.created", "locationId": location, "contactId": contact, "data": task}))
                    .await;
                app.settle().await;
            }
        }
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let limits = ServerLimits::of(&app.app.config.gateway);
        let server = Server::start(listener, app.app.gateway().routes(), limits).unwrap();
        let mut shared = Self { app, server, tenants };
        let all = shared.key(Role::BEFORE.to_vec(), Places::All, true).await;
        for place in 0..2 {
            let Tenant { location, contact, .. } = &shared.tenants[place];
            let call = json!({"locationId": location, "parameters": {"contactId": contact}}).to_string();
            let answer =
                all.request("POST", "/v1/operations/get-contact", |sent| sent.bearer_auth(&all.key).body(call)).await;
            let call = answer.json()["jobId"].as_str().expect(&answer.text).to_owned();
            all.job_in_state(&call, "done").await;
            shared.tenants[place].call = call;
            let Tenant { location, contact, .. } = &shared.tenants[place];
            let history = all.get(&format!("/v1/locations/{location}/contacts/{contact}/history")).await.json();
            let items = history["history"].as_array().unwrap_or_else(|| panic!("{history}"));
            let change = items.iter().find(|item| item["record"] == "contact").unwrap_or_else(|| panic!("{history}"));
            shared.tenants[place].change = change["id"].as_str().unwrap().to_owned();
            shared.conflict(place).await;
            shared.tenants[place].hook = format!("tenants-hook-{place}");
            shared.hook(place).await;
            shared.tenants[place].flow = format!("tenants-flow-{place}");
            shared.tenants[place].run = format!("tenants-run-{place}");
            shared.flow(place).await;
            shared.tenants[place].key = format!("tenants-key-{place}");
            shared.api_key(place).await;
        }
        shared
    }

    /// The API key of a tenant, in force; also where it was revoked.
    async fn api_key(&self, place: usize) {
        let Tenant { location, key, .. } = &self.tenants[place];
        let statements = [
            format!(
                "insert into api_keys (id, name, hash, roles, every_location, reads_people, created_at)
                 values ('{key}', 'of a tenant', '-', 'reader', 0, 0, 1) on conflict do nothing"
            ),
            format!(
                "insert into key_places (key_id, kind, place) values ('{key}', 'location', '{location}') on conflict do nothing"
            ),
            format!("update api_keys set revoked_at = null where id = '{key}'"),
        ];
        for statement in statements {
            self.app.sql(statement.leak()).await;
        }
    }

    /// A field of the tenant's contact that both sides have edited.
    async fn conflict(&mut self, place: usize) {
        let tenant = &mut self.tenants[place];
        let id = format!("conflict-of-{}", tenant.location);
        let Tenant { location, contact, .. } = &tenant;
        let statement = format!(
            "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
             select '{id}', location_id, contact_id, 'contact', row_id, 'city', '\"A\"', '\"B\"', '\"C\"', 'ghl', 1
             from contacts where location_id = '{location}' and contact_id = '{contact}'"
        );
        self.app.sql(statement.leak()).await;
        tenant.conflict = id;
    }

    /// The hook of a tenant, which was reported about one change; also where it was deleted. Its address leads inside, so nobody is informed.
    async fn hook(&self, place: usize) {
        let Tenant { location, hook, .. } = &self.tenants[place];
        let statements = [
            format!(
                "insert into hooks (id, url, kind, events, locations, signature, secret, secret_key_id, ignore_own, include_imports, created_by,
                    state, from_seq, created_at)
                 values ('{hook}', 'https://127.0.0.1:9443/', 'webhook', '[\"note.deleted\"]', '[\"{location}\"]', 'v1', 'AAAA', 'k1', 0, 0,
                    'test', 'active', 1000000, 1) on conflict do nothing"
            ),
            format!("insert into hook_places (hook_id, location_id) values ('{hook}', '{location}') on conflict do nothing"),
            format!(
                "insert into hook_deliveries (hook_id, seq, event, location_id, contact_id, contact_key, record, record_id, state, created_at)
                 values ('{hook}', 1, 'note.deleted', '{location}', 'c', 'c', 'note', 'n', 'sent', 1) on conflict do nothing"
            ),
        ];
        for statement in statements {
            self.app.sql(statement.leak()).await;
        }
    }

    /// The flow of a tenant, which has run once; also where it was deleted.
    async fn flow(&self, place: usize) {
        let Tenant { location, contact, flow, run, .. } = &self.tenants[place];
        let definition = flow_of(location);
        let statements = [
            format!(
                "insert into flows (name, version, state, state_at, toml, definition, every_location, author, created_at, updated_at)
                 values ('{flow}', 1, 'enabled', 1, '{definition}', '{{\"locations\":[\"{location}\"],\"step\":[{{\"wait\":\"1d\"}}]}}', 0,
                    'test', 1, 1) on conflict do nothing"
            ),
            format!("insert into flow_places (flow, location_id) values ('{flow}', '{location}') on conflict do nothing"),
            format!(
                "insert into flow_versions (flow, version, toml, author, at) values ('{flow}', 1, '{definition}', 'test', 1) on conflict do nothing"
            ),
            format!(
                "insert into flow_runs (id, flow, location_id, contact_id, definition, knows, priority, started_at, outcome)
                 values ('{run}', '{flow}', '{location}', '{contact}', '{{}}', '{{}}', 1, 1, 'done') on conflict do nothing"
            ),
        ];
        for statement in statements {
            self.app.sql(statement.leak()).await;
        }
    }

    async fn key(&self, roles: Vec<Role>, locations: Places, reads_people: bool) -> Api {
        let new = NewKey { roles, locations, reads_people, ..NewKey::of_all("one") };
        let (_, text) = self.app.app.records.create_key(&new).await.unwrap();
        Api::new(&format!("http://{}", self.server.address), text.expose_secret())
    }

    async fn finish(self) {
        let Self { app, server, .. } = self;
        server.stop().await;
        app.finish().await;
    }
}

/// A flow that runs in one location.
fn flow_of(location: &str) -> String {
    format!("locations = [\"{location}\"]\n[[step]]\nwait = \"1d\"\n")
}

/// Asks for what a tenant has by that route.
async fn ask(api: &Api, route: &ApiRoute, tenant: &Tenant) -> Answer {
    let Tenant { location, contact, job, call, conflict, hook, flow, run, change, key } = tenant;
    let delivery = format!("msg_{hook}_1");
    let job = if route.path.ends_with("/reply") { call } else { job };
    let ids = [("{location}", location), ("{contact}", contact), ("{job}", job), ("{conflict}", conflict)];
    let (field, operation) = ("city".to_owned(), "get-contact".to_owned());
    let more = [
        ("{hook}", hook),
        ("{delivery}", &delivery),
        ("{flow}", flow),
        ("{run}", run),
        ("{key}", key),
        ("{field}", &field),
        ("{name}", &operation),
    ];
    let places = ids.into_iter().chain(more);
    let mut path = places.fold(route.path.to_owned(), |path, (place, id)| path.replace(place, id));
    let mut body = Value::Null;
    match (&route.method, route.path) {
        (&Method::POST, "/v1/events") => {
            body = json!({"type": "contact.selected", "locationId": location, "contactId": contact});
        }
        (&Method::POST, "/v1/operations/{operation}") => {
            path = "/v1/operations/get-contact".to_owned();
            body = json!({"locationId": location, "parameters": {"contactId": contact}});
        }
        (&Method::POST, "/v1/keys") => body = json!({"name": "made", "locations": [location], "readsPeople": false}),
        (&Method::POST, "/v1/keys/{key}/rotate") => body = json!({}),
        (&Method::POST, "/v1/hooks") => {
            body = json!({"url": "https://example.com/hook", "events": ["note.deleted"], "locations": [location]});
        }
        (&Method::PATCH, "/v1/hooks/{hook}") => body = json!({"events": ["note.deleted"], "locations": [location]}),
        (&Method::POST, "/v1/hooks/{hook}/recover") => body = json!({"since": "2026-01-01T00:00:00Z"}),
        (&Method::POST, path) if path.starts_with("/v1/hooks/{hook}/") => body = json!({}),
        (&Method::GET, "/v1/hooks/sample") => path = format!("{path}?event=contact.updated&locationId={location}"),
        (&Method::POST, path) if path.ends_with("/revert") => body = json!({"to": change}),
        (&Method::POST, "/v1/jobs/retry" | "/v1/jobs/discard" | "/v1/jobs/cancel" | "/v1/jobs/run-now") => {
            body = json!({"jobs": [job]})
        }
        (_, path) if path.starts_with("/v1/locations/{location}/mapping") && route.method != Method::GET => {
            body = json!({"toml": ""});
        }
        (&Method::PUT, "/v1/flows/{flow}") => body = json!({"toml": flow_of(location), "enabled": false}),
        // What it says comes back.
        (&Method::POST, "/v1/flows/{flow}/check") => body = json!({"toml": "[[step]]\nwait = \"1d\"\n"}),
        (&Method::POST, "/v1/flows/{flow}/run") => body = json!({"locationId": location, "contactId": contact}),
        (&Method::POST, path) if path.starts_with("/v1/flow") => body = json!({}),
        (&Method::GET, "/v1/changes" | "/v1/jobs" | "/v1/jobs/groups" | "/v1/audit" | "/v1/flow-runs") => {
            path = format!("{path}?locationId={location}")
        }
        // Steering comes back to what it was by the next route, and a scan changes nothing that is asked for here.
        (
            &Method::POST,
            "/v1/locations/{location}/pause"
            | "/v1/locations/{location}/resume"
            | "/v1/locations/{location}/import"
            | "/v1/locations/{location}/reconcile"
            | "/v1/locations/{location}/verify",
        )
        | (&Method::POST, "/v1/locations/{location}/conflicts/{conflict}/undo")
        | (
            &Method::DELETE,
            "/v1/locations/{location}/contacts/{contact}/data"
            | "/v1/hooks/{hook}"
            | "/v1/flows/{flow}"
            | "/v1/keys/{key}",
        )
        | (&Method::GET, _) => {}
        (method, path) => panic!("{method} {path} is new: how is it asked?"),
    }
    assert!(!path.contains('{'), "{path} has a place that no tenant fills");
    api.request(route.method.as_str(), &path, |request| request.bearer_auth(&api.key).body(body.to_string())).await
}

/// The answer without the ids of what was asked for.
fn bare(answer: &Answer, tenant: &Tenant) -> (u16, String) {
    let text = tenant.marks().iter().fold(answer.text.clone(), |text, id| text.replace(id, "…"));
    (answer.status, text)
}

/// Whether what the route answers is of one tenant: by its path, its parameter or its body.
fn is_of_one(route: &ApiRoute) -> bool {
    // A text that is checked is nobody's yet.
    let lists = ["/v1/me", "/v1/keys", "/v1/locations", "/v1/hooks", "/v1/flows", "/v1/catalog", "/v1/catalog/{name}"];
    let is_list = route.method == Method::GET && (route.whole || lists.contains(&route.path));
    !is_list && route.path != "/v1/flows/{flow}/check"
}

async fn every_role_on_every_route_at_every_location(database_url: Option<String>) {
    let shared = Shared::start(database_url).await;
    let [first, second] = &shared.tenants;
    let here = KeyPlace::Location(first.location.clone());
    let there = KeyPlace::Agency(AGENCY.to_owned());
    let places = [
        (Places::All, [true, true]),
        (Places::Listed(vec![here.clone()]), [true, false]),
        (Places::Listed(vec![there.clone()]), [false, true]),
        (Places::Listed(vec![here, there]), [true, true]),
        (Places::Listed(vec![]), [false, false]),
    ];
    let mut roles: Vec<Vec<Role>> = Role::ALL.into_iter().map(|role| vec![role]).collect();
    roles.extend([vec![], Role::BEFORE.to_vec()]);
    let mut keys = Vec::new();
    for (roles, (places, seen)) in roles.iter().flat_map(|roles| places.iter().map(move |place| (roles, place))) {
        for people in [true, false] {
            let api = shared.key(roles.clone(), places.clone(), people).await;
            keys.push((api, roles, places, seen, people));
        }
    }
    // An erasure ends what the others look at.
    let mut routes = Gateway::api_routes();
    routes.sort_by_key(|route| route.method == Method::DELETE);
    let mut allowed = 0;
    for (route, (api, roles, places, seen, people)) in
        routes.iter().flat_map(|route| keys.iter().map(move |key| (route, key)))
    {
        let has_role = roles.iter().any(|own| route.roles.iter().any(|role| own.includes(*role)));
        let is_allowed = has_role && (*people || !route.people) && (!route.whole || **places == Places::All);
        let absent = bare(&ask(api, route, &Tenant::nobody()).await, &Tenant::nobody());
        for (tenant, seen) in [first, second].into_iter().zip(*seen) {
            let asked = format!("{} {} of {roles:?} at {places:?}, people {people}", route.method, route.path);
            if route.path == "/v1/hooks/{hook}" {
                shared.hook(0).await;
                shared.hook(1).await;
            }
            if route.path == "/v1/keys/{key}" {
                shared.api_key(0).await;
                shared.api_key(1).await;
            }
            if route.path == "/v1/flows/{flow}" {
                shared.flow(0).await;
                shared.flow(1).await;
            }
            let answer = ask(api, route, tenant).await;
            let reported = bare(&answer, tenant);
            let others = [first, second].into_iter().zip(seen_by(places, first, second));
            for mark in others.filter(|(_, seen)| !seen).flat_map(|(other, _)| other.marks()) {
                let is_asked_for = tenant.marks().contains(&mark) && !answer.status.to_string().starts_with('2');
                assert!(is_asked_for || !answer.text.contains(mark), "{asked} tells of {mark}: {}", answer.text);
            }
            match (is_allowed, seen) {
                (false, _) => assert_eq!(answer.status, 403, "{asked}: {}", answer.text),
                (true, _) if !is_of_one(route) => assert_eq!(answer.status, 200, "{asked}: {}", answer.text),
                (true, false) => assert_eq!(reported, absent, "{asked} tells that there is something"),
                (true, true) => {
                    assert!(![401, 403].contains(&answer.status), "{asked}: {}", answer.text);
                    assert_ne!(reported, absent, "{asked} does not see its own");
                    allowed += 1;
                }
            }
        }
    }
    assert!(allowed > 100, "only {allowed} were allowed");
    shared.finish().await;
}

/// Which of the two tenants a key of these places sees.
fn seen_by(places: &Places, first: &Tenant, second: &Tenant) -> [bool; 2] {
    let Places::Listed(listed) = places else { return [true, true] };
    let has = |tenant: &Tenant| listed.contains(&KeyPlace::Location(tenant.location.clone()));
    [has(first), has(second) || listed.contains(&KeyPlace::Agency(AGENCY.to_owned()))]
}

#[tokio::test]
async fn every_role_on_every_route_at_every_location_on_sqlite() {
    every_role_on_every_route_at_every_location(None).await;
}

#[tokio::test]
async fn every_role_on_every_route_at_every_location_on_postgres() {
    let server = PostgresServer::start();
    every_role_on_every_route_at_every_location(Some(server.create_database("access"))).await;
}

#[tokio::test]
async fn without_a_key_every_route_is_401() {
    let app = TestApp::idle(Setup { contacts: 1, ..Setup::default() }).await;
    let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
    let limits = ServerLimits::of(&app.app.config.gateway);
    let server = Server::start(listener, app.app.gateway().routes(), limits).unwrap();
    let api = Api::new(&format!("http://{}", server.address), "cs_0_0");
    for route in Gateway::api_routes() {
        let answer = ask(&api, &route, &Tenant::nobody()).await;
        assert_eq!(answer.status, 401, "{} {}: {}", route.method, route.path, answer.text);
    }
    server.stop().await;
    app.finish().await;
}

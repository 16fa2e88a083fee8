//! Jobs over HTTP: listed by pages, retried, discarded and canceled by id or by filter, and each decision in the audit.

use clienty_sync::gateway::{Server, ServerLimits, listen};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sync_workers::records::{JobState, NewKey, Places, Role};

use crate::support::api::{Answer, Api};
use crate::support::test_app::{Setup, TestApp};

/// A system without workers, with six jobs of each of two locations.
struct Waiting {
    app: TestApp,
    server: Server,
    locations: [String; 2],
    jobs: [Vec<String>; 2],
}

impl Waiting {
    async fn start() -> Self {
        let app = TestApp::idle(Setup { locations: 2, contacts: 1, ..Setup::default() }).await;
        let mut locations = app.sandbox.locations().into_iter().map(|location| location.id);
        let locations: [String; 2] = std::array::from_fn(|_| locations.next().unwrap());
        let mut jobs = [Vec::new(), Vec::new()];
        for number in 0..6 {
            for (location, jobs) in locations.iter().zip(&mut jobs) {
                let event =
                    json!({"type": "contact.selected", "locationId": location, "contactId": format!("c{number}")});
                jobs.push(app.send(event).await);
            }
        }
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let limits = ServerLimits::of(&app.app.config.gateway);
        let server = Server::start(listener, app.app.gateway().routes(), limits).unwrap();
        Self { app, server, locations, jobs }
    }

    /// A key of that role at the first location, with its id.
    async fn key(&self, role: Role, locations: Places) -> (Api, String) {
        let new = NewKey { roles: vec![role], locations, ..NewKey::of_all("one") };
        let (key, text) = self.app.app.records.create_key(&new).await.unwrap();
        (Api::new(&format!("http://{}", self.server.address), text.expose_secret()), key.id)
    }

    fn here(&self) -> Places {
        Places::Listed(vec![self.locations[0].parse().unwrap()])
    }

    async fn in_state(&self, place: usize, state: JobState) -> usize {
        let mut count = 0;
        for id in &self.jobs[place] {
            count += usize::from(self.app.job(id).await.state == state);
        }
        count
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app
            .sql("update jobs set state = 'done', finished_at = 1 where finished_at is null or state = 'dead'")
            .await;
        self.app.finish().await;
    }
}

async fn decide(api: &Api, what: &str, body: &Value) -> Answer {
    let path = format!("/v1/jobs/{what}");
    api.request("POST", &path, |request| request.bearer_auth(&api.key).body(body.to_string())).await
}

fn ids(list: &Value) -> Vec<String> {
    let mut ids: Vec<_> =
        list.as_array().unwrap().iter().map(|job| job["id"].as_str().or(job.as_str()).unwrap().to_owned()).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn jobs_are_listed_by_pages_of_the_locations_that_the_key_sees() {
    let system = Waiting::start().await;
    let (reader, _) = system.key(Role::Reader, system.here()).await;
    let (mut path, mut read) = ("/v1/jobs?limit=4".to_owned(), Vec::new());
    loop {
        let page = reader.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let page = page.json();
        read.extend(page["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/jobs?limit=4&cursor={next}");
    }
    let newest_first: Vec<_> = system.jobs[0].iter().rev().cloned().collect();
    assert_eq!(read, newest_first);
    for (query, count) in [
        ("state=waiting", 6),
        ("state=dead", 0),
        ("kind=pull_contact", 6),
        ("kind=push_task", 0),
        ("since=2100-01-01T00:00:00Z", 0),
    ] {
        let page = reader.get(&format!("/v1/jobs?{query}")).await.json();
        assert_eq!(ids(&page["jobs"]).len(), count, "{query}");
    }
    for wrong in ["state=gone", "since=yesterday", "limit=0", "cursor=.", "other=1"] {
        let answer = reader.get(&format!("/v1/jobs?{wrong}")).await;
        let field = wrong.split('=').next().unwrap();
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &json!(field)), "{wrong}");
    }
    system.finish().await;
}

#[tokio::test]
async fn jobs_are_decided_about_at_the_locations_of_the_key_and_the_audit_tells_by_whom() {
    let system = Waiting::start().await;
    let (operator, key) = system.key(Role::Operator, system.here()).await;
    let (mine, others) = (&system.jobs[0], &system.jobs[1]);
    let cases = [
        (json!([]), ""),
        (json!({}), "jobs"),
        (json!({"jobs": mine, "filter": {}}), "jobs"),
        (json!({"jobs": "all"}), "jobs"),
        (json!({"jobs": [7]}), "jobs"),
        (json!({"jobs": [mine[0], others[0]]}), "jobs[1]"),
        (json!({"jobs": [mine[0], "nothing"]}), "jobs[1]"),
        (json!({"filter": {"state": "dead"}}), "filter.state"),
        (json!({"filter": {}, "expect": -1}), "expect"),
        (json!({"filter": {}, "because": "x"}), "because"),
    ];
    for (body, field) in cases {
        let answer = decide(&operator, "cancel", &body).await;
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]["field"]),
            (422, &json!(field)),
            "{body}: {}",
            answer.text
        );
    }
    let elsewhere = decide(&operator, "cancel", &json!({"filter": {"locationId": system.locations[1]}})).await;
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.text);
    let moved = decide(&operator, "cancel", &json!({"filter": {}, "expect": 12})).await;
    assert_eq!(moved.status, 409, "{}", moved.text);
    assert_eq!((system.in_state(0, JobState::Waiting).await, system.in_state(1, JobState::Waiting).await), (6, 6));

    let cancelled = decide(&operator, "cancel", &json!({"jobs": [mine[0]], "reason": "sent twice"})).await;
    assert_eq!(ids(&cancelled.json()["jobs"]), [mine[0].clone()], "{}", cancelled.text);
    let discarded = system.app.job(&mine[0]).await.discarded.unwrap();
    assert_eq!((discarded.by, discarded.why.as_str()), (format!("one ({key})"), "sent twice"));

    system
        .app
        .sql("update jobs set state = 'dead', finished_at = 1, last_error = 'GHL said 400' where state = 'waiting'")
        .await;
    assert_eq!(ids(&decide(&operator, "retry", &json!({"filter": {"error": "500"}})).await.json()["jobs"]).len(), 0);
    let retried = decide(&operator, "retry", &json!({"filter": {"error": "400"}, "expect": 5})).await;
    assert_eq!(ids(&retried.json()["jobs"]).len(), 5, "{}", retried.text);
    assert_eq!((system.in_state(0, JobState::Waiting).await, system.in_state(1, JobState::Dead).await), (5, 6));
    assert_eq!(
        ids(&decide(&operator, "discard", &json!({"filter": {}})).await.json()["jobs"]).len(),
        0,
        "none is dead here"
    );

    let (admin, _) = system.key(Role::Admin, Places::All).await;
    let told = admin.get("/v1/audit?limit=10").await.json();
    let told: Vec<_> = told["audit"].as_array().unwrap().iter().filter(|row| row["actor"] == key.as_str()).collect();
    let acts: Vec<_> =
        told.iter().map(|row| (&row["action"], &row["locationId"], row["requestId"].is_string())).collect();
    let here = json!(system.locations[0]);
    assert_eq!(acts, [(&json!("jobs.retry"), &here, true), (&json!("jobs.cancel"), &here, true)]);
    assert_eq!((ids(&told[0]["details"]["jobs"]), &told[1]["target"]), (ids(&retried.json()["jobs"]), &json!(mine[0])));
    system.finish().await;
}

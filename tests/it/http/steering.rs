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
async fn jobs_are_decided_about_at_the_locations_of_the_key_and_the_audit_reports_by_whom() {
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
    let reported = admin.get("/v1/audit?limit=10").await.json();
    let reported: Vec<_> =
        reported["audit"].as_array().unwrap().iter().filter(|row| row["actor"] == key.as_str()).collect();
    let acts: Vec<_> =
        reported.iter().map(|row| (&row["action"], &row["locationId"], row["requestId"].is_string())).collect();
    let here = json!(system.locations[0]);
    assert_eq!(acts, [(&json!("jobs.retry"), &here, true), (&json!("jobs.cancel"), &here, true)]);
    assert_eq!(
        (ids(&reported[0]["details"]["jobs"]), &reported[1]["target"]),
        (ids(&retried.json()["jobs"]), &json!(mine[0]))
    );
    system.finish().await;
}

#[tokio::test]
async fn dead_jobs_are_grouped_by_what_they_died_of_at_the_locations_of_the_key() {
    let system = Waiting::start().await;
    for (place, cause) in [("c0", "422: contact 1234567 is wrong"), ("c1", "422: contact 9 is wrong"), ("c2", "500")] {
        let error = format!("GHL refuses the call with {cause}");
        let statement = format!(
            "update jobs set state = 'dead', finished_at = 5, last_error = '{error}' where record_id = '{place}'"
        );
        system.app.sql(statement.leak()).await;
    }
    let (here, _) = system.key(Role::Reader, system.here()).await;
    let (all, _) = system.key(Role::Reader, Places::All).await;
    let groups = async |api: &Api, query: &str| api.get(&format!("/v1/jobs/groups{query}")).await.json();
    let counts = |reported: &Value| -> Vec<(String, u64, u64)> {
        let mut counts: Vec<_> = reported["groups"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| {
                (
                    group["cause"].as_str().unwrap().to_owned(),
                    group["count"].as_u64().unwrap(),
                    group["locations"].as_u64().unwrap(),
                )
            })
            .collect();
        counts.sort();
        counts
    };
    let reported = |count: u64, locations: u64| {
        ["422: contact … is wrong", "500"]
            .map(|cause| {
                let of = if cause == "500" { count / 2 } else { count };
                (format!("GHL refuses the call with {cause}"), of, locations)
            })
            .to_vec()
    };
    assert_eq!(counts(&groups(&here, "").await), reported(2, 1));
    assert_eq!(counts(&groups(&all, "").await), reported(4, 2));
    assert_eq!(counts(&groups(&all, &format!("?locationId={}", system.locations[1])).await), reported(2, 1));
    let elsewhere = here.get(&format!("/v1/jobs/groups?locationId={}", system.locations[1])).await;
    assert_eq!(elsewhere.status, 404, "{}", elsewhere.text);
    assert_eq!(groups(&all, "").await["isCut"], false);
    system.finish().await;
}

#[tokio::test]
async fn jobs_that_are_put_off_run_now_and_a_location_is_paused_resumed_and_scanned() {
    let system = Waiting::start().await;
    let location = &system.locations[0];
    system.app.sql("update jobs set state = 'scheduled', due_at = 9000000000000").await;
    let (operator, key) = system.key(Role::Operator, system.here()).await;
    let hurried = decide(&operator, "run-now", &json!({"filter": {}, "expect": 6})).await;
    assert_eq!((hurried.status, ids(&hurried.json()["jobs"]).len()), (200, 6), "{}", hurried.text);
    assert_eq!((system.in_state(0, JobState::Waiting).await, system.in_state(1, JobState::Scheduled).await), (6, 6));
    let steer = async |what: &str| {
        let path = format!("/v1/locations/{location}/{what}");
        operator.request("POST", &path, |request| request.bearer_auth(&operator.key)).await
    };
    let state = async || operator.get(&format!("/v1/locations/{location}")).await.json()["state"].clone();
    let paused = steer("pause").await;
    assert_eq!((paused.status, paused.json()), (200, json!({"locationId": location, "paused": true})));
    assert_eq!(state().await, "paused");
    assert_eq!(steer("resume").await.json()["paused"], false);
    assert_ne!(state().await, "paused");
    let begun = steer("import").await;
    assert_eq!((begun.status, &begun.json()["purpose"]), (202, &json!("import")), "{}", begun.text);
    let goes_on = steer("import").await;
    assert_eq!((goes_on.status, &goes_on.json()["id"]), (202, &begun.json()["id"]), "it goes on: {}", goes_on.text);
    let in_the_way = steer("verify").await.problem(409);
    assert_eq!(in_the_way["type"], "/problems/a-scan-is-under-way");
    let scans = operator.get(&format!("/v1/locations/{location}/scans")).await.json();
    assert_eq!((scans["scans"].as_array().unwrap().len(), &scans["scans"][0]["id"]), (1, &begun.json()["id"]));
    let elsewhere = format!("/v1/locations/{}/pause", system.locations[1]);
    assert_eq!(operator.request("POST", &elsewhere, |request| request.bearer_auth(&operator.key)).await.status, 404);
    for (action, count) in [("jobs.run-now", 1), ("jobs.pause", 1), ("jobs.resume", 1), ("scan.start", 2)] {
        let question = format!(
            "select count(*) from audit where action = '{action}' and actor = '{key}' and location_id = '{location}'"
        );
        assert_eq!(system.app.count(question.leak()).await, count, "{action}");
    }
    system.app.sql("update walks set phase = 'failed', finished_at = 1").await;
    system.finish().await;
}

//! The gallery: each template is a flow without a mistake, its head says the truth, and it is run from its trigger to its records, by webhooks that
//! come twice, with all its waits.

use std::collections::BTreeSet;
use std::path::Path;

use clienty_sync::flows::gallery::{self, TEMPLATES};
use ghl::catalog::catalog;
use ghl_sandbox::{Sandbox, SandboxConfig, SigningKey, WebhookFaults};
use reqwest::Method;
use serde_json::{Value, json};
use sync_workers::flows::{Event, Flow, StepAction};
use sync_workers::records::JobState;

use super::Flowing;
use super::http_steps::DOORS;
use crate::support::folder::Folder;
use crate::support::installation::document;
use crate::support::program::{clienty_sync, run};
use crate::support::receiver::{Does, Receiver};
use crate::support::test_app::{SEED, Setup};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/flows/gallery");

/// Something that happens in GHL. The words USER1 to USER3 and CALENDAR stand for ids.
enum Act {
    /// The contact is made; after that, it is edited.
    Contact(&'static str),
    /// The contact's appointment, likewise.
    Visit(&'static str),
    /// The contact's task, likewise.
    Task(&'static str),
    /// A webhook about what is not kept here.
    Webhook(&'static str),
}

/// A template, with what happens and what is then found.
struct Case {
    flow: &'static str,
    set: &'static [(&'static str, &'static str)],
    acts: &'static [Act],
    outcome: &'static str,
    /// Where it differs from a contact of USER1 without anything: `tasks` with their users, `notes`, `tags`, `owner`, `followers`, `company`.
    found: &'static str,
}

const fn case(flow: &'static str, acts: &'static [Act], found: &'static str) -> Case {
    Case { flow, set: &[], acts, outcome: "done", found }
}

const fn skipped(flow: &'static str, acts: &'static [Act], found: &'static str) -> Case {
    Case { flow, set: &[], acts, outcome: "skipped", found }
}

impl Case {
    const fn with(self, set: &'static [(&'static str, &'static str)]) -> Self {
        let Self { flow, acts, outcome, found, set: _ } = self;
        Self { flow, set, acts, outcome, found }
    }
}

const ADA: Act =
    Act::Contact(r#"{"firstName": "Ada", "lastName": "Byron", "email": "ada@x.de", "assignedTo": "USER1"}"#);
const UNOWNED: Act = Act::Contact(r#"{"firstName": "Ada", "lastName": "Byron", "email": "ada@x.de", "country": "FR"}"#);
const GERMAN: Act = Act::Contact(r#"{"firstName": "Ada", "lastName": "Byron", "email": "ada@x.de", "country": "DE"}"#);
const EMPLOYED: Act = Act::Contact(
    r#"{"firstName": "Ada", "lastName": "Byron", "email": "ada@x.de", "assignedTo": "USER1", "companyName": "Acme"}"#,
);
const BOOKED: Act = Act::Visit(
    r#"{"calendarId": "CALENDAR", "title": "Demo", "appointmentStatus": "confirmed", "assignedUserId": "USER2",
        "startTime": "2030-03-04T10:00:00Z", "endTime": "2030-03-04T10:30:00Z"}"#,
);
const MOVED: Act = Act::Visit(r#"{"startTime": "2030-03-05T10:00:00Z", "endTime": "2030-03-05T10:30:00Z"}"#);
const MISSED: Act = Act::Visit(r#"{"appointmentStatus": "noshow"}"#);
const SHOWED: Act = Act::Visit(r#"{"appointmentStatus": "showed"}"#);
const CANCELLED: Act = Act::Visit(r#"{"appointmentStatus": "cancelled"}"#);
const UNTAGGED: Act = Act::Contact(r#"{"tags": []}"#);
const CUSTOMER: Act = Act::Contact(r#"{"tags": ["customer"]}"#);
const DONE: Act = Act::Task(r#"{"completed": true}"#);

const CASES: &[Case] = &[
    case("assign-owner", &[GERMAN], r#"{"owner": "USER3"}"#).with(&OWNERS),
    case("assign-owner", &[UNOWNED], r#"{"owner": "USER1"}"#).with(&OWNERS),
    skipped("assign-owner", &[ADA], r#"{"owner": "USER1"}"#).with(&[("owner", "USER2")]),
    skipped("assign-owner", &[UNOWNED], r#"{"owner": null}"#),
    case(
        "birthday",
        &[ADA, Act::Contact(r#"{"tags": ["birthday"]}"#)],
        r#"{"tasks": [["Congratulate Ada Byron", "USER1"]]}"#,
    ),
    case(
        "booking-note",
        &[ADA, Act::Contact(r#"{"tags": ["no-show", "new"]}"#), BOOKED],
        r#"{"notes": ["Booked: Demo, 2030-03-04T10:00:00Z"], "tags": ["new"]}"#,
    ),
    case("booking-note", &[ADA, BOOKED], r#"{"notes": ["Booked: Demo, 2030-03-04T10:00:00Z"]}"#),
    case("cancelled-task", &[ADA, BOOKED, CANCELLED], r#"{"tasks": [["Offer Ada Byron another date", "USER2"]]}"#),
    case("company", &[EMPLOYED], r#"{"company": ["Acme"]}"#),
    skipped("company", &[ADA], "{}"),
    case(
        "do-not-disturb",
        &[ADA, Act::Contact(r#"{"tags": ["newsletter", "new"]}"#), Act::Contact(r#"{"dnd": true}"#)],
        r#"{"notes": ["Marked do not disturb: taken off all lists"], "tags": ["new"]}"#,
    ),
    case(
        "form-task",
        &[ADA, Act::Contact(r#"{"tags": ["form"]}"#)],
        r#"{"tasks": [["Answer the form of Ada Byron", "USER1"]]}"#,
    ),
    case(
        "hand-over-note",
        &[ADA, Act::Contact(r#"{"assignedTo": "USER2"}"#)],
        r#"{"owner": "USER2", "notes": ["Handed over from USER1 to USER2"], "tasks": [["Introduce yourself to Ada Byron", "USER2"]]}"#,
    ),
    skipped("hand-over-note", &[UNOWNED, Act::Contact(r#"{"assignedTo": "USER1"}"#)], "{}"),
    case("lead-score", &[ADA], r#"{"notes": ["Score 10: own domain"]}"#),
    case(
        "lead-score",
        &[Act::Contact(
            r#"{"firstName": "Ada", "lastName": "Byron", "email": "ada@x.de", "assignedTo": "USER1", "phone": "+491512345678", "companyName": "Acme"}"#,
        )],
        r#"{"notes": ["Score 60: phone, company, own domain"], "tags": ["hot"]}"#,
    ),
    case(
        "lead-task",
        &[ADA, Act::Contact(r#"{"tags": ["lead"]}"#)],
        r#"{"tasks": [["Weigh Ada Byron", "USER1"]], "tags": ["lead"]}"#,
    )
    .with(&[("task", "Weigh")]),
    skipped("lead-task", &[UNOWNED, Act::Contact(r#"{"tags": ["lead"]}"#)], r#"{"owner": null, "tags": ["lead"]}"#),
    case(
        "moved-note",
        &[ADA, BOOKED, MOVED],
        r#"{"notes": ["Moved: Demo, from 2030-03-04T10:00:00Z to 2030-03-05T10:00:00Z"]}"#,
    ),
    case(
        "next-task",
        &[
            ADA,
            Act::Task(
                r#"{"title": "Call Ada", "dueDate": "2030-03-04T10:00:00Z", "completed": false, "assignedTo": "USER2"}"#,
            ),
            DONE,
        ],
        r#"{"tasks": [["Call Ada", "USER2"], ["Send an offer: Ada Byron", "USER2"]]}"#,
    ),
    skipped(
        "next-task",
        &[
            ADA,
            Act::Task(
                r#"{"title": "Write", "dueDate": "2030-03-04T10:00:00Z", "completed": false, "assignedTo": "USER2"}"#,
            ),
            DONE,
        ],
        r#"{"tasks": [["Write", "USER2"]]}"#,
    ),
    case(
        "no-show-follow-up",
        &[ADA, BOOKED, MISSED],
        r#"{"tasks": [["Call Ada Byron: missed Demo", "USER2"], ["Try Ada Byron again: no new appointment", "USER2"]], "tags": ["no-show"]}"#,
    ),
    case(
        "no-show-follow-up",
        &[ADA, BOOKED, MISSED, UNTAGGED],
        r#"{"tasks": [["Call Ada Byron: missed Demo", "USER2"]]}"#,
    ),
    case(
        "re-engage",
        &[ADA, BOOKED, SHOWED],
        r#"{"tasks": [["Invite Ada Byron again", "USER1"]], "tags": ["re-engage"]}"#,
    ),
    case("re-engage", &[ADA, BOOKED, SHOWED, CUSTOMER], r#"{"tags": ["customer"]}"#),
    case(
        "review-request",
        &[ADA, BOOKED, SHOWED],
        r#"{"tasks": [["Ask Ada Byron for a review", "USER2"]], "tags": ["review-asked"]}"#,
    ),
    skipped(
        "review-request",
        &[ADA, Act::Contact(r#"{"tags": ["review-asked"]}"#), BOOKED, SHOWED],
        r#"{"tags": ["review-asked"]}"#,
    ),
    case("score-by-service", &[ADA], r#"{"tags": ["gold"], "notes": ["Segment gold: large company"]}"#),
    case("stale-lead", &[ADA], r#"{"tasks": [["No progress for two weeks: Ada Byron", "USER1"]]}"#),
    case("stale-lead", &[ADA, CUSTOMER], r#"{"tags": ["customer"]}"#),
    case(
        "tag-hygiene",
        &[ADA, Act::Contact(r#"{"tags": ["lead", "new"]}"#), Act::Contact(r#"{"tags": ["lead", "new", "customer"]}"#)],
        r#"{"tags": ["customer", "new"]}"#,
    ),
    case(
        "vip-alert",
        &[ADA, Act::Contact(r#"{"tags": ["vip"]}"#)],
        r#"{"tasks": [["VIP: call Ada Byron now", "USER1"]], "tags": ["vip"], "followers": ["USER2"]}"#,
    )
    .with(&[("manager", "USER2")]),
    case(
        "vip-alert",
        &[ADA, Act::Contact(r#"{"tags": ["vip"]}"#)],
        r#"{"tasks": [["VIP: call Ada Byron now", "USER1"]], "tags": ["vip"]}"#,
    ),
    case("welcome-task", &[ADA], r#"{"tasks": [["Greet Ada Byron", "USER1"]], "tags": ["met"]}"#)
        .with(&[("task", "Greet"), ("tag", "met")]),
    skipped(
        "welcome-task",
        &[Act::Contact(r#"{"firstName": "Ada", "assignedTo": "USER1", "tags": ["welcomed"]}"#)],
        r#"{"tags": ["welcomed"]}"#,
    ),
    case(
        "won-deal",
        &[ADA, Act::Webhook(r#"{"name": "Roof", "status": "won", "assignedTo": "USER2"}"#)],
        r#"{"tasks": [["Hand Ada Byron over to service", "USER2"]], "tags": ["customer"]}"#,
    ),
    skipped("won-deal", &[ADA, Act::Webhook(r#"{"name": "Roof", "status": "lost", "assignedTo": "USER2"}"#)], "{}"),
];

const OWNERS: [(&str, &str); 3] = [("owner", "USER1"), ("country", "de"), ("country_owner", "USER3")];

macro_rules! each_is_run {
    ($($test:ident => $flow:literal),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let cases: Vec<_> = CASES.iter().filter(|case| case.flow == $flow).collect();
                assert!(!cases.is_empty(), "{} has no case", $flow);
                for (number, case) in cases.into_iter().enumerate() {
                    Story::play(case, &format!("case {number} of {}", $flow)).await;
                }
            }
        )*

        #[test]
        fn every_template_is_run() {
            let names: Vec<_> = TEMPLATES.iter().map(|template| template.name).collect();
            assert_eq!(names, [$($flow),*]);
            assert!(CASES.iter().all(|case| names.contains(&case.flow)));
        }
    };
}

each_is_run![
    a_contact_without_an_owner_gets_one => "assign-owner",
    a_birthday_is_a_task => "birthday",
    a_booking_is_noted => "booking-note",
    a_cancelled_appointment_is_a_task => "cancelled-task",
    a_company_is_opened => "company",
    who_wants_no_mail_leaves_the_lists => "do-not-disturb",
    a_form_is_a_task => "form-task",
    a_hand_over_is_noted => "hand-over-note",
    a_contact_is_scored => "lead-score",
    a_lead_is_a_task_of_its_owner => "lead-task",
    a_moved_appointment_is_noted => "moved-note",
    a_task_follows_another => "next-task",
    a_missed_appointment_is_followed_up => "no-show-follow-up",
    a_visitor_is_invited_again => "re-engage",
    a_review_is_asked_for_once => "review-request",
    a_service_is_asked => "score-by-service",
    a_lead_without_progress_is_a_task => "stale-lead",
    a_customer_loses_the_tags_of_prospects => "tag-hygiene",
    a_vip_is_a_task_and_is_followed => "vip-alert",
    a_new_contact_is_welcomed => "welcome-task",
    a_won_opportunity_is_handed_over => "won-deal",
];

/// A case as it is played.
struct Story {
    flowing: Flowing,
    /// The ids for which words stand.
    words: Vec<(String, String)>,
    contact: Option<String>,
    visit: Option<String>,
    task: Option<String>,
}

impl Story {
    async fn play(case: &Case, what: &str) {
        let template = gallery::find(case.flow).unwrap();
        let users = users().await;
        let mut words: Vec<_> = users.into_iter().zip(1..).map(|(id, number)| (format!("USER{number}"), id)).collect();
        let set: Vec<_> = case.set.iter().map(|(name, value)| ((*name).to_owned(), replaced(&words, value))).collect();
        let receiver = Receiver::start().await;
        receiver.does(Does::Say(r#"{"segment": "gold", "why": "large company"}"#));
        let text = template.filled(&set).unwrap().replace("https://example.com/segments", &receiver.url);
        let text: &'static str = text.leak();
        let flows: &'static [(&'static str, &'static str)] = vec![(template.name, text)].leak();
        // Others are there, and are left alone.
        let setup = Setup { flows, contacts: 2, settings: DOORS, ..Setup::default() };
        let flowing = Flowing::start(setup, WebhookFaults { duplicate: 500, ..WebhookFaults::default() }).await;
        let state = flowing.app.state(&flowing.location);
        words.push(("CALENDAR".to_owned(), state["appointments"][0]["calendarId"].as_str().unwrap().to_owned()));
        let mut story = Self { flowing, words, contact: None, visit: None, task: None };
        for act in case.acts {
            story.act(act).await;
        }
        story.end(case, what).await;

        let contact = story.contact.clone().unwrap();
        let mut expected =
            json!({"tasks": [], "notes": [], "tags": [], "owner": "USER1", "followers": [], "company": []});
        let found = serde_json::from_str::<Value>(case.found).unwrap();
        expected.as_object_mut().unwrap().extend(found.as_object().unwrap().clone());
        let expected: Value = serde_json::from_str(&replaced(&story.words, &expected.to_string())).unwrap();
        assert_eq!(story.found(&contact), expected, "{what}");
        let (writes, costs) = (story.writes(), template.head().unwrap().costs as u64);
        assert!(writes <= costs, "{what}: {writes} calls, and its head says {costs}");
        story.flowing.finish().await;
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Contact(fields) => {
                let fields = self.read(fields);
                self.contact = Some(self.flowing.app.contact_by_hand(self.contact.as_deref(), fields).await);
            }
            Act::Visit(fields) => self.visit = Some(self.record("appointments", self.visit.as_deref(), fields).await),
            Act::Task(fields) => self.task = Some(self.record("tasks", self.task.as_deref(), fields).await),
            Act::Webhook(fields) => self.webhook(fields).await,
        }
        self.calm().await;
    }

    fn read(&self, fields: &str) -> Value {
        serde_json::from_str(&replaced(&self.words, fields)).unwrap()
    }

    async fn record(&self, kind: &str, id: Option<&str>, fields: &str) -> String {
        let mut fields = self.read(fields);
        fields["contactId"] = self.contact.clone().into();
        let (method, at) = id.map_or((Method::POST, String::new()), |id| (Method::PUT, format!("/{id}")));
        let path = format!("/_sandbox/locations/{}/{kind}{at}", self.flowing.location);
        self.flowing.app.by_hand(method, &path, fields).await["id"].as_str().unwrap().to_owned()
    }

    /// Sends it twice, as GHL may.
    async fn webhook(&self, fields: &str) {
        let mut body = self.read(fields);
        let whole = json!({
            "type": "OpportunityStatusUpdate", "locationId": self.flowing.location, "id": "o1", "contactId": self.contact, "webhookId": "w1",
            "timestamp": self.flowing.app.app.clock.now().to_string(),
        });
        body.as_object_mut().unwrap().extend(whole.as_object().unwrap().clone());
        let body = body.to_string();
        let url = format!("http://{}/webhooks/ghl", self.flowing.server.address);
        for _ in 0..2 {
            let signature = SigningKey::from_seed(SEED).sign(body.as_bytes());
            let request = reqwest::Client::new().post(&url).header("x-ghl-signature", signature);
            let answer = request.header("content-type", "application/json").body(body.clone()).send().await.unwrap();
            assert!(answer.status().is_success(), "{}", answer.status());
        }
    }

    /// Waits until all that happened is known here. A run may wait for its time.
    async fn calm(&self) {
        let Flowing { app, webhooks, .. } = &self.flowing;
        for _ in 0..3 {
            app.wait_until("all webhooks are delivered", async || webhooks.stats().pending == 0).await;
            app.wait_until("no job is open but those of runs that wait", async || {
                let open = app.open_jobs().await;
                open.iter().all(|job| job.key.kind == "flow_step" && job.state == JobState::Scheduled)
            })
            .await;
        }
    }

    /// Lets all time pass that the run waits for.
    async fn end(&self, case: &Case, what: &str) {
        let flowing = &self.flowing;
        let has_ended = async || {
            let waits = flowing.app.jobs_in(JobState::Scheduled).await.iter().any(|job| job.key.kind == "flow_step");
            if waits {
                flowing.app.sql("update flow_runs set wait_until = 1 where wait_until is not null").await;
                flowing.app.sql("update jobs set due_at = 1 where kind = 'flow_step' and finished_at is null").await;
                flowing.app.requeue().await;
            }
            flowing.runs(case.flow, "underWay").await == 0 && flowing.runs(case.flow, case.outcome).await > 0
        };
        flowing.app.wait_until(&format!("the run of {what} is {}", case.outcome), has_ended).await;
        flowing.settle().await;
        let (done, skipped) = (flowing.runs(case.flow, "done").await, flowing.runs(case.flow, "skipped").await);
        assert_eq!(done + skipped, 1, "{what}: one run");
    }

    /// What GHL holds of the contact.
    fn found(&self, contact: &str) -> Value {
        let app = &self.flowing.app;
        let mut tasks: Vec<_> = app.held("tasks", contact);
        tasks.sort_by_key(|task| task["title"].to_string());
        let tasks: Vec<_> = tasks.iter().map(|task| json!([task["title"], task["assignedTo"]])).collect();
        let state = app.state(&self.flowing.location);
        let of = |list: &str| state[list].as_array().cloned().unwrap_or_default();
        let held = of("contacts").into_iter().find(|one| one["id"] == contact).unwrap();
        let mut tags = self.flowing.tags(contact);
        tags.sort();
        let company: Vec<_> = of("businesses")
            .into_iter()
            .filter(|one| one["id"] == held["businessId"])
            .map(|one| one["name"].clone())
            .collect();
        let followers = held["followers"].as_array().cloned().unwrap_or_default();
        json!({
            "tasks": tasks, "notes": self.flowing.held("notes", contact, "body"), "tags": tags, "owner": held["assignedTo"],
            "followers": followers, "company": company,
        })
    }

    /// The calls of GHL that were no reads; what a person does at the screen is none.
    fn writes(&self) -> u64 {
        let stats = self.flowing.app.sandbox.stats();
        let calls = stats.locations[&self.flowing.location].operations.iter();
        calls.filter(|(name, _)| !name.starts_with("GET ") && !name.contains("/search")).map(|(_, count)| count).sum()
    }
}

fn replaced(words: &[(String, String)], text: &str) -> String {
    words.iter().fold(text.to_owned(), |text, (word, id)| text.replace(word, id))
}

/// The users of the first location of every sandbox: a seed has the same each time.
async fn users() -> Vec<String> {
    let sandbox =
        Sandbox::start(SandboxConfig { locations: 1, contacts: 1, ..SandboxConfig::default() }).await.unwrap();
    let place = sandbox.locations().remove(0);
    let request = reqwest::Client::new().get(format!("{}/users/?locationId={}", sandbox.url(), place.id));
    let request = request.bearer_auth(place.token).header("version", "2021-07-28");
    let listed: Value = request.send().await.unwrap().json().await.unwrap();
    sandbox.stop().await;
    listed["users"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap().to_owned()).collect()
}

/// The operations of the catalog that a step's call or event ends in.
fn operations(action: &StepAction) -> Vec<&str> {
    match action {
        StepAction::Wait(_) | StepAction::Script(_) | StepAction::Http(_) => Vec::new(),
        StepAction::Call(call) => vec![call.operation.as_str()],
        StepAction::Event(Event { event_type, data, .. }) => match event_type.as_str() {
            "task.created" => vec!["create-task"],
            "note.created" => vec!["create-note"],
            "contact.updated" => vec!["update-contact"],
            "contact.tagged" => [("tags", "add-tags"), ("removeTags", "remove-tags")]
                .into_iter()
                .filter(|(field, _)| data.contains_key(*field))
                .map(|(_, operation)| operation)
                .collect(),
            other => panic!("this test does not know what {other} calls"),
        },
    }
}

#[test]
fn each_template_is_a_flow_and_its_head_says_what_it_needs_and_costs() {
    let scopes_of = |operation: &str| catalog().operation(operation).unwrap().form(None).unwrap().scopes.clone();
    let known: BTreeSet<_> =
        catalog().operations().iter().flat_map(|operation| operation.form(None).unwrap().scopes.clone()).collect();
    for template in TEMPLATES {
        let flow: Flow = gallery::read(template.name, template.text)
            .unwrap_or_else(|mistakes| panic!("{}: {mistakes:?}", template.name));
        let head = template.head().unwrap();
        assert!(!flow.about.is_empty() && flow.on.is_some(), "{}", template.name);
        assert!(head.needs.is_sorted(), "{}: {:?}", template.name, head.needs);
        let called: Vec<_> = flow.steps.iter().flat_map(|step| operations(&step.action)).collect();
        for scope in called.iter().copied().flat_map(scopes_of) {
            assert!(head.needs.iter().any(|need| need == scope), "{} needs {scope}", template.name);
        }
        assert!(head.needs.iter().all(|need| known.contains(need.as_str())), "{}: {:?}", template.name, head.needs);
        let most: usize = called.iter().map(|name| usize::from(catalog().operation(name).unwrap().cost)).sum();
        assert!((1..=most).contains(&head.costs), "{} costs at most {most}, not {}", template.name, head.costs);
        // A way out of the template would be missing where a value is of another type.
        let texts =
            |value: &Value| value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
        assert!(flow.set.values().all(texts), "{}: {:?}", template.name, flow.set);
    }
}

#[test]
fn every_file_of_the_folder_is_in_the_program_and_on_the_page() {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    found.sort();
    assert_eq!(found, TEMPLATES.iter().map(|template| template.name).collect::<Vec<_>>());
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FLOWS.md")).unwrap();
    for template in TEMPLATES {
        let flow = gallery::read(template.name, template.text).unwrap();
        let (name, on, costs) = (template.name, flow.on_words().unwrap(), template.head().unwrap().costs);
        let row = format!("| [`{name}`](../deploy/flows/gallery/{name}.toml) | `{on}` | {} | {costs} |", flow.about);
        assert!(page.contains(&row), "docs/FLOWS.md has no row {row}");
        let file = std::fs::read_to_string(Path::new(FOLDER).join(template.name).with_extension("toml")).unwrap();
        assert_eq!(file, template.text);
    }
}

#[test]
fn the_gallery_is_listed_and_a_flow_begins_with_a_template() {
    let folder = Folder::new("flows");
    let dir = folder.path().join("new").display().to_string();
    let settings = [("CLIENTY_FLOWS_DIR", dir.as_str())];
    let listed = document(&run(clienty_sync(&["flows", "gallery", "--json"], &settings)))["templates"].clone();
    assert_eq!(listed.as_array().unwrap().len(), TEMPLATES.len());
    let vip = listed.as_array().unwrap().iter().find(|one| one["name"] == "vip-alert").unwrap();
    assert_eq!(
        (&vip["costs"], &vip["needs"], &vip["on"]),
        (&json!(2), &json!(["contacts.write"]), &json!("contact.tagged=vip"))
    );
    let plain = String::from_utf8(run(clienty_sync(&["flows", "gallery"], &settings)).stdout).unwrap();
    assert!(TEMPLATES.iter().all(|template| plain.contains(template.name)), "{plain}");

    let new = |arguments: &[&str]| run(clienty_sync(&[&["flows", "new", "--json"][..], arguments].concat(), &settings));
    let made = new(&["ours", "--from", "vip-alert", "--set", "manager=u \"7\""]);
    let made_of = document(&made);
    let file = folder.path().join("new/ours.toml");
    assert_eq!((made.status.code(), &made_of["file"]), (Some(0), &json!(file.display().to_string())), "{made:?}");
    assert!(made_of["next"].as_str().unwrap().starts_with("clienty-sync flows run ours --location ID --contact ID"));
    let text = std::fs::read_to_string(&file).unwrap();
    let template = gallery::find("vip-alert").unwrap().text;
    assert_eq!(text, template.replace("manager = \"\"", "manager = \"u \\\"7\\\"\""));
    assert_eq!(run(clienty_sync(&["flows", "check"], &settings)).status.code(), Some(0));

    // Nothing that is there is lost, and what is wrong writes nothing.
    let again = new(&["ours", "--from", "birthday"]);
    assert!(
        again.status.code() == Some(1) && document(&again)["error"].as_str().unwrap().contains("exists"),
        "{again:?}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    for wrong in [
        &["x", "--from", "vip-alrt"][..],
        &["x", "--from", "vip-alert", "--set", "manger=u7"],
        &["X y", "--from", "vip-alert"],
        &["../x", "--from", "vip-alert"],
        &["x", "--from", "vip-alert", "--set", "manager"],
    ] {
        assert_eq!(new(wrong).status.code(), Some(2), "{wrong:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    let elsewhere = folder.path().join("other").display().to_string();
    let made = document(&new(&["other", "--from", "tag-hygiene", "--set", "remove=a, b", "--dir", &elsewhere]));
    assert_eq!(made["set"], json!({"remove": ["a", "b"]}));
    assert!(made["next"].as_str().unwrap().starts_with(&format!("CLIENTY_FLOWS_DIR={elsewhere} ")), "{made:#}");
}

//! Every page, on an empty system and on a busy one: it is there, small, refers to nothing outside, and no text of a record becomes markup.

use serde_json::json;
use sync_workers::records::{Places, Role};

use super::sessions::PAGES;
use super::{Browser, Console, Page};
use crate::support::postgres::PostgresServer;
use crate::support::test_app::{Setup, TestApp};

/// In all, with style and script.
const LARGEST: usize = 100_000;
const HOSTILE: &str = "<script>alert(1)</script>";
const RIGHT_TO_LEFT: &str = "مركز الشفاء";

const FLOW: (&str, &str) = (
    "welcome",
    "about = \"Greets\"\non = \"contact.created\"\n[[step]]\nname = \"say\"\nevent = \"note.created\"\n[step.data]\nnoteText = \"Hello\"\n",
);

/// What holds for each page.
fn check(path: &str, page: &Page) {
    assert_eq!(page.status, 200, "{path}: {}", page.text);
    assert!(page.text.len() < LARGEST, "{path} has {} bytes", page.text.len());
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.header(name), value, "{path}: {name}");
    }
    assert!(!page.has(HOSTILE) && !page.has("<b>key"), "{path}: a text became markup");
    for outside in ["src=\"http", "href=\"http", "href=\"//", "url(", "style=\"", " onclick=", "javascript:"] {
        assert!(!page.has(outside), "{path} has {outside}");
    }
    assert_eq!(page.text.matches("<h1").count(), 1, "{path}: one title");
    assert!(page.has("<html lang=\"en\">") && page.has("<main id=\"main\""), "{path}");
    let mut ids: Vec<&str> = page.text.split(" id=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{path}: an id is there twice");
}

/// Follows every link to a page of the console, up to so many; the pages seen.
async fn crawled(browser: &Browser, most: usize) -> Vec<String> {
    let mut seen: Vec<String> = PAGES.iter().map(|path| (*path).to_owned()).collect();
    let mut at = 0;
    while at < seen.len() && at < most {
        let path = seen[at].clone();
        at += 1;
        let page = browser.get(&path).await;
        // A job or a delivery may be about a contact that nobody has fetched.
        if page.status == 404 && path.contains("/contacts/") {
            continue;
        }
        check(&path, &page);
        for link in page.links() {
            let link = link.split('#').next().unwrap().to_owned();
            if !link.contains("/assets/") && !seen.contains(&link) {
                seen.push(link);
            }
        }
    }
    seen
}

#[tokio::test]
async fn every_page_is_there_on_an_empty_system() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let location = console.app.location().id;
    console.app.app.records.disconnect(&location).await.unwrap();
    let admin = console.signed_in(Role::Admin).await;
    for path in PAGES {
        check(path, &admin.get(path).await);
    }
    assert!(admin.page("/ui").await.has("Nothing is wrong."), "{}", admin.page("/ui").await.text);
    assert!(admin.page("/ui/jobs").await.has("No job yet"));
    assert!(admin.page("/ui/dead").await.has("No dead letters"));
    for path in ["/ui/nothing", "/ui/jobs/x", "/ui/hooks/x", "/ui/locations/x", "/ui/dead/x"] {
        let page = admin.get(path).await;
        assert!(page.status == 404 && page.has("<h1>Not found</h1>"), "{path}: {} {}", page.status, page.text);
    }
    let find = admin.get("/ui/find?q=nothing").await;
    assert_eq!((find.status, find.location()), (303, "/ui/locations?q=nothing"));
    let page = admin.page("/ui").await;
    for asset in ["console.css", "console.js", "icon.svg"] {
        let link = page.text.split('"').find(|part| part.ends_with(asset)).unwrap();
        let file = console.browser().get(link).await;
        assert_eq!(
            (file.status, file.header("cache-control")),
            (200, "public, max-age=31536000, immutable"),
            "{asset}"
        );
        assert!(file.text.len() < 60_000, "{asset}");
        assert!(!file.has("http://") || asset == "icon.svg", "{asset} refers to outside");
    }
    assert_eq!(console.browser().get("/ui/assets/x/none.css").await.status, 404);
    console.finish().await;
}

async fn busy(database_url: Option<String>) {
    let setup = Setup { contacts: 2, database_url, flows: &[FLOW], ..Setup::default() };
    let mut console = Console::over(TestApp::working(setup).await).await;
    let app = &console.app;
    let location = app.location().id;
    let (hostile, arabic) = (console.contact_called(HOSTILE).await, console.contact_called(RIGHT_TO_LEFT).await);
    let note = json!({"clientyNoteId": "n1", "noteText": HOSTILE});
    app.report("note.created", &hostile, note).await;
    let task = json!({"clientyTaskId": "t1", "title": HOSTILE, "dueDate": "2030-01-01T00:00:00Z"});
    app.report("task.created", &hostile, task).await;
    app.settle().await;
    // What is put into the database from here on stays as it is.
    console.app.rest().await;
    let app = &console.app;
    let conflict = format!(
        "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
         select '0193a7f0-0000-7000-8000-000000000001', location_id, contact_id, 'contact', row_id, 'city', '\"A\"', '\"{HOSTILE}\"', '\"C\"', 'ghl', 1
         from contacts where contact_id = '{hostile}'"
    );
    app.sql(conflict.leak()).await;
    console.dead(&[format!("GHL refuses the call with 422: {HOSTILE}"), "GHL did not answer in time".to_owned()]).await;
    for statement in [
        "insert into hooks (id, url, kind, events, signature, secret, secret_key_id, ignore_own, include_imports, created_by, state, from_seq, created_at, failing_since)
         values ('hk_1', 'https://example.com/<script>alert(1)</script>', 'webhook', '[\"contact.*\"]', 'v1', 'AAAA', 'k1', 0, 0, 'test', 'active', 1000000, 1, 1)",
        "insert into hook_deliveries (hook_id, seq, event, location_id, contact_id, contact_key, record, record_id, state, error, attempts, created_at)
         values ('hk_1', 1, 'contact.updated', 'l', 'c', 'c', 'contact', 'c', 'failed', '<script>alert(1)</script>', 10, 1)",
    ] {
        app.sql(statement).await;
    }
    let admin = console.signed_in(Role::Admin).await;
    let seen = crawled(&admin, 150).await;
    let own = format!("/ui/locations/{location}/contacts/{hostile}");
    for path in [
        &format!("/ui/locations/{location}"),
        &format!("/ui/locations/{location}/contacts"),
        &own,
        &"/ui/hooks/hk_1".to_owned(),
    ] {
        assert!(seen.contains(path), "{path} is not found by links: {seen:#?}");
    }
    let contact = admin.page(&own).await;
    assert!(
        contact.has("&#60;script&#62;alert(1)&#60;/script&#62;")
            || contact.has("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{}",
        contact.text
    );
    assert!(contact.has("x@example.com") && contact.has("conflict"), "{}", contact.text);
    let arabic = admin.page(&format!("/ui/locations/{location}/contacts/{arabic}")).await;
    assert!(arabic.has(&format!("<bdi>{RIGHT_TO_LEFT}</bdi>")), "{}", arabic.text);
    let now = admin.page("/ui").await;
    for reported in ["dead letter", "Deliveries to example.com fail", "Runbook: ClientyHookFails"] {
        assert!(now.has(reported), "{reported}: {}", now.text);
    }
    let find = admin.get(&format!("/ui/find?q={hostile}")).await;
    assert_eq!((find.status, find.location()), (303, own.as_str()));
    // Who looked at whom is in the audit, once an hour.
    let read = "select count(*) from audit where action = 'person.read'";
    assert_eq!(app.count(read).await, 2);
    assert!(admin.page("/ui/audit?action=person.read").await.has(&hostile));
    console.finish().await;
}

#[tokio::test]
async fn every_page_is_there_on_a_busy_system_on_sqlite() {
    busy(None).await;
}

#[tokio::test]
async fn every_page_is_there_on_a_busy_system_on_postgres() {
    let server = PostgresServer::start();
    busy(Some(server.create_database("console"))).await;
}

#[tokio::test]
async fn roles_and_locations_of_a_key_hold_on_every_page() {
    let app = TestApp::working(Setup { locations: 2, contacts: 2, ..Setup::default() }).await;
    let console = Console::over(app).await;
    let locations: Vec<_> = console.app.sandbox.locations().into_iter().map(|location| location.id).collect();
    let mut jobs = Vec::new();
    for location in &locations {
        let contact = console.app.contacts(location).remove(0);
        let event = json!({"type": "contact.selected", "locationId": location, "contactId": contact});
        jobs.push((console.app.send(event).await, contact));
    }
    console.app.settle().await;
    let here = || Places::Listed(vec![locations[0].parse().unwrap()]);
    let (_, reader) = console.key(Role::Reader, here(), false).await;
    let (_, operator) = console.key(Role::Operator, here(), true).await;
    let (_, admin) = console.key(Role::Admin, here(), true).await;
    let (reader, operator, admin) =
        (console.with_key(&reader).await, console.with_key(&operator).await, console.with_key(&admin).await);
    let paths = |place: usize| {
        let location = format!("/ui/locations/{}", locations[place]);
        let (job, contact) = &jobs[place];
        [
            location.clone(),
            format!("/ui/jobs/{job}"),
            format!("{location}/contacts"),
            format!("{location}/contacts/{contact}"),
        ]
    };
    for browser in [&operator, &admin] {
        for path in paths(0) {
            assert_eq!(browser.get(&path).await.status, 200, "{path}");
        }
        for path in paths(1) {
            let page = browser.get(&path).await;
            assert_eq!(page.status, 404, "{path}");
        }
    }
    for (path, status) in paths(0).iter().zip([200, 200, 403, 403]) {
        assert_eq!(reader.get(path).await.status, status, "{path} of who reads ids alone");
    }
    for (path, allowed) in [
        ("/ui/keys", [403, 403, 403]),
        ("/ui/audit", [403, 403, 200]),
        ("/ui/settings", [403, 403, 403]),
        ("/ui/processes", [403, 403, 403]),
        ("/ui/enrichment", [403, 403, 403]),
    ] {
        for (browser, status) in [&reader, &operator, &admin].into_iter().zip(allowed) {
            assert_eq!(browser.get(path).await.status, status, "{path}");
        }
    }
    for browser in [&reader, &operator, &admin] {
        for path in ["/ui", "/ui/locations", "/ui/jobs", "/ui/dead", "/ui/conflicts", "/ui/flows", "/ui/hooks"] {
            let page = browser.page(path).await;
            assert!(!page.has(&locations[1]) && !page.has(&jobs[1].0), "{path} tells of another's");
        }
        let find = browser.get(&format!("/ui/find?q={}", jobs[1].0)).await;
        assert!(find.location().starts_with("/ui/locations?q="), "{}", find.location());
    }
    assert_eq!(reader.page("/ui").await.text.matches("method=\"post\"").count(), 1, "a reader can only sign out");
    console.finish().await;
}

//! Who gets in, for how long, and what a page of another site can do: nothing.

use sync_workers::records::{Places, Role};

use super::{Console, with_form};
use crate::support::test_app::{Setup, TestApp};

/// Every page that needs no id.
pub(super) const PAGES: [&str; 14] = [
    "/ui",
    "/ui/locations",
    "/ui/jobs",
    "/ui/dead",
    "/ui/conflicts",
    "/ui/flows",
    "/ui/hooks",
    "/ui/enrichment",
    "/ui/keys",
    "/ui/audit",
    "/ui/settings",
    "/ui/processes",
    "/ui/runbook",
    "/ui/jobs?state=dead",
];

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_and_back() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let mut browser = console.browser();
    for path in PAGES {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 303, "{path}");
        assert!(answer.location().starts_with("/ui/sign-in?to=/ui"), "{path}: {}", answer.location());
    }
    let form = browser.page("/ui/sign-in?to=/ui/jobs%3Fstate%3Ddead").await;
    assert!(form.has("value=\"/ui/jobs?state=dead\""), "{}", form.text);
    let (_, key) = console.key(Role::Reader, Places::All, true).await;
    let answer = browser.post("/ui/sign-in", &[("key", &key), ("to", "/ui/jobs?state=dead")]).await;
    assert_eq!((answer.status, answer.location()), (303, "/ui/jobs?state=dead"));
    browser.keep_cookie(&answer);
    let set = answer.header("set-cookie");
    assert!(
        set.starts_with("clienty=") && set.contains("HttpOnly; SameSite=Strict") && !set.contains("Secure"),
        "{set}"
    );
    assert!(!set.contains(&key), "the key is not to be read in it");
    assert_eq!(browser.get("/ui/jobs?state=dead").await.status, 200);
    // A link in a message brings no cookie at first; the page then opens itself.
    let followed = console.browser();
    let request = followed.client.get(format!("{}/ui", followed.url)).header("sec-fetch-site", "cross-site");
    let again = followed.send(request).await;
    assert!(again.status == 200 && again.has("http-equiv=refresh") && !again.has("Sign in"), "{}", again.text);
    console.finish().await;
}

#[tokio::test]
async fn a_wrong_key_and_one_that_may_not_read_begin_no_session() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let (producer, producing) = console.key(Role::Producer, Places::All, true).await;
    let mut browser = console.browser();
    for key in ["", "cs_1_2", "<script>alert(1)</script>", &producing] {
        let answer = browser.sign_in(key).await;
        assert_eq!(answer.status, 401, "{key}");
        assert!(browser.cookie.is_none() && !answer.has("<script>alert"), "{key}");
    }
    console.app.app.records.revoke_key(&producer.id).await.unwrap();
    // Over plain HTTP at another name, anybody on the way would read the key.
    let (_, key) = console.key(Role::Admin, Places::All, true).await;
    let request = browser.client.post(format!("{}/ui/sign-in", browser.url)).header("host", "clienty.example");
    let refused = browser.send(with_form(request, &[("key", key.as_str())])).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, ""), "{}", refused.text);
    let request = browser.client.post(format!("{}/ui/sign-in", browser.url)).header("host", "clienty.example");
    let secure = browser.send(with_form(request.header("x-forwarded-proto", "https"), &[("key", key.as_str())])).await;
    let set = secure.header("set-cookie");
    assert!(set.starts_with("__Host-clienty=") && set.ends_with("; Secure") && set.contains("Path=/;"), "{set}");
    console.finish().await;
}

#[tokio::test]
async fn a_session_ends_with_its_key_with_its_secret_and_by_signing_out() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let records = &console.app.app.records;
    let (key, text) = console.key(Role::Operator, Places::All, true).await;
    let (one, two) = (console.with_key(&text).await, console.with_key(&text).await);
    assert_eq!((one.get("/ui").await.status, two.get("/ui").await.status), (200, 200));
    let old_page = one.page("/ui").await.token();
    records.revoke_key(&key.id).await.unwrap();
    for browser in [&one, &two] {
        assert_eq!(browser.get("/ui").await.status, 303, "revoked in the middle");
    }
    let refused = one.post("/ui/sign-out", &[("csrf", &old_page)]).await;
    assert_eq!(refused.status, 401, "{}", refused.text);

    let (key, text) = console.key(Role::Reader, Places::All, true).await;
    let before = console.with_key(&text).await;
    records.rotate_key(&key.id, std::time::Duration::ZERO, None).await.unwrap().unwrap();
    assert_eq!(before.get("/ui").await.status, 303, "its secret was replaced");

    let mut browser = console.signed_in(Role::Reader).await;
    let answer = browser.act("/ui", "/ui/sign-out", &[]).await;
    assert_eq!((answer.status, answer.location()), (303, "/ui/sign-in"));
    browser.keep_cookie(&answer);
    assert_eq!(browser.get("/ui").await.status, 303);
    // What is not sealed here opens nothing.
    browser.cookie = Some("clienty=azE.AAAA".to_owned());
    assert_eq!(browser.get("/ui").await.status, 303);
    console.finish().await;
}

#[tokio::test]
async fn a_form_of_another_site_or_of_another_session_does_nothing() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let jobs = console.dead(&["GHL refuses the call with 422: a".to_owned()]).await;
    let (browser, other) = (console.signed_in(Role::Operator).await, console.signed_in(Role::Operator).await);
    let path = format!("/ui/jobs/{}", jobs[0]);
    let own = browser.page(&path).await.token();
    let theirs = other.page(&path).await.token();
    assert_ne!(own, theirs);
    let retry = [("act", "retry"), ("csrf", own.as_str())];
    for (header, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.example")]
    {
        let request = browser.client.post(format!("{}{path}", browser.url)).header(header, value);
        assert_eq!(browser.send(with_form(request, &retry)).await.status, 403, "{header}: {value}");
    }
    for token in ["", theirs.as_str(), "x"] {
        assert_eq!(browser.post(&path, &[("act", "retry"), ("csrf", token)]).await.status, 403, "{token}");
    }
    assert_eq!(browser.post(&path, &[("act", "retry")]).await.status, 403);
    assert_eq!(console.app.job(&jobs[0]).await.state.as_str(), "dead", "nothing was done");
    assert_eq!(browser.post(&path, &retry).await.status, 303);
    assert_eq!(console.app.job(&jobs[0]).await.state.as_str(), "waiting");
    console.finish().await;
}

#[tokio::test]
async fn a_link_opens_the_console_once_for_a_key_of_its_own_and_on_the_machine_alone() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let link = console.app.app.console_link().expect("the console is on");
    let mut browser = console.browser();
    let request = browser.client.get(format!("{}{link}", browser.url)).header("host", "clienty.example");
    assert_eq!(browser.send(request).await.status, 401, "another name is another site");
    let link = console.app.app.console_link().unwrap();
    let answer = browser.get(&link).await;
    assert_eq!((answer.status, answer.location()), (303, "/ui"), "{}", answer.text);
    browser.keep_cookie(&answer);
    assert_eq!(browser.get("/ui/keys").await.status, 200, "it may do everything");
    assert_eq!(console.browser().get(&link).await.status, 401, "once");
    assert_eq!(console.browser().get("/ui/open/x").await.status, 401);
    let keys = console.app.app.records.list_keys().await.unwrap();
    let made: Vec<_> = keys.iter().filter(|key| key.name.starts_with("console")).collect();
    assert!(made.len() == 1 && made[0].expires_at.is_some(), "{made:?}");
    console.finish().await;
}

#[tokio::test]
async fn off_is_not_there_and_read_only_shows_and_does_nothing() {
    let app = TestApp::idle(Setup { contacts: 1, settings: &[("CLIENTY_UI", "off")], ..Setup::default() }).await;
    let off = Console::over(app).await;
    for path in ["/ui", "/ui/sign-in", "/ui/assets/x/console.css"] {
        assert_eq!(off.browser().get(path).await.status, 404, "{path}");
    }
    assert_eq!(off.app.app.console_link(), None);
    off.finish().await;

    let app = TestApp::idle(Setup { contacts: 1, settings: &[("CLIENTY_UI", "read-only")], ..Setup::default() }).await;
    let console = Console::over(app).await;
    let jobs = console.dead(&["GHL refuses the call with 422: a".to_owned()]).await;
    let admin = console.signed_in(Role::Admin).await;
    for path in PAGES {
        let page = admin.page(path).await;
        assert_eq!(page.text.matches("method=\"post\"").count(), 1, "{path}: only to sign out");
    }
    let path = format!("/ui/jobs/{}", jobs[0]);
    let answer = admin.act(&path, &path, &[("act", "retry")]).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
    let link = console.app.app.console_link().unwrap();
    assert_eq!(console.browser().get(&link).await.status, 303);
    console.finish().await;
}

//! The buttons: each does what its route of the API does, for whoever may, and the audit has it.

use serde_json::json;
use sync_workers::records::{JobState, Places, Role};

use super::Console;
use crate::support::test_app::{Setup, TestApp};

#[tokio::test]
async fn a_dead_job_is_retried_or_discarded_and_a_waiting_one_canceled_or_run_now() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let app = &console.app;
    let dead = console
        .dead(&["GHL refuses the call with 422: a".to_owned(), "GHL refuses the call with 422: a".to_owned()])
        .await;
    let waiting = app.report("contact.selected", "c8", json!({})).await;
    let later = app.report("contact.selected", "c9", json!({})).await;
    app.sql("update jobs set state = 'scheduled', due_at = 9000000000000 where record_id = 'c9'").await;
    let operator = console.signed_in(Role::Operator).await;
    let path = |id: &str| format!("/ui/jobs/{id}");
    let state = async |id: &str| app.job(id).await.state;
    for (id, act, after) in [
        (&dead[0], "retry", JobState::Waiting),
        (&dead[1], "discard", JobState::Discarded),
        (&waiting, "cancel", JobState::Discarded),
        (&later, "run-now", JobState::Waiting),
    ] {
        let before = state(id).await;
        let page = operator.page(&path(id)).await;
        assert!(page.has(&format!("value=\"{act}\"")), "{act}: {}", page.text);
        if matches!(act, "discard" | "cancel") {
            // Without the script the server asks first.
            let asked = operator.act(&path(id), &path(id), &[("act", act)]).await;
            assert!(asked.status == 200 && asked.has("name=\"sure\""), "{act}: {}", asked.text);
            assert_eq!(state(id).await, before);
        }
        let fields = [("act", act), ("sure", "1"), ("reason", "it is <b>old")];
        let done = operator.act(&path(id), &path(id), &fields).await;
        assert_eq!(
            (done.status, done.location().to_owned()),
            (303, format!("{}?done={act}", path(id))),
            "{}",
            done.text
        );
        assert_eq!(state(id).await, after, "{act}");
        let reported = operator.page(done.location()).await;
        assert!(reported.has("role=\"status\""), "{act}: {}", reported.text);
        // Again it makes no sense, and says so.
        let again = operator.act(&path(id), &path(id), &[("act", "discard"), ("sure", "1")]).await;
        assert_eq!(again.status, 409, "{act}: {}", again.text);
    }
    assert_eq!(app.job(&dead[1]).await.discarded.unwrap().why, "it is <b>old");
    assert!(!operator.page(&path(&dead[1])).await.has("it is <b>old"));
    for (act, count) in [("jobs.retry", 1), ("jobs.discard", 1), ("jobs.cancel", 1), ("jobs.run-now", 1)] {
        let query = format!("select count(*) from audit where action = '{act}' and actor_kind = 'key'");
        assert_eq!(app.count(query.leak()).await, count, "{act}");
    }
    // What a link says was done is one of our sentences, or nothing.
    assert!(!operator.page("/ui/dead?done=Send+money&n=1").await.has("Send money"));
    let reader = console.signed_in(Role::Reader).await;
    assert!(!reader.page(&path(&dead[0])).await.has("value=\"cancel\""));
    let refused = reader.act("/ui", &path(&dead[0]), &[("act", "cancel"), ("sure", "1")]).await;
    assert_eq!(refused.status, 403);
    console.finish().await;
}

#[tokio::test]
async fn a_group_of_dead_letters_is_decided_about_as_one_with_the_number_first() {
    let console = Console::start(Setup { contacts: 1, ..Setup::default() }).await;
    let error = |n: usize| format!("GHL refuses the call with 422: contact {n}00000000 has no phone");
    let mut errors: Vec<_> = (0..21).map(error).collect();
    errors.push("GHL did not answer in time".to_owned());
    let ids = console.dead(&errors).await;
    let operator = console.signed_in(Role::Operator).await;
    let page = operator.page("/ui/dead").await;
    assert!(
        page.has("22 jobs stopped for good, for 2 reasons") && page.has("422: contact … has no phone"),
        "{}",
        page.text
    );
    let groups = console.app.app.records.dead_letters(None, 100).await.unwrap();
    assert_eq!(groups.len(), 22);
    let link = page
        .links()
        .into_iter()
        .find(|link| link.starts_with("/ui/dead/") && page.text.contains(&format!("{link}\">GHL refuses")))
        .unwrap();
    assert!(operator.page(&link).await.has("21 pull_contact jobs"));
    let asked = operator.act(&link, &link, &[("act", "retry"), ("expect", "21")]).await;
    assert!(asked.status == 200 && asked.has("Retry 21 jobs?"), "{}", asked.text);
    let moved = operator.act(&link, &link, &[("act", "retry"), ("expect", "30"), ("sure", "1")]).await;
    assert!(moved.status == 409 && moved.has("you saw 30, and now it is 21"), "{}", moved.text);
    assert_eq!(console.app.jobs_in(JobState::Dead).await.len(), 22, "nothing was done");
    let done = operator.act(&link, &link, &[("act", "retry"), ("expect", "21"), ("sure", "1")]).await;
    assert_eq!((done.status, done.location()), (303, "/ui/dead?done=retry&n=21"), "{}", done.text);
    assert!(operator.page(done.location()).await.has("21 jobs are tried again"));
    assert_eq!(console.app.jobs_in(JobState::Dead).await.len(), 1);
    let again = operator.act("/ui", &link, &[("act", "retry"), ("expect", "21"), ("sure", "1")]).await;
    assert_eq!(again.status, 409);
    let rest = operator.page("/ui/dead").await.links().into_iter().find(|link| link.starts_with("/ui/dead/")).unwrap();
    let done = operator.act(&rest, &rest, &[("act", "discard"), ("expect", "1"), ("sure", "1")]).await;
    assert_eq!(done.status, 303);
    assert_eq!(console.app.job(&ids[21]).await.state, JobState::Discarded);
    console.finish().await;
}

#[tokio::test]
async fn a_location_is_paused_resumed_imported_and_verified() {
    let console = Console::over(TestApp::working(Setup { contacts: 3, ..Setup::default() }).await).await;
    let location = console.app.location().id;
    let path = format!("/ui/locations/{location}");
    let operator = console.signed_in(Role::Operator).await;
    let state = async || console.app.app.queue.lane(&location).await.unwrap().map(|lane| lane.state);
    let act = async |what: &str| operator.act(&path, &path, &[("act", what)]).await;
    let paused = act("pause").await;
    assert_eq!((paused.status, paused.location().to_owned()), (303, format!("{path}?done=pause")), "{}", paused.text);
    assert_eq!(state().await, Some(job_engine::LaneState::Paused));
    assert!(operator.page(&path).await.has("An operator paused it"));
    assert!(operator.page("/ui").await.has("is paused"), "at once, and not with the next sample");
    let resumed = act("resume").await;
    assert_eq!(resumed.status, 303, "{}", resumed.text);
    assert_ne!(state().await, Some(job_engine::LaneState::Paused));
    for (what, scan) in [("import", "import"), ("verify", "verify"), ("reconcile", "full")] {
        let begun = act(what).await;
        assert_eq!(
            (begun.status, begun.location().to_owned()),
            (303, format!("{path}?done=scan")),
            "{what}: {}",
            begun.text
        );
        console.app.settle().await;
        let ended = format!("select count(*) from walks where purpose = '{scan}' and phase = 'done'");
        assert_eq!(console.app.count(ended.leak()).await, 1, "{what}");
    }
    let page = operator.page(&path).await;
    assert!(page.has("equal") && page.has("3 of 3 contacts"), "{}", page.text);
    assert_eq!(act("explode").await.status, 404);
    assert_eq!(operator.act(&path, "/ui/locations/none", &[("act", "pause")]).await.status, 404);
    for (action, count) in [("jobs.pause", 1), ("jobs.resume", 1), ("scan.start", 3)] {
        let query = format!(
            "select count(*) from audit where action = '{action}' and location_id = '{location}' and actor_kind = 'key'"
        );
        assert_eq!(console.app.count(query.leak()).await, count, "{action}");
    }
    console.finish().await;
}

#[tokio::test]
async fn a_conflict_is_undone_a_key_revoked_and_a_hook_disabled_by_who_may() {
    let (app, contact) = TestApp::knowing_one(Setup { contacts: 1, ..Setup::default() }).await;
    let console = Console::over(app).await;
    let location = console.app.location().id;
    let city = console.app.view(&contact).await.unwrap()["contact"]["city"].clone();
    let conflict = format!(
        "insert into conflicts (id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, found_at)
         select '0193a7f0-0000-7000-8000-000000000001', location_id, contact_id, 'contact', row_id, 'city', '\"A\"', '\"Soest\"', '{city}', 'ghl', 1
         from contacts where contact_id = '{contact}'"
    );
    console.app.sql(conflict.leak()).await;
    let operator = console.signed_in(Role::Operator).await;
    let undo = format!("/ui/locations/{location}/conflicts/0193a7f0-0000-7000-8000-000000000001/undo");
    assert!(operator.page("/ui/conflicts").await.has(&undo));
    let done = operator.act("/ui/conflicts", &undo, &[]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    console.app.settle().await;
    assert_eq!(console.app.view(&contact).await.unwrap()["contact"]["city"], "Soest");
    let again = operator.act("/ui/conflicts", &undo, &[]).await;
    assert!(again.status == 409 && again.has("undone before"), "{}", again.text);

    let hook = "insert into hooks (id, url, kind, events, signature, secret, secret_key_id, ignore_own, include_imports, created_by, state, from_seq, created_at)
         values ('hk_1', 'https://example.com/', 'webhook', '[\"contact.*\"]', 'v1', 'AAAA', 'k1', 0, 0, 'test', 'active', 1000000, 1)";
    console.app.sql(hook).await;
    let admin = console.signed_in(Role::Admin).await;
    for (act, state) in [("disable", "disabled"), ("enable", "active")] {
        let refused = operator.act("/ui", "/ui/hooks/hk_1", &[("act", act)]).await;
        assert_eq!(refused.status, 403);
        let done = admin.act("/ui/hooks/hk_1", "/ui/hooks/hk_1", &[("act", act)]).await;
        assert_eq!(done.status, 303, "{act}: {}", done.text);
        let query = format!("select count(*) from hooks where state = '{state}'");
        assert_eq!(console.app.count(query.leak()).await, 1, "{act}");
    }
    let recovered = admin.act("/ui/hooks/hk_1", "/ui/hooks/hk_1", &[("act", "recover"), ("hours", "1")]).await;
    assert_eq!(recovered.status, 303, "{}", recovered.text);

    let (key, text) = console.key(Role::Reader, Places::All, true).await;
    let reader = console.with_key(&text).await;
    let path = format!("/ui/keys/{}", key.id);
    assert_eq!(operator.act("/ui", &path, &[("act", "revoke")]).await.status, 403);
    let rotated = admin.act("/ui/keys", &path, &[("act", "rotate")]).await;
    assert!(rotated.status == 200 && rotated.has(&format!("cs_{}_", key.id)), "{}", rotated.text);
    assert_eq!(reader.get("/ui").await.status, 200, "the older secret opens it for a day");
    let revoked = admin.act("/ui/keys", &path, &[("act", "revoke")]).await;
    assert_eq!((revoked.status, revoked.location()), (303, "/ui/keys?done=revoke"));
    assert_eq!(reader.get("/ui").await.status, 303);
    console.finish().await;
}

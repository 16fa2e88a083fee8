//! Installs: begun here, approved at GHL, come back once.

use ghl_sandbox::{ErrorAnswer, OauthSettings, RequestedError};
use jiff::SignedDuration;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use sync_workers::oauth::{AppEvent, InstallError, Noted, StateError, TokenError};

use super::site::{SCOPES, Site};
use crate::support::program::{Program, clienty_sync, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_installs_over_the_gateway_and_the_way_back_is_good_once() {
    let redis = crate::support::redis::RedisServer::start();
    let site = Site::new(&[("REDIS_URL", &redis.url()), ("CLIENTY_INSTALLS", "open")]).await;
    let mut gateway = Program::start(clienty_sync(&["gateway"], &site.settings()));
    let line = gateway.wait_for_line("the gateway is up at ");
    let url = line.split(" at ").last().unwrap().to_owned();
    let browser = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let begun = browser.get(format!("{url}/oauth/install")).send().await.unwrap();
    assert_eq!(begun.status(), 303);
    let header = |name: &str| begun.headers()[name].to_str().unwrap().to_owned();
    let (page, cookie) = (header("location"), header("set-cookie"));
    assert!(page.starts_with(&format!("{}/v2/oauth/chooselocation?response_type=code&", site.sandbox.url())), "{page}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();

    let location = site.location();
    let back = site.choose(&page, &location, Some("contacts.readonly")).await;
    let callback = |cookie: Option<&str>, accept: &str| {
        let request = browser.get(format!("{url}/oauth/callback")).query(&back).header("accept", accept);
        cookie.map_or(request.try_clone().unwrap(), |cookie| request.header("cookie", cookie)).send()
    };
    let strange = callback(None, "*/*").await.unwrap();
    assert_eq!(
        (strange.status().as_u16(), &strange.headers()["content-type"]),
        (400, &"application/problem+json".parse().unwrap())
    );
    assert_eq!(site.count("codes"), 0, "the code of another browser is not redeemed");

    let done = callback(Some(cookie), "text/html").await.unwrap();
    assert_eq!((done.status().as_u16(), &done.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
    let text = done.text().await.unwrap();
    assert!(text.contains("Connected") && text.contains("contacts.write"), "{text}");
    let again = callback(Some(cookie), "*/*").await.unwrap();
    assert_eq!(again.status(), 400);
    assert!(again.text().await.unwrap().contains("was completed before"));
    assert_eq!(site.count("codes"), 1);

    let doctor: Value =
        serde_json::from_slice(&run(clienty_sync(&["doctor", "--json"], &site.settings())).stdout).unwrap();
    let tokens = doctor["checks"].as_array().unwrap().iter().find(|check| check["name"] == "tokens").unwrap();
    assert_eq!(tokens["state"], "warning");
    assert!(tokens["found"].as_str().unwrap().contains("contacts.write"), "{tokens}");

    let denied = browser.get(format!("{url}/oauth/install")).send().await.unwrap();
    let page = denied.headers()["location"].to_str().unwrap();
    let cookie = denied.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let back = site.choose(page, "deny", None).await;
    let reported =
        browser.get(format!("{url}/oauth/callback")).query(&back).header("cookie", cookie).send().await.unwrap();
    assert_eq!(reported.status(), 400);
    assert!(reported.text().await.unwrap().contains("The user denied the install"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_invitation_nobody_begins_an_install_and_an_invitation_is_good_once() {
    let redis = crate::support::redis::RedisServer::start();
    let site = Site::new(&[("REDIS_URL", &redis.url())]).await;
    let mut gateway = Program::start(clienty_sync(&["gateway"], &site.settings()));
    let line = gateway.wait_for_line("the gateway is up at ");
    let url = line.split(" at ").last().unwrap().to_owned();
    let browser = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
    let open =
        async |path: &str| browser.get(format!("{url}{path}")).header("accept", "text/html").send().await.unwrap();
    let rows = async || {
        let data = site.settings().into_iter().find(|(name, _)| *name == "CLIENTY_DATA_DIR").unwrap().1.to_owned();
        let mut database = SqliteConnection::connect(&format!("sqlite://{data}/clienty.db")).await.unwrap();
        let count = "select (select count(*) from installs) + (select count(*) from spent_installs)";
        sqlx::query_scalar::<_, i64>(count).fetch_one(&mut database).await.unwrap()
    };

    for strange in ["", "?invitation=", "?invitation=1.2.3", "?invitation=9999999999999.nonce.AAAA"] {
        let refused = open(&format!("/oauth/install{strange}")).await;
        assert_eq!(refused.status(), 403, "{strange}");
        assert!(!refused.headers().contains_key("set-cookie"));
        let reported = refused.text().await.unwrap();
        assert!(reported.contains("An invitation is needed") && reported.contains("Ask the operator"), "{reported}");
    }
    let asked = browser.get(format!("{url}/oauth/install")).send().await.unwrap();
    assert_eq!(
        (asked.status().as_u16(), asked.headers()["content-type"].as_bytes()),
        (403, &b"application/problem+json"[..])
    );

    let printed = run(clienty_sync(&["connect", "--json"], &site.settings()));
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let invitation = printed["invitation"].as_str().unwrap().strip_prefix("http://127.0.0.1:1").unwrap();
    // A look ahead, as mail programs take it, spends nothing.
    assert_eq!(open(invitation).await.status(), 303);
    let begun = open(invitation).await;
    assert_eq!((begun.status().as_u16(), rows().await), (303, 0), "what was only begun costs no row");
    let page = begun.headers()["location"].to_str().unwrap().to_owned();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    // The state of one browser invites no other.
    let state = page.split("state=").last().unwrap().split('&').next().unwrap();
    assert_eq!(open(&format!("/oauth/install?invitation={state}")).await.status(), 403);

    let back = site.choose(&page, &site.location(), None).await;
    let callback =
        |cookie: &str| browser.get(format!("{url}/oauth/callback")).query(&back).header("cookie", cookie).send();
    assert_eq!(callback("clienty_install=other").await.unwrap().status(), 400);
    let done = callback(&cookie).await.unwrap();
    assert_eq!((done.status().as_u16(), rows().await), (200, 1));
    assert_eq!(done.json::<Value>().await.unwrap()["locations"], json!([site.location()]));
    let again = open(invitation).await;
    assert_eq!(again.status(), 403);
    assert!(again.text().await.unwrap().contains("was completed before"));
    assert_eq!(callback(&cookie).await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_install_link_names_the_version_of_the_app() {
    for (settings, version) in [(&[][..], "6578278e879ad2646715ba9c"), (&[("GHL_APP_VERSION_ID", "v7")], "v7")] {
        let site = Site::new(settings).await;
        assert_eq!(run(clienty_sync(&["migrate"], &site.settings())).status.code(), Some(0));
        let printed = run(clienty_sync(&["connect", "--json"], &site.settings()));
        let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
        let url = reqwest::Url::parse(printed["url"].as_str().unwrap()).unwrap();
        let named: Vec<_> = url.query_pairs().filter(|(name, _)| name == "version_id").collect();
        assert_eq!(named.len(), 1, "{url}");
        assert_eq!(named[0].1, version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_that_connect_fingerprints_leads_to_a_connected_location() {
    let site = Site::new(&[]).await;
    assert!(run(clienty_sync(&["migrate"], &site.settings())).status.success());
    let printed = run(clienty_sync(&["connect", "--json"], &site.settings()));
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let app = site.app().await;
    let oauth = app.oauth.as_ref().unwrap();
    let back = site.choose(printed["url"].as_str().unwrap(), &site.location(), None).await;
    let installed = oauth.finish_install(&back["state"], None, &back["code"]).await.unwrap();
    assert_eq!((installed.locations, installed.missing_scopes.as_str()), (vec![site.location()], ""));
    let again = oauth.finish_install(&back["state"], None, "other").await.unwrap_err();
    assert!(matches!(again, InstallError::State(StateError::Used)), "{again}");
    let forged = oauth.finish_install("1.2.3", None, "other").await.unwrap_err();
    assert!(matches!(forged, InstallError::State(StateError::Forged)), "{forged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_locations_of_an_agency_come_by_exchange_and_go_by_events() {
    for exchange_refreshes in [false, true] {
        let site = Site::new(&[]).await;
        let app = site.app().await;
        let oauth = app.oauth.as_ref().unwrap();
        let settings = OauthSettings { exchange_refreshes, ..OauthSettings::default() };
        site.sandbox.set_oauth(settings.clone());
        site.install(oauth, "company", None).await.unwrap();
        let [first, second, third] = [0, 1, 2].map(|at| site.sandbox.locations()[at].id.clone());
        for location in [&first, &second] {
            assert_eq!(oauth.for_location(location, None).await.unwrap().scopes.unwrap().to_string(), SCOPES);
        }
        assert_eq!(site.count("exchanges"), 2, "each when it is needed");

        // One that is switched off at GHL is no withdrawn login.
        site.sandbox.set_oauth(OauthSettings { inactive: [third.clone()].into(), ..settings });
        let error = oauth.for_location(&third, None).await.unwrap_err();
        assert!(error.to_string().contains("not active"), "{error}");

        let company = site.sandbox.oauth()["companyId"].as_str().unwrap().to_owned();
        let now = app.clock.now();
        let event = |location, at| AppEvent {
            app_id: Some("6578278e879ad2646715ba9c"),
            company_id: None,
            location_id: location,
            at,
        };
        let before = now.checked_sub(SignedDuration::from_mins(10)).unwrap();
        let known = async || app.records.known_locations(std::slice::from_ref(&first)).await.unwrap().len();
        assert_eq!(
            oauth.uninstalled(&event(Some(&first), before)).await.unwrap(),
            Noted::Nothing,
            "of an install before"
        );
        let other = AppEvent { app_id: Some("another"), ..event(Some(&first), now) };
        assert_eq!((oauth.uninstalled(&other).await.unwrap(), known().await), (Noted::Nothing, 1));
        assert_eq!(oauth.uninstalled(&event(Some(&first), now)).await.unwrap(), Noted::Disconnected);
        assert_eq!(known().await, 0);
        assert!(matches!(oauth.for_location(&first, None).await.unwrap_err(), TokenError::NotConnected));
        // A future location: such an event names no user.
        let installed = AppEvent { company_id: Some(&company), ..event(Some(&first), now) };
        assert_eq!(oauth.installed(&installed).await.unwrap(), Noted::Connected);
        assert_eq!(oauth.installed(&installed).await.unwrap(), Noted::Nothing);
        oauth.for_location(&first, None).await.unwrap();

        let gone = AppEvent { company_id: Some(&company), ..event(None, app.clock.now()) };
        assert_eq!(oauth.uninstalled(&gone).await.unwrap(), Noted::Disconnected);
        for location in [&first, &second, &third] {
            assert!(
                matches!(oauth.for_location(location, None).await.unwrap_err(), TokenError::NotConnected),
                "{location}"
            );
        }
        assert_eq!(json!(app.records.list_tokens(None, 10).await.unwrap().len()), json!(0));
    }
}

/// A page may be shorter than what was asked for, and an item of it may be none: what was not shown is not gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_locations_that_is_not_whole_disconnects_nobody() {
    let site = Site::new(&[]).await;
    // GHL's answer to an install names one location, so that the rest is listed.
    site.sandbox.set_oauth(OauthSettings { tells_locations: Some(1), ..OauthSettings::default() });
    let app = site.app().await;
    let oauth = app.oauth.as_ref().unwrap();
    site.install(oauth, "company", None).await.unwrap();
    let ids: Vec<_> = site.sandbox.locations().into_iter().map(|location| location.id).collect();
    let known = async || app.records.known_locations(&ids).await.unwrap().len();
    let all = known().await;
    assert!(all > 1, "{all}");
    let shown = json!({"_id": ids[0], "name": "First", "isInstalled": true});
    let answered = async |body: Value| {
        let nothing = json!({"locations": [], "count": body["count"]});
        let answers = [body, nothing].map(|body| ErrorAnswer::Raw { status: 200, body });
        let once = |answer| RequestedError::once("GET /oauth/installedLocations", answer);
        site.sandbox.request_errors(answers.map(once).to_vec());
        site.install(oauth, "company", None).await.unwrap();
        known().await
    };
    let bodies = [
        json!({"locations": [shown], "count": 45}),
        json!({"locations": [shown], "count": "45"}),
        json!({"locations": [shown, {"name": "without an id"}]}),
    ];
    for body in bodies {
        assert_eq!(answered(body.clone()).await, all, "{body}");
    }
    // One that is whole counts.
    assert_eq!(answered(json!({"locations": [shown], "count": 1})).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_with_more_locations_than_a_page_shows_has_them_all() {
    const LOCATIONS: usize = 250;
    let site = Site::with_locations(LOCATIONS, &[]).await;
    site.sandbox.set_oauth(OauthSettings { tells_locations: Some(20), ..OauthSettings::default() });
    let app = site.app().await;
    let oauth = app.oauth.as_ref().unwrap();
    let installed = site.install(oauth, "company", None).await.unwrap();
    assert_eq!((installed.locations.len(), site.count("lists")), (LOCATIONS, 3));
    let ids: Vec<_> = site.sandbox.locations().into_iter().map(|location| location.id).collect();
    assert_eq!(app.records.known_locations(&ids).await.unwrap().len(), LOCATIONS);
    oauth.for_location(ids.last().unwrap(), None).await.unwrap();
}

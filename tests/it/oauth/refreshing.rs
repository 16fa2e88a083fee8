//! One refresh at a time, whatever the number of processes, and whoever dies.

use std::io::{BufRead, Write};
use std::process::{Command, Stdio};

use clienty_sync::app::App;
use clienty_sync::config::Config;
use futures_util::future::join_all;
use reqwest::Method;
use secrecy::ExposeSecret;
use sync_workers::oauth::{Oauth, TokenError};
use sync_workers::records::{Holder, TokenState};

use super::site::Site;
use crate::support::leash::Leashed;
use crate::support::postgres::PostgresServer;

const TOKEN: &str = "/oauth/token";
const ALL_RIGHT: &str = "all have one token";

fn door(app: &App) -> &Oauth {
    app.oauth.as_ref().unwrap()
}

/// A process of its own, with callers that all ask for the location's token when it is asked to.
struct Callers(Leashed, std::io::BufReader<std::process::ChildStdout>);

impl Callers {
    fn start(site: &Site, location: &str, count: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["oauth::refreshing::callers", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env_clear().envs(site.settings()).env("IT_LOCATION", location).env("IT_CALLERS", count.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Leashed::start(command, "KILL");
        let lines = std::io::BufReader::new(process.stdout().unwrap());
        let mut this = Self(process, lines);
        assert_eq!(this.line_with("callers:"), "ready");
        this
    }

    fn go(&mut self) {
        self.0.stdin().unwrap().write_all(b"go\n").unwrap();
    }

    /// What the next line says that begins so.
    fn line_with(&mut self, begin: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "it ended without `{begin}`");
            // The test harness writes its own words before ours, in the same line.
            if let Some(at) = line.find(begin) {
                return line[at + begin.len()..].trim().to_owned();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a process of the tests below, which start it"]
async fn callers() {
    let settings: Vec<(String, String)> = std::env::vars().collect();
    let given = |name: &str| settings.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let (location, count) = (given("IT_LOCATION"), given("IT_CALLERS").parse::<usize>().unwrap());
    let app = App::open(Config::load(None, settings).unwrap()).await.unwrap();
    println!("callers: ready");
    tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new())).await.unwrap().unwrap();
    let asked = (0..count).map(|_| {
        let (oauth, location) = (door(&app).clone(), location.clone());
        tokio::spawn(async move { oauth.for_location(&location, None).await })
    });
    let got: Vec<_> = join_all(asked).await.into_iter().map(Result::unwrap).collect();
    let first = got[0].as_ref().map(|access| access.token.expose_secret().to_owned());
    let reported = match first {
        Err(error) => format!("{error}"),
        Ok(first) => {
            let same = got.iter().all(|one| one.as_ref().is_ok_and(|access| access.token.expose_secret() == first));
            if same {
                ALL_RIGHT.to_owned()
            } else {
                format!("they differ: {}", got.iter().filter(|one| one.is_err()).count())
            }
        }
    };
    println!("callers: {reported}");
}

async fn a_hundred_callers_make_one_refresh(site: Site) {
    let app = site.app().await;
    site.expires_in(0);
    let location = site.location();
    site.install(door(&app), &location, None).await.unwrap();
    site.expires_in(86_399);
    let mut processes: Vec<_> = (0..4).map(|_| Callers::start(&site, &location, 25)).collect();
    processes.iter_mut().for_each(Callers::go);
    for process in &mut processes {
        assert_eq!(process.line_with("callers:"), ALL_RIGHT);
    }
    assert_eq!((site.count("refreshes"), site.count("refused")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_in_four_processes_make_one_refresh_on_sqlite() {
    a_hundred_callers_make_one_refresh(Site::new(&[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_in_four_processes_make_one_refresh_on_postgres() {
    let postgres = PostgresServer::start();
    a_hundred_callers_make_one_refresh(Site::new(&[("DATABASE_URL", &postgres.url())]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_reply_and_store_ends_in_one_clear_state_and_no_loop() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    let location = site.location();
    site.expires_in(0);
    site.install(door(&app), &location, None).await.unwrap();
    site.expires_in(86_399);
    site.gate.hold(Method::POST, TOKEN);
    let mut process = Callers::start(&site, &location, 3);
    process.go();
    // The install's own, and the refresh: GHL has answered, and the answer is on its way.
    site.gate.answered(Method::POST, TOKEN, 2).await;
    process.0.end("KILL");
    site.gate.open();

    let holder = Holder::Location(location.clone());
    for _ in 0..10 {
        let error = door(&app).for_location(&location, None).await.unwrap_err();
        assert!(matches!(&error, TokenError::ConnectAgain { .. }), "{error}");
        assert!(error.to_string().contains("must be connected again"), "{error}");
    }
    assert_eq!((site.count("refreshes"), site.count("refused")), (1, 1), "the old token is tried once");
    assert_eq!(app.records.token(&holder).await.unwrap().unwrap().state, TokenState::Lost);
    assert_eq!(door(&app).reconcile_once().await.unwrap(), 0);
    assert_eq!(site.count("refused"), 1);

    site.install(door(&app), &location, None).await.unwrap();
    door(&app).for_location(&location, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_within_an_exchange_of_an_agency_is_survived() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    let location = site.location();
    let installed = site.install(door(&app), "company", None).await.unwrap();
    assert_eq!(installed.locations.len(), 3);
    site.gate.hold(Method::POST, "/oauth/locationToken");
    let mut process = Callers::start(&site, &location, 3);
    process.go();
    site.gate.answered(Method::POST, "/oauth/locationToken", 1).await;
    process.0.end("KILL");
    site.gate.open();
    door(&app).for_location(&location, None).await.unwrap();
    assert_eq!((site.count("exchanges"), site.count("refused")), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_given_up_does_not_take_the_new_pair_with_it() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    let location = site.location();
    site.expires_in(0);
    site.install(door(&app), &location, None).await.unwrap();
    site.expires_in(86_399);
    site.gate.hold(Method::POST, TOKEN);
    let (oauth, asked) = (door(&app).clone(), location.clone());
    let job = tokio::spawn(async move { oauth.for_location(&asked, None).await });
    site.gate.answered(Method::POST, TOKEN, 2).await;
    job.abort();
    site.gate.open();
    door(&app).idle().await;
    door(&app).for_location(&location, None).await.unwrap();
    assert_eq!((site.count("refreshes"), site.count("refused")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconcile_refreshes_ahead_and_only_what_is_due() {
    let site = Site::new(&[]).await;
    let app = site.app().await;
    site.install(door(&app), &site.location(), None).await.unwrap();
    assert_eq!(door(&app).reconcile_once().await.unwrap(), 0);
    // Within its last quarter from the start, though it has not run out.
    site.expires_in(0);
    site.install(door(&app), &site.location(), None).await.unwrap();
    site.expires_in(86_399);
    assert_eq!(door(&app).reconcile_once().await.unwrap(), 1);
    assert_eq!(door(&app).reconcile_once().await.unwrap(), 0);
    assert_eq!(site.count("refreshes"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_login_is_reported_once_and_a_wrong_secret_revokes_nothing() {
    let mut site = Site::new(&[]).await;
    let app = site.app().await;
    let location = site.location();
    site.expires_in(0);
    site.install(door(&app), &location, None).await.unwrap();
    site.expires_in(86_399);

    site.settings.push(("GHL_CLIENT_SECRET".to_owned(), "another".to_owned()));
    let wrong = site.app().await;
    let error = door(&wrong).for_location(&location, None).await.unwrap_err();
    assert!(error.to_string().contains("GHL_CLIENT_SECRET"), "{error}");
    let error = door(&wrong).for_location(&location, None).await.unwrap_err();
    assert!(matches!(error, TokenError::Resting { .. }), "it is not asked at once again: {error}");
    let holder = Holder::Location(location.clone());
    assert_eq!(app.records.token(&holder).await.unwrap().unwrap().state, TokenState::Active);

    site.expires_in(0);
    site.install(door(&app), &location, None).await.unwrap();
    site.sandbox.revoke_login(&location);
    for _ in 0..3 {
        let error = door(&app).for_location(&location, None).await.unwrap_err();
        assert!(matches!(error, TokenError::ConnectAgain { .. }), "{error}");
    }
    assert_eq!(site.count("refused"), 1);
    assert_eq!(app.records.token(&holder).await.unwrap().unwrap().state, TokenState::Revoked);
}

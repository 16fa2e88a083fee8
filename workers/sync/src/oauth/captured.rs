//! Replies of GHL's OAuth that were seen, each through the request that meets it in production. The shapes stand here; the captures themselves are
//! read as well where `GHL_DOCS_DIR` is set. Their numbers are those of the captures.

use std::path::PathBuf;

use ghl::{Client, ClientConfig, GhlMetrics, LONG_LIST};
use prometheus::Registry;
use scripted_server::{Answer, Server};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::app::App;
use super::reply::TokenReply;
use super::{AppConfig, Cause};
use crate::records::Holder;

/// The app, before a server that answers once.
async fn app(status: u16, body: &Value) -> (App, Server) {
    let server = Server::start(vec![Answer::json(status, &body.to_string())]).await;
    let metrics = GhlMetrics::register(&Registry::new()).unwrap();
    let timeout = std::time::Duration::from_secs(60);
    let ghl = Client::new(&ClientConfig { base_url: server.url(), timeout, long_list: LONG_LIST }, metrics).unwrap();
    let config = AppConfig {
        client_id: "app-client".to_owned(),
        client_secret: "secret".into(),
        redirect_uri: "https://sync.example.com/oauth/callback".to_owned(),
        scopes: vec!["contacts.readonly".to_owned()],
        marketplace_url: server.url(),
        version_id: None,
    };
    (App::new(&config, ghl).unwrap(), server)
}

/// The shape, and the capture of that number where the captures are at hand.
fn both(number: &str, status: u16, shape: Value) -> Vec<(u16, Value)> {
    let captured = std::env::var_os("GHL_DOCS_DIR").map(|docs| {
        let files = std::fs::read_dir(PathBuf::from(docs).join("payloads")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let is_it = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with(number);
        let file = files.find(is_it).unwrap_or_else(|| panic!("there is no capture {number}"));
        let capture: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        (u16::try_from(capture["status"].as_u64().unwrap()).unwrap(), capture["body"].clone())
    });
    [(status, shape)].into_iter().chain(captured).collect()
}

/// What is kept: tokens, their life in seconds, scopes, location, company.
type Kept = (String, Option<String>, u64, Option<String>, Option<String>, Option<String>);

fn kept(reply: &TokenReply) -> Kept {
    let refresh = reply.refresh().map(|token| token.expose_secret().to_owned());
    let life = reply.life().as_secs();
    let (scope, location, company) = (reply.scope.clone(), reply.location_id.clone(), reply.company_id.clone());
    (reply.access().expose_secret().to_owned(), refresh, life, scope, location, company)
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const COMPANY: &str = "5DP4iH6HLkQsiKESj6rh";
const LOCATION: &str = "ve9EPM428h8vShlRW1KT";

#[tokio::test]
async fn the_tokens_of_a_company_and_of_a_location_are_read_for_a_code_and_for_a_refresh() {
    let company = json!({
        "access_token": "A", "token_type": "Bearer", "expires_in": 86399, "refresh_token": "R",
        "scope": "contacts.readonly oauth.readonly oauth.write", "refreshTokenId": "rt", "userType": "Company",
        "companyId": COMPANY, "isBulkInstallation": true, "userId": "u",
    });
    let location = json!({
        "access_token": "A", "token_type": "Bearer", "expires_in": 86399, "refresh_token": "R",
        "scope": "contacts.readonly", "refreshTokenId": "rt", "userType": "Location", "companyId": COMPANY,
        "locationId": LOCATION, "isBulkInstallation": false, "userId": "u",
    });
    let scopes = some("contacts.readonly oauth.readonly oauth.write");
    let expected = [
        ("084", company, ("A".to_owned(), some("R"), 86_399, scopes, None, some(COMPANY))),
        (
            "085",
            location,
            ("A".to_owned(), some("R"), 86_399, some("contacts.readonly"), some(LOCATION), some(COMPANY)),
        ),
    ];
    for (number, shape, expected) in expected {
        for (status, body) in both(number, 200, shape) {
            let (app, _server) = app(status, &body).await;
            assert_eq!(kept(&app.redeem("code").await.unwrap()), expected, "{number}");
            let (app, server) = self::app(status, &body).await;
            let holder = if number == "084" {
                Holder::Company(COMPANY.to_owned())
            } else {
                Holder::Location(LOCATION.to_owned())
            };
            assert_eq!(kept(&app.refresh(&holder, &"R0".into()).await.unwrap()), expected, "{number}");
            assert!(server.requests()[0].contains("refresh_token=R0"), "{number}");
        }
    }
}

#[tokio::test]
async fn the_token_that_an_agency_gets_for_a_location_is_a_201_without_a_refresh_token() {
    let shape = json!({
        "access_token": "A", "token_type": "Bearer", "expires_in": 86400,
        "scope": "businesses.readonly oauth.write oauth.readonly", "userType": "Location", "companyId": COMPANY,
        "locationId": LOCATION, "userId": "u", "traceId": "x",
    });
    for (status, body) in both("087", 201, shape) {
        let (app, _server) = app(status, &body).await;
        let reply = app.location_token(&"agency".into(), COMPANY, LOCATION).await.unwrap();
        let scopes = some("businesses.readonly oauth.write oauth.readonly");
        assert_eq!(kept(&reply), ("A".to_owned(), None, 86_400, scopes, some(LOCATION), some(COMPANY)));
    }
}

#[tokio::test]
async fn a_wrong_code_is_the_codes_fault_and_on_a_refresh_the_login_is_gone() {
    let shape = json!({"error": "UnAuthorized!", "error_description": "Authorization code not found"});
    for (status, body) in both("088", 401, shape) {
        let (app, _server) = app(status, &body).await;
        let refused = app.redeem("code").await.unwrap_err();
        assert!(matches!(&refused, Cause::Code(message) if message.contains("code not found")), "{refused:?}");
        let (app, _server) = self::app(status, &body).await;
        let refused = app.refresh(&Holder::Location(LOCATION.to_owned()), &"R0".into()).await.unwrap_err();
        assert!(matches!(refused, Cause::Revoked(_)), "{refused:?}");
    }
}

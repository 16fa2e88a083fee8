//! An OAuth app with a simulated GHL, and customers who install it.

use std::collections::HashMap;

use clienty_sync::app::{App, Tuning};
use clienty_sync::config::Config;
use ghl_sandbox::{OauthSettings, Sandbox, SandboxConfig};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use sync_workers::oauth::{InstallError, Installed, Oauth};

use crate::support::folder::Folder;
use crate::support::gate::Gate;
use crate::support::installation::MASTER_KEY;

pub(super) const SCOPES: &str = "contacts.readonly contacts.write locations.readonly oauth.readonly oauth.write";

pub(super) struct Site {
    pub(super) sandbox: Sandbox,
    /// Stands before the API.
    pub(super) gate: Gate,
    pub(super) settings: Vec<(String, String)>,
    pub(super) folder: Folder,
    http: Client,
}

impl Site {
    pub(super) async fn new(extra: &[(&str, &str)]) -> Self {
        Self::with_locations(3, extra).await
    }

    pub(super) async fn with_locations(locations: usize, extra: &[(&str, &str)]) -> Self {
        let config = SandboxConfig { locations, contacts: 4, ..SandboxConfig::default() };
        let (sandbox, folder) = (Sandbox::start(config).await.unwrap(), Folder::new("oauth"));
        let gate = Gate::before(sandbox.url()).await;
        let app = OauthSettings::default();
        let own = [
            ("CLIENTY_DATA_DIR", folder.path().join("data").display().to_string()),
            ("CLIENTY_LISTEN", "127.0.0.1:0".to_owned()),
            ("CLIENTY_METRICS_LISTEN", "127.0.0.1:0".to_owned()),
            ("CLIENTY_MASTER_KEYS", MASTER_KEY.to_owned()),
            ("GHL_API_URL", gate.url()),
            ("GHL_MARKETPLACE_URL", sandbox.url()),
            ("GHL_CLIENT_ID", app.client_id),
            ("GHL_CLIENT_SECRET", app.client_secret),
            ("GHL_REDIRECT_URI", "http://127.0.0.1:1/oauth/callback".to_owned()),
            ("GHL_SCOPES", SCOPES.to_owned()),
            ("GHL_TIMEOUT_MS", "2000".to_owned()),
            ("GHL_BURST_INTERVAL_MS", "1000".to_owned()),
        ];
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(extra).collect();
        let http = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { sandbox, gate, settings, folder, http }
    }

    pub(super) fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    pub(super) async fn app(&self) -> App {
        let config = Config::load(None, self.settings.clone()).unwrap();
        App::open_tuned(config, Tuning::default()).await.unwrap()
    }

    pub(super) fn location(&self) -> String {
        self.sandbox.locations().remove(0).id
    }

    /// How often GHL was asked so: `codes`, `refreshes`, `exchanges`, `lists` or `refused`.
    pub(super) fn count(&self, what: &str) -> u64 {
        self.sandbox.oauth()["counts"][what].as_u64().unwrap_or(0)
    }

    pub(super) fn expires_in(&self, seconds: u64) {
        self.sandbox.set_oauth(OauthSettings { expires_in_seconds: seconds, ..OauthSettings::default() });
    }

    /// A customer opens GHL's page and chooses; the words with which GHL sends the browser back.
    pub(super) async fn choose(&self, page: &str, on: &str, granted: Option<&str>) -> HashMap<String, String> {
        let shown = self.http.get(page).send().await.unwrap();
        assert_eq!(shown.status(), 200, "{page}");
        assert!(shown.text().await.unwrap().contains(&format!("/v2/oauth/approve?on={on}")));
        let mut choice = Url::parse(page).unwrap();
        choice.set_path("/v2/oauth/approve");
        choice.query_pairs_mut().append_pair("on", on);
        if let Some(granted) = granted {
            choice.query_pairs_mut().append_pair("granted", granted);
        }
        let sent = self.http.get(choice).send().await.unwrap();
        let back = Url::parse(sent.headers()["location"].to_str().unwrap()).unwrap();
        back.query_pairs().into_owned().collect()
    }

    /// A whole install by the link that `connect` prints.
    pub(super) async fn install(
        &self,
        oauth: &Oauth,
        on: &str,
        granted: Option<&str>,
    ) -> Result<Installed, InstallError> {
        let begun = oauth.begin_install(None).unwrap();
        let back = self.choose(&begun.url, on, granted).await;
        oauth.finish_install(&back["state"], None, &back["code"]).await
    }

    /// Every token that GHL gave out.
    pub(super) fn tokens(&self) -> Vec<String> {
        let reported: Value = self.sandbox.oauth();
        reported["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap().to_owned()).collect()
    }
}

//! The OAuth app of the settings, and its four calls.
//!
//! `oauth2` builds the install link and the requests for tokens and reads their replies; GHL wants the app's credentials in the form
//! and not in a header, and a `user_type` with them. The requests go through the client of the API, which repeats nothing and
//! follows no redirect: either could spend a refresh token twice.

use std::pin::Pin;

use ghl::{Plain, Scopes, json};
use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenUrl,
};
use reqwest::Request;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::Cause;
use super::reply::TokenReply;
use crate::records::Holder;

/// The version of the calls that want one.
const VERSION: &str = "2021-07-28";
/// Locations of one page; the most that GHL is known to give.
pub(super) const PAGE: usize = 100;

/// The OAuth app, as the settings have it.
#[derive(Debug, Clone)]
pub struct AppConfig {
    /// From the marketplace.
    pub client_id: String,
    /// From the marketplace; stays in memory and is stored nowhere.
    pub client_secret: SecretString,
    /// The gateway's `/oauth/callback`, as the internet sees it.
    pub redirect_uri: String,
    /// What is asked of the customer.
    pub scopes: Vec<String>,
    /// Where the install page is.
    pub marketplace_url: String,
    /// GHL's id of the app's version; without it, the id of the app.
    pub version_id: Option<String>,
}

/// Why the settings make no app.
#[derive(Debug, thiserror::Error)]
#[error("{setting} is not an address: {reason}")]
pub struct AppError {
    setting: &'static str,
    reason: String,
}

type Client = oauth2::Client<
    BasicErrorResponse,
    TokenReply,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

pub(super) struct App {
    client: Client,
    transport: Transport,
    pub(super) config: AppConfig,
}

/// One page of the locations where the app is installed.
#[derive(Debug, Deserialize)]
pub(super) struct InstalledPage {
    /// As GHL lists them; read one by one, so that an odd one hides no other.
    locations: Vec<Value>,
    /// How many the agency has in all, if GHL reports it.
    #[serde(default)]
    count: Value,
}

impl InstalledPage {
    /// How many places of the list it holds.
    pub(super) fn len(&self) -> usize {
        self.locations.len()
    }

    /// How many the agency has in all, if GHL reports it.
    pub(super) fn all(&self) -> Option<usize> {
        let count = self.count.as_u64().or_else(|| self.count.as_str()?.parse().ok())?;
        usize::try_from(count).ok()
    }

    /// Those that can be read.
    pub(super) fn locations(self) -> Vec<InstalledLocation> {
        self.locations.into_iter().filter_map(|location| InstalledLocation::deserialize(location).ok()).collect()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct InstalledLocation {
    #[serde(rename = "_id", alias = "id", alias = "locationId")]
    pub(super) id: String,
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Absent counts as yes: only those were asked for.
    #[serde(default, rename = "isInstalled")]
    pub(super) is_installed: Option<bool>,
}

impl App {
    pub(super) fn new(config: &AppConfig, ghl: ghl::Client) -> Result<Self, AppError> {
        let wrong = |setting, error: &dyn std::fmt::Display| AppError { setting, reason: error.to_string() };
        let page = format!("{}/v2/oauth/chooselocation", config.marketplace_url);
        let page = AuthUrl::new(page).map_err(|error| wrong("GHL_MARKETPLACE_URL", &error))?;
        let redirect =
            RedirectUrl::new(config.redirect_uri.clone()).map_err(|error| wrong("GHL_REDIRECT_URI", &error))?;
        let client = oauth2::Client::new(ClientId::new(config.client_id.clone()))
            .set_client_secret(ClientSecret::new(config.client_secret.expose_secret().to_owned()))
            .set_auth_type(AuthType::RequestBody)
            .set_auth_uri(page)
            .set_token_uri(TokenUrl::from_url(ghl.address("/oauth/token")))
            .set_redirect_uri(redirect);
        Ok(Self { client, transport: Transport(ghl), config: config.clone() })
    }

    pub(super) fn scopes(&self) -> Scopes {
        self.config.scopes.iter().collect()
    }

    /// GHL's id of the app: its client id, up to the dash.
    pub(super) fn id(&self) -> &str {
        self.config.client_id.split('-').next().unwrap_or_default()
    }

    /// The page at which a customer chooses what to install the app on.
    pub(super) fn install_url(&self, state: String) -> String {
        let scopes = self.config.scopes.iter().cloned().map(Scope::new);
        // GHL shows an app that is not listed publicly only by its version.
        let version = self.config.version_id.clone().unwrap_or_else(|| self.id().to_owned());
        let link = self.client.authorize_url(|| CsrfToken::new(state)).add_scopes(scopes);
        let (url, _) = link.add_extra_param("version_id", version).url();
        url.into()
    }

    /// The tokens of an install that came back with `code`.
    pub(super) async fn redeem(&self, code: &str) -> Result<TokenReply, Cause> {
        // The reply shows whether a location or a company was chosen; GHL treats the type as a wish.
        let request =
            self.client.exchange_code(AuthorizationCode::new(code.to_owned())).add_extra_param("user_type", "Location");
        request.request_async(&self.transport).await.map_err(|error| cause(error).of_code())
    }

    /// The next pair, for a refresh token that is spent with this.
    pub(super) async fn refresh(&self, holder: &Holder, token: &SecretString) -> Result<TokenReply, Cause> {
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let user_type = match holder {
            Holder::Location(_) => "Location",
            Holder::Company(_) => "Company",
        };
        let request = self
            .client
            .exchange_refresh_token(&token)
            .add_extra_param("user_type", user_type)
            .add_extra_param("redirect_uri", &self.config.redirect_uri);
        request.request_async(&self.transport).await.map_err(|error| cause(error).of_refresh())
    }

    /// A location's token, for the agency's.
    pub(super) async fn location_token(
        &self,
        agency: &SecretString,
        company_id: &str,
        location_id: &str,
    ) -> Result<TokenReply, Cause> {
        let form = oauth2::url::form_urlencoded::Serializer::new(String::new())
            .append_pair("companyId", company_id)
            .append_pair("locationId", location_id)
            .finish();
        let mut request = Request::new(reqwest::Method::POST, self.transport.0.address("/oauth/locationToken"));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        *request.body_mut() = Some(form.into());
        let reply = self.as_agency("get-location-access-token", agency, request).await?;
        read(&reply)
    }

    /// One page of the locations where the agency has installed the app.
    pub(super) async fn installed_locations(
        &self,
        agency: &SecretString,
        company_id: &str,
        skip: usize,
    ) -> Result<InstalledPage, Cause> {
        let mut url = self.transport.0.address("/oauth/installedLocations");
        url.query_pairs_mut()
            .append_pair("companyId", company_id)
            .append_pair("appId", self.id())
            .append_pair("isInstalled", "true")
            .append_pair("skip", &skip.to_string())
            .append_pair("limit", &PAGE.to_string());
        let request = Request::new(reqwest::Method::GET, url);
        let reply = self.as_agency("get-installed-location", agency, request).await?;
        read(&reply)
    }

    async fn as_agency(
        &self,
        operation: &'static str,
        agency: &SecretString,
        mut request: Request,
    ) -> Result<Plain, Cause> {
        let bearer = format!("Bearer {}", agency.expose_secret());
        let mut bearer = HeaderValue::try_from(bearer)
            .map_err(|_| Cause::Bearer("it holds characters that no header may".to_owned()))?;
        bearer.set_sensitive(true);
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, bearer);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert("version", HeaderValue::from_static(VERSION));
        succeeded(self.transport.0.plain(operation, request).await?)
    }
}

/// Sends what `oauth2` has built, over the client of the API.
struct Transport(ghl::Client);

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = Cause;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Cause>> + Send + 'c>>;

    /// Only a success comes back to `oauth2`; what went wrong is read here.
    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let unsendable = |error: reqwest::Error| Cause::Network { sent: false, reason: error.to_string() };
            let request = Request::try_from(request).map_err(unsendable)?;
            Ok(HttpResponse::new(succeeded(self.0.plain("get-access-token", request).await?)?.body))
        })
    }
}

fn succeeded(reply: Plain) -> Result<Plain, Cause> {
    if (200..300).contains(&reply.status) && !reply.is_page { Ok(reply) } else { Err(Cause::of_reply(&reply)) }
}

fn read<T: for<'a> Deserialize<'a>>(reply: &Plain) -> Result<T, Cause> {
    json::read(&reply.body).and_then(|document| T::deserialize(document.value)).map_err(|error| {
        let reason = format!("a reply that can't be read: {:?} at column {}", error.classify(), error.column());
        Cause::Network { sent: true, reason }
    })
}

fn cause(error: RequestTokenError<Cause, BasicErrorResponse>) -> Cause {
    match error {
        RequestTokenError::Request(cause) => cause,
        // All of these are about a success, so a token may have been spent for it.
        RequestTokenError::Parse(error, _) => {
            Cause::Network { sent: true, reason: format!("a reply that can't be read at `{}`", error.path()) }
        }
        RequestTokenError::ServerResponse(_) | RequestTokenError::Other(_) => {
            Cause::Network { sent: true, reason: "a reply without a token".to_owned() }
        }
    }
}

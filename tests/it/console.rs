//! The console, asked as a browser asks: cookies, forms and answers 303, without JavaScript.

mod acts;
mod pages;
mod sessions;

use clienty_sync::gateway::{Server, ServerLimits, listen};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde_json::json;
use sync_workers::records::{ApiKey, NewKey, Places, Role};

use crate::support::test_app::{Setup, TestApp};

/// A system whose console is served.
struct Console {
    app: TestApp,
    server: Server,
}

/// Somebody's browser.
#[derive(Clone)]
struct Browser {
    url: String,
    client: Client,
    cookie: Option<String>,
}

/// What a browser got.
#[derive(Debug)]
struct Page {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Console {
    async fn start(setup: Setup) -> Self {
        Self::over(TestApp::idle(setup).await).await
    }

    async fn over(app: TestApp) -> Self {
        let listener = listen("127.0.0.1:0".parse().unwrap(), "none").await.unwrap();
        let limits = ServerLimits::of(&app.app.config.gateway);
        let server = Server::start(listener, app.app.gateway().routes(), limits).unwrap();
        Self { app, server }
    }

    fn browser(&self) -> Browser {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Browser { url: format!("http://{}", self.server.address), client, cookie: None }
    }

    async fn key(&self, role: Role, locations: Places, reads_people: bool) -> (ApiKey, String) {
        let new = NewKey { roles: vec![role], locations, reads_people, ..NewKey::of_all("the <b>key") };
        let (key, text) = self.app.app.records.create_key(&new).await.unwrap();
        (key, text.expose_secret().to_owned())
    }

    /// A browser that has signed in.
    async fn signed_in(&self, role: Role) -> Browser {
        let (_, key) = self.key(role, Places::All, true).await;
        self.with_key(&key).await
    }

    async fn with_key(&self, key: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(key).await;
        assert_eq!((answer.status, answer.location()), (303, "/ui"), "{}", answer.text);
        browser
    }

    /// A contact of GHL that is known here, called so.
    async fn contact_called(&self, name: &str) -> String {
        let contact = self.app.contact_by_hand(None, json!({"firstName": name, "email": "x@example.com"})).await;
        self.app.report("contact.selected", &contact, json!({})).await;
        self.app.settle().await;
        contact
    }

    /// Jobs that are dead of these errors, one each; their ids.
    async fn dead(&self, errors: &[String]) -> Vec<String> {
        let location = self.app.location().id;
        let mut ids = Vec::new();
        for (number, error) in errors.iter().enumerate() {
            let id = self
                .app
                .send(json!({"type": "contact.selected", "locationId": location, "contactId": format!("c{number}")}))
                .await;
            let statement = format!(
                "update jobs set state = 'dead', finished_at = created_at, last_error = '{error}' where id = '{id}'"
            );
            self.app.sql(statement.leak()).await;
            ids.push(id);
        }
        ids
    }

    async fn finish(self) {
        self.server.stop().await;
        self.app
            .sql("update jobs set state = 'done', finished_at = 1 where finished_at is null or state = 'dead'")
            .await;
        self.app.finish().await;
    }
}

impl Browser {
    async fn get(&self, path: &str) -> Page {
        self.send(self.client.get(format!("{}{path}", self.url))).await
    }

    /// A page that must be there.
    async fn page(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page
    }

    /// Sends a form as a page of the console would.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.url)).header("sec-fetch-site", "same-origin");
        self.send(with_form(request, fields)).await
    }

    /// Sends a form with the token that the page carries.
    async fn act(&self, on: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.page(on).await.token();
        self.post(path, &[fields, &[("csrf", token.as_str())]].concat()).await
    }

    async fn sign_in(&mut self, key: &str) -> Page {
        let answer = self.post("/ui/sign-in", &[("key", key), ("to", "/ui")]).await;
        self.keep_cookie(&answer);
        answer
    }

    fn keep_cookie(&mut self, answer: &Page) {
        if let Some(set) = answer.headers.get("set-cookie") {
            self.cookie = Some(set.to_str().unwrap().split(';').next().unwrap().to_owned());
        }
    }

    async fn send(&self, request: RequestBuilder) -> Page {
        let request = match &self.cookie {
            Some(cookie) => request.header("cookie", cookie),
            None => request,
        };
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Page { status, headers, text: response.text().await.unwrap() }
    }
}

/// A request with a form as its body.
fn with_form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let body: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
}

impl Page {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn location(&self) -> &str {
        self.header("location")
    }

    /// What its forms carry.
    fn token(&self) -> String {
        let (_, rest) =
            self.text.split_once("name=\"csrf\" value=\"").unwrap_or_else(|| panic!("no form: {}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Its own addresses that it leads to by a link.
    fn links(&self) -> Vec<String> {
        let parts = self.text.split("href=\"").skip(1).filter_map(|part| part.split('"').next());
        parts.filter(|link| link.starts_with("/ui")).map(|link| link.replace("&amp;", "&")).collect()
    }
}

//! Signing in with an API key or by a link that is good once, and signing out.

use std::collections::HashMap;
use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use jiff::SignedDuration;
use secrecy::SecretString;
use sync_workers::records::{NewKey, Role};
use tokio::time::sleep;

use super::frame::{rendered, with_status};
use super::session::{Session, Way};
use super::trouble::{Trouble, in_time};
use super::visitor::Act;
use super::{Console, assets};
use crate::gateway::Reads;

/// Who guesses keys gets few tries; who mistypes one does not notice.
const PAUSE: Duration = Duration::from_millis(300);
/// How long the key of a link is in force.
const KEY_LASTS: SignedDuration = SignedDuration::from_hours(12);

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct Page {
    version: &'static str,
    to: String,
    wrong: Option<&'static str>,
}

impl Page {
    fn new(to: &str, wrong: Option<&'static str>) -> Self {
        Self { version: assets::version(), to: own_page(to), wrong }
    }
}

const IN_PLAIN_SIGHT: &str = "This address is plain HTTP, where anybody on the way can read a key. Open the console over HTTPS, or at an \
     address of the machine itself, as through `ssh -L` or `kubectl port-forward`.";

/// `GET /ui/sign-in?to`.
pub(super) async fn page(headers: HeaderMap, Query(query): Query<HashMap<String, String>>) -> Response {
    let wrong = (Way::of(&headers) == Way::Open).then_some(IN_PLAIN_SIGHT);
    rendered(&Page::new(query.get("to").map_or("/ui", String::as_str), wrong))
}

/// `POST /ui/sign-in`: begins a session, if the key is in force and may read.
pub(super) async fn enter(
    State(console): State<Console>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let field = |name: &str| form.get(name).map(|text| text.trim()).unwrap_or_default();
    let (to, way) = (field("to"), Way::of(&headers));
    if way == Way::Open {
        return Ok(with_status(StatusCode::FORBIDDEN, &Page::new(to, Some(IN_PLAIN_SIGHT))));
    }
    let key = SecretString::from(field("key"));
    let opened = in_time(console.producer.records().authenticate(field("key"))).await?;
    let wrong = match opened {
        None => "This key is not known, or has ended. `clienty-sync keys list` shows those in force.",
        Some(opened) if !opened.key.is_one_of(&[Role::Reader]) => {
            "This key may send events and not look at anything. Sign in with one of the role reader, operator or admin."
        }
        Some(_) => return begun(&console, &key, way, &own_page(to)),
    };
    sleep(PAUSE).await;
    Ok(with_status(StatusCode::UNAUTHORIZED, &Page::new(to, Some(wrong))))
}

/// `GET /ui/open/{link}`: the link of `demo` or `up`. It makes a key of its own for whoever uses it.
pub(super) async fn open(
    State(console): State<Console>,
    headers: HeaderMap,
    Path(link): Path<String>,
) -> Result<Response, Trouble> {
    let way = Way::of(&headers);
    if way != Way::Loopback || !console.links.spend(&link) {
        sleep(PAUSE).await;
        let detail = "The link was used, or is older than a quarter of an hour; it is good once, on the machine itself. Sign in with a key.";
        return Err(Trouble::new(StatusCode::UNAUTHORIZED, "The link is spent", detail));
    }
    let expires_at = console.clock.now().checked_add(KEY_LASTS).ok();
    let new = NewKey { roles: vec![Role::Admin], expires_at, ..NewKey::of_all("console, by the link of a start") };
    let (_, key) = in_time(console.producer.records().create_key(&new)).await?;
    begun(&console, &key, way, "/ui")
}

/// `POST /ui/sign-out`. The key stays in force.
pub(super) async fn leave(headers: HeaderMap, _: Act<Reads>) -> Response {
    let mut response = Redirect::to("/ui/sign-in").into_response();
    if let Some(cookie) = Session::end(Way::of(&headers)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn begun(console: &Console, key: &SecretString, way: Way, to: &str) -> Result<Response, Trouble> {
    let cookie = Session::begin(&console.vault, key, console.clock.now(), way).ok_or_else(Trouble::internal)?;
    let mut response = Redirect::to(to).into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// The address, if it is one of the console's pages; else the first page. A sign-in must not lead to another site.
fn own_page(to: &str) -> String {
    let is_plain = to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_own = to == "/ui" || to.starts_with("/ui/") || to.starts_with("/ui?");
    let is_page = is_own && !to.starts_with("/ui/sign-") && !to.starts_with("/ui/open/");
    if is_plain && is_page { to.to_owned() } else { "/ui".to_owned() }
}

/// Whether a browser follows a link of another site, or of a message. It sends no cookie of ours then.
pub(super) fn comes_by_a_link(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site")
}

/// A page that opens itself once more, now from this site, so that the cookie comes with it.
pub(super) fn once_more() -> Response {
    let page = "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=0><title>clienty-sync</title><p>Opening …</html>";
    let mut response = Html(page).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_leads_to_a_page_of_the_console_and_nowhere_else() {
        for (to, own) in [
            ("/ui/jobs?state=dead", "/ui/jobs?state=dead"),
            ("/ui?x=1", "/ui?x=1"),
            ("/uix", "/ui"),
            ("//evil.example", "/ui"),
            ("https://evil.example/ui/", "/ui"),
            ("/ui/\\evil.example", "/ui"),
            ("/ui/a\r\nset-cookie: x=1", "/ui"),
            ("/ui/sign-in?to=/ui", "/ui"),
            ("/ui/open/x", "/ui"),
            ("", "/ui"),
        ] {
            assert_eq!(own_page(to), own, "{to:?}");
        }
    }
}

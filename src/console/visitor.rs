//! Who looks at a page, and what they may: the argument that every page takes, as every route of the API takes its own.
//!
//! [`Visitor`] holds the records as the key of the session sees them. [`Act`] is a form that such a visitor has sent from a page of ours.

use std::collections::HashMap;
use std::marker::PhantomData;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use sync_model::ids;
use sync_workers::records::{ApiKey, Decision, Places, Principal, Records, Role};

use super::frame::Frame;
use super::session::Session;
use super::show::query_part;
use super::trouble::{Trouble, in_time};
use super::{Console, sign_in};
use crate::gateway::{Access, RequestId};
use crate::producer::Producer;

/// Somebody who has signed in and may have what `A` stands for, at the location of the path.
pub(super) struct Visitor<A> {
    /// Their key.
    pub(super) key: ApiKey,
    /// Accepts events in the name of the key.
    pub(super) producer: Producer,
    /// The same for all of one page.
    pub(super) now: Timestamp,
    /// What forms carry.
    token: String,
    is_read_only: bool,
    access: PhantomData<A>,
}

impl<A> Visitor<A> {
    /// The records as the key sees them.
    pub(super) fn records(&self) -> &Records {
        self.producer.records()
    }

    /// Whether what a role may do can be done here.
    pub(super) fn may(&self, role: Role) -> bool {
        !self.is_read_only && self.key.is_one_of(&[role])
    }

    /// Refuses who sees some locations alone what is about the whole deployment.
    pub(super) fn sees_all(&self) -> Result<(), Trouble> {
        if self.key.locations == Places::All {
            return Ok(());
        }
        let detail = "The page is about the whole deployment, and this key sees some locations alone.";
        Err(Trouble::new(StatusCode::FORBIDDEN, "Not with this key", detail))
    }

    /// What stands around a page.
    pub(super) fn frame(&self, section: &'static str, title: impl Into<String>) -> Frame {
        Frame {
            title: title.into(),
            section,
            who: self.key.name.clone(),
            sees_all: self.key.locations == Places::All,
            is_admin: self.key.is_one_of(&[Role::Admin]),
            is_operator: self.key.is_one_of(&[Role::Operator]),
            may_operate: self.may(Role::Operator),
            may_administer: self.may(Role::Admin),
            is_read_only: self.is_read_only,
            token: self.token.clone(),
            now: self.now,
            notice: None,
        }
    }

    /// A decision in the name of the key.
    pub(super) fn decision(&self, why: Option<&str>) -> Decision {
        let by = format!("{} ({})", self.key.name, self.key.id);
        let why = why.map(str::trim).filter(|why| !why.is_empty()).unwrap_or("no reason given, in the console");
        Decision { by, why: why.to_owned() }
    }
}

impl<A: Access> FromRequestParts<Console> for Visitor<A> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Response> {
        let now = console.clock.now();
        let Some(session) = Session::of(&parts.headers, &console.vault, now) else {
            return Err(sign_in_first(parts));
        };
        let records = console.producer.records();
        let opened = in_time(records.authenticate(session.key.expose_secret())).await;
        let Some(opened) = opened.map_err(IntoResponse::into_response)? else { return Err(sign_in_first(parts)) };
        let key = opened.key;
        if !key.is_one_of(A::ROLES) {
            let roles: Vec<_> = A::ROLES.iter().map(|role| role.as_str()).collect();
            let detail = format!("This takes a key of the role {}. Yours is “{}”.", roles.join(" or "), key.name);
            return Err(Trouble::new(StatusCode::FORBIDDEN, "Not with this key", detail).into_response());
        }
        if A::PEOPLE && !key.reads_people {
            let detail = "The page shows names and values, and this key reads ids and states alone.";
            return Err(Trouble::new(StatusCode::FORBIDDEN, "Not with this key", detail).into_response());
        }
        let request_id = parts.extensions.get().map(|RequestId(id)| id.clone());
        let producer = console.producer.on_behalf_of(Principal::of_key(&key, request_id));
        let Ok(path) = RawPathParams::from_request_parts(parts, console).await else {
            return Err(Trouble::no_such("page").into_response());
        };
        if path.iter().any(|(name, id)| name != "rest" && !ids::is_id(id)) {
            return Err(Trouble::no_such("page").into_response());
        }
        if let Some((_, location)) = path.iter().find(|(name, _)| *name == "location") {
            let sees = in_time(producer.records().sees(location)).await;
            if !sees.map_err(IntoResponse::into_response)? {
                return Err(Trouble::no_such("location").into_response());
            }
        }
        let is_read_only = console.is_read_only;
        Ok(Self { key, producer, now, token: session.token, is_read_only, access: PhantomData })
    }
}

/// To the sign-in, and from there back to where they wanted to be.
fn sign_in_first(parts: &Parts) -> Response {
    if parts.method != Method::GET {
        let detail = "Your session has ended, so nothing was done. Sign in, and do it again.";
        return Trouble::new(StatusCode::UNAUTHORIZED, "Signed out", detail).into_response();
    }
    if sign_in::comes_by_a_link(&parts.headers) {
        return sign_in::once_more();
    }
    let to = parts.uri.path_and_query().map_or("/ui", |to| to.as_str());
    Redirect::to(&format!("/ui/sign-in?to={}", query_part(to))).into_response()
}

/// A form of a page of ours, sent by somebody who may do what it asks for.
pub(super) struct Act<A> {
    /// Who does it.
    pub(super) visitor: Visitor<A>,
    fields: HashMap<String, String>,
}

impl<A> Act<A> {
    /// A field that was filled in.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str).filter(|text| !text.trim().is_empty() && !text.contains('\0'))
    }

    /// How many the visitor saw.
    pub(super) fn expected(&self) -> Option<usize> {
        self.field("expect").and_then(|text| text.parse().ok())
    }
}

impl<A: Access> FromRequest<Console> for Act<A> {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        if console.is_read_only {
            let detail = "The setting CLIENTY_UI is read-only: the console shows everything and does nothing.";
            return Err(Trouble::new(StatusCode::FORBIDDEN, "Read-only", detail).into_response());
        }
        let form = Form::<HashMap<String, String>>::from_request(Request::from_parts(parts, body), console).await;
        let Ok(Form(fields)) = form else {
            let detail = "The form can't be read. Open the page again.";
            return Err(Trouble::new(StatusCode::BAD_REQUEST, "Not a form", detail).into_response());
        };
        let token = fields.get("csrf").map(String::as_bytes).unwrap_or_default();
        if verify_slices_are_equal(token, visitor.token.as_bytes()).is_err() {
            let detail = "The page was from another session, so nothing was done. Open it again.";
            return Err(Trouble::new(StatusCode::FORBIDDEN, "An old page", detail).into_response());
        }
        Ok(Self { visitor, fields })
    }
}

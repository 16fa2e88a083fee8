//! Who may ask what: the argument that every handler of a route under /v1 takes first.
//!
//! [`Allowed`] holds the records as the key sees them, and says in its type who may have it. A route is registered with
//! [`Api`](super::api::Api), which takes no handler without it; so a route that forgets to ask does not compile.
//!
//! What a key may not see is 404, in the words for what does not exist: the location of a path is checked here, that of an event when it is
//! accepted, and lists are filtered in SQL. A role that a key lacks is 403, whatever the path.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use sync_model::ids;
use sync_workers::records::{Opened, Places, Principal, Records, Role};

use super::deadline::in_time;
use super::{Gateway, Problem};
use crate::producer::Producer;

/// Who may use a route.
pub(crate) trait Access: Send + Sync + 'static {
    /// Keys with one of these roles, or one that includes it.
    const ROLES: &'static [Role];
    /// Whether its answer holds names and values, which not every key reads.
    const PEOPLE: bool = false;
    /// Whether it is about the whole deployment, which a key of some locations does not see.
    const WHOLE: bool = false;
}

/// Names kinds of access, each with the roles that have it.
macro_rules! access {
    ($($(#[$doc:meta])* $name:ident: $roles:expr $(, people: $people:literal)? $(, whole: $whole:literal)?;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl Access for $name {
            const ROLES: &'static [Role] = &$roles;
            $(const PEOPLE: bool = $people;)?
            $(const WHOLE: bool = $whole;)?
        }
    )*};
}

access! {
    /// Any key that is in force.
    Anyone: Role::ALL;
    /// Ids and states.
    Reads: [Role::Reader];
    /// Names and values, too.
    ReadsPeople: [Role::Reader], people: true;
    /// The state of an event's job: keys that may send events, and keys that may read.
    Follows: [Role::Producer, Role::Reader];
    /// What GHL answered to a call, with names and values.
    FollowsPeople: [Role::Producer, Role::Reader], people: true;
    /// Sends events.
    Sends: [Role::Producer];
    /// Decides about the data of one person, or about one value: the program that has sent it may, and who operates this one.
    Decides: [Role::Producer, Role::Operator];
    /// Decides about jobs.
    Operates: [Role::Operator];
    /// Looks at what the whole deployment does.
    OperatesAll: [Role::Operator], whole: true;
    /// Looks at what others did, and says what they may do.
    Administers: [Role::Admin];
    /// Looks at how the whole deployment is set up.
    AdministersAll: [Role::Admin], whole: true;
}

/// Proof that the caller's key has the role of `A`, and sees the location of the path.
pub(super) struct Allowed<A> {
    /// What opened the request.
    pub(super) opened: Opened,
    /// Accepts events in the name of the key.
    pub(super) producer: Producer,
    access: PhantomData<A>,
}

impl<A> Allowed<A> {
    /// The records as the key sees them.
    pub(super) fn records(&self) -> &Records {
        self.producer.records()
    }
}

impl<A: Access> FromRequestParts<Gateway> for Allowed<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let Some((opened, principal)) = parts.extensions.get::<(Opened, Principal)>().cloned() else {
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "No valid API key", "no key was asked for"));
        };
        let key = &opened.key;
        if !key.is_one_of(A::ROLES) {
            let roles: Vec<_> = A::ROLES.iter().map(|role| role.as_str()).collect();
            let roles = roles.join(" or ");
            return Err(forbidden(format!(
                "this takes a key of the role {roles}; GET /v1/me shows what this key may do"
            )));
        }
        if A::PEOPLE && !key.reads_people {
            let detail = "the answer holds names and values, and this key reads ids and states alone";
            return Err(forbidden(detail.to_owned()));
        }
        if A::WHOLE && key.locations != Places::All {
            return Err(forbidden(
                "this is about the whole deployment, and this key sees some locations alone".to_owned(),
            ));
        }
        let producer = gateway.producer.on_behalf_of(principal);
        let path = RawPathParams::from_request_parts(parts, gateway).await;
        let location = path.iter().flatten().find(|(name, id)| *name == "location" && ids::is_id(id));
        if let Some((_, location)) = location
            && !in_time(producer.records().sees(location)).await?.map_err(|error| Problem::records(&error))?
        {
            return Err(Problem::unknown_location());
        }
        Ok(Self { opened, producer, access: PhantomData })
    }
}

pub(super) fn forbidden(detail: String) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "Not allowed with this key", detail)
}

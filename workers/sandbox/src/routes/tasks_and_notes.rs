//! What tasks and notes of a contact have in common: a list without pages, a read, and a delete.

use axum::Extension;
use axum::extract::Path;
use serde_json::Value;

use super::{Reply, named, succeded};
use crate::api_error::ApiError;
use crate::state::Caller;
use crate::store::{Kind, Store};

impl Kind {
    /// The part of a reply that holds one record, and the part that holds several.
    pub(super) fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Task => ("task", "tasks"),
            Self::Note => ("note", "notes"),
            Self::Appointment => ("event", "events"),
        }
    }

    /// The record, or the error that names it.
    pub(super) fn find(self, store: &Store, contact: &str, id: &str) -> Result<Value, ApiError> {
        store.collection(self).get(contact, id).ok_or_else(|| self.missing(id))
    }

    pub(super) fn missing(self, id: &str) -> ApiError {
        ApiError::not_found(match self {
            Self::Task => format!("Task with id {id} not found"),
            Self::Note => format!("Note with id {id} not found"),
            Self::Appointment => format!("Appointment with id {id} not found"),
        })
    }
}

pub(super) async fn list(kind: Kind, Extension(caller): Extension<Caller>, Path(contact): Path<String>) -> Reply {
    let store = caller.store_holding(&contact)?;
    Ok(named(kind.parts().1, store.collection(kind).of(&contact).collect::<Vec<_>>()))
}

pub(super) async fn get(
    kind: Kind,
    Extension(caller): Extension<Caller>,
    Path((contact, id)): Path<(String, String)>,
) -> Reply {
    let store = caller.store_holding(&contact)?;
    Ok(named(kind.parts().0, kind.find(&store, &contact, &id)?))
}

pub(super) async fn delete(
    kind: Kind,
    Extension(caller): Extension<Caller>,
    Path((contact, id)): Path<(String, String)>,
) -> Reply {
    let mut store = caller.store_holding(&contact)?;
    if store.remove(kind, &contact, &id) { Ok(succeded()) } else { Err(kind.missing(&id)) }
}

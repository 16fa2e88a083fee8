//! One place that gets every change, in the order in which the changes were made.
//!
//! A change is reported under the lock of its location's store, so no two of one location can swap
//! places; webhooks may reorder them later. The store never waits for a listener and leaves none
//! out: each has an unbounded queue.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Something that is different now.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The name of GHL's webhook, such as `ContactUpdate`; or `TaskUpdate` and `ContactMerge`, which have none at GHL.
    pub event: &'static str,
    /// The id of the location.
    pub location: String,
    /// The contact that changed, or that the record belongs to.
    pub contact: String,
    /// Of the record that changed; of a merge, the contact that is gone.
    pub id: String,
    /// The whole record as it is stored: after the change, or before it was deleted.
    pub record: Value,
}

/// Who listens.
#[derive(Clone, Default)]
pub(super) struct Changes(Arc<Mutex<Vec<UnboundedSender<Changed>>>>);

impl Changes {
    /// Everything that changes from now on.
    pub(super) fn listen(&self) -> UnboundedReceiver<Changed> {
        let (tell, hear) = unbounded_channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(tell);
        hear
    }

    pub(super) fn tell(&self, change: impl FnOnce() -> Changed) {
        let mut listeners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| !listener.is_closed());
        if !listeners.is_empty() {
            let change = change();
            for listener in listeners.iter() {
                // One that left meanwhile wants to hear nothing.
                let _ = listener.send(change.clone());
            }
        }
    }
}

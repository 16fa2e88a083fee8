//! Why a run did not finish, as one type, and what that means.

use std::time::Duration;

use ghl::GhlError;

use crate::mapping::MissingField;
use crate::oauth::TokenError;
use crate::records::{Part, RecordsError};
use crate::scripts::NotRun;

/// Why a run did not finish.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// GHL did not do it.
    #[error(transparent)]
    Ghl(#[from] GhlError),
    /// The database did not do it, or the run is another's by now.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// It took longer than all its calls at their slowest: the database hangs.
    #[error("the run was ended after {due:?}, which is longer than all its calls can take; the database may hang")]
    Stalled {
        /// How long it had.
        due: Duration,
    },
    /// A bug of this program; the panic's message has the details.
    #[error("the run panicked, which is a bug of clienty-sync: its output has the message; the job is retried")]
    Panicked,
    /// There is no token to call with.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A record lacks what GHL insists on.
    #[error(transparent)]
    Incomplete(#[from] MissingField),
    /// The location was never connected, or was disconnected.
    #[error("the location is not connected: run `clienty-sync connect`")]
    NotConnected,
    /// All that a push has to write was refused before.
    #[error(
        "{reason}; it is unchanged, so it is not sent: `clienty-sync jobs retry` sends it again, `jobs discard` reverts it"
    )]
    Refused {
        /// Why, in GHL's words.
        reason: String,
    },
    /// A part of a contact did not come, and may later; the others are stored.
    #[error("the {} of the contact are missing, and the rest is stored: {error}", part.as_str())]
    PartMissing {
        /// Which one.
        part: Part,
        /// Why.
        error: GhlError,
    },
    /// GHL does not authorize this call, but accepts another one with the same token: the location is not affected.
    #[error("{0}; GHL accepts other calls with this token, so only this job failed and the location continues")]
    NotForThisCall(GhlError),
    /// GHL does not authorize the call, and no permit was left for another call that shows whether the token is at fault.
    #[error("{0}; the next attempt checks whether the token or only this call is at fault")]
    Unjudged(GhlError),
    /// A 404 that may mean that the record is gone, and GHL shows the record elsewhere, or would not show it yet.
    #[error("GHL does not find the {what}, but does not confirm that it is gone{}", if *.is_visible { ": a list still shows it" } else { "" })]
    Unconfirmed {
        /// Of which kind it is.
        what: &'static str,
        /// Whether GHL shows it elsewhere.
        is_visible: bool,
    },
    /// The event names a contact that is not of its location.
    #[error("the contact belongs to another location than the event names")]
    ForeignRecord,
    /// The ledger row is of another version of this program.
    #[error("the kind {kind} is not known to this version")]
    UnknownKind {
        /// As the ledger says.
        kind: String,
    },
    /// A call by name that this version's catalog does not have.
    #[error("this version's catalog does not have the operation")]
    UnknownOperation,
    /// A call that must not be sent twice was sent, and its outcome is unknown.
    #[error(
        "it is unknown whether GHL carried {operation} out ({reason}), so it is not sent again: look in GHL, and call it again if it \
         was not"
    )]
    OutcomeUnknown {
        /// The operation.
        operation: &'static str,
        /// How the answer was lost.
        reason: String,
    },
    /// What the step of a flow comes to can't be said or called.
    #[error("{place}: {reason}")]
    FlowStep {
        /// The flow and its step.
        place: String,
        /// What is wrong; never a value.
        reason: String,
    },
    /// The request of a flow's step failed, and may be sent again.
    #[error("{place}: {reason}")]
    Outside {
        /// The flow and its step.
        place: String,
        /// What happened; never an address or a value.
        reason: String,
        /// When the receiver wants to be asked again, if it says so.
        wait: Option<Duration>,
    },
    /// The script of a flow's step did not run; it is not at fault.
    #[error(transparent)]
    Script(#[from] NotRun),
    /// A contact can't be looked up, and no waiting changes that.
    #[error("the contact can't be looked up: {reason}")]
    NotEnriched {
        /// Why; never a value.
        reason: String,
    },
    /// A provider of enrichment can't be asked for now: it is called too often, or a ceiling has no room.
    #[error("{why}")]
    AwaitsProvider {
        /// Which one, and what has to happen.
        why: String,
        /// Until it is worth another look.
        wait: Duration,
    },
    /// GHL created something and did not say what; the next run looks for it.
    #[error("GHL's answer to a create holds no id")]
    NoId,
    /// The run has got on and needs the permits of another one for the rest.
    #[error("more calls are needed than one run has permits for")]
    NeedsMorePermits,
    /// GHL answered with the contact, and to the same run that it has no such contact.
    #[error("the contact was deleted in GHL while it was read")]
    GoneMeanwhile,
    /// A task, note or appointment of a contact that GHL is yet to get.
    #[error("its contact is not in GHL yet: it waits for the contact's job")]
    AwaitsContact {
        /// Until it is worth another look.
        wait: Duration,
    },
    /// GHL refuses a create because of a contact that was deleted here and whose deletion is yet to reach GHL.
    #[error("GHL still has a deleted contact with its email or phone: it waits for the job that deletes that contact")]
    AwaitsDeletion {
        /// Until it is worth another look.
        wait: Duration,
    },
    /// A task that a webhook reported and no page shows: the search may lag behind, or the task is gone.
    #[error("GHL's search does not show the task yet")]
    NotShownYet,
    /// A webhook reported a task without its contact, and the token may not search for it.
    #[error(
        "a webhook reported a task without its contact, and the token lacks the scope {scope} to find it: grant the scope and connect the \
         location again, then `clienty-sync jobs retry`; until then, reconciliation finds the task"
    )]
    CannotSearchTasks {
        /// What it lacks.
        scope: &'static str,
    },
    /// A scan that is spread over time is not due yet, or what a run depends on is not settled yet.
    #[error("it continues later")]
    Deferred {
        /// Until then.
        wait: Duration,
    },
    /// GHL does not show what an earlier run wrote, but may do so in a moment: a create sent now could make it twice, and another update could be
    /// overtaken by that one.
    #[error("a write of an earlier run may still arrive")]
    MayStillArrive {
        /// Until it can't any more.
        wait: Duration,
    },
}

impl JobError {
    /// The error of the records, if they are at fault.
    pub(super) fn of_records(&self) -> Option<&RecordsError> {
        match self {
            Self::Records(error) | Self::Token(TokenError::Records(error)) => Some(error),
            _ => None,
        }
    }
}

//! What can go wrong with a call, and what that means for the job and its lane.
//!
//! Errors are plain data without the record they are about: what they print goes to logs, dead letters and people.

use std::time::Duration;

use job_engine::PermitError;

/// Why a call gave no usable reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GhlError {
    /// There was no permit; nothing was sent.
    #[error("not sent: {0}")]
    Permit(#[from] PermitError),

    /// The call can't be put into a request; nothing was sent.
    #[error("{operation} was not sent: {reason}")]
    Unsendable {
        /// The operation.
        operation: &'static str,
        /// Which part is unusable.
        reason: String,
    },

    /// 429: the location has used up its calls.
    #[error("GHL throttles the location{}", throttled_text(.retry_after, *.daily))]
    Throttled {
        /// How long GHL asks to wait; `None` means until the interval ends.
        retry_after: Option<Duration>,
        /// The day's calls are used up, not just the interval's.
        daily: bool,
    },

    /// 401 or 403.
    #[error("GHL does not authorize the call ({kind}){}", reported(.message))]
    Unauthorized {
        /// The operation.
        operation: &'static str,
        /// What it objects to.
        kind: UnauthorizedKind,
        /// GHL's words, without values.
        message: String,
    },

    /// What the call is about does not exist (any more): GHL says so by its name.
    #[error("GHL has no such {what}")]
    Gone {
        /// What is missing, as far as GHL says.
        what: Subject,
    },

    /// A 404 that does not name what is missing. The route, a proxy or the record: it proves nothing of the record.
    #[error("GHL answers 404 and does not say what is missing{}", reported(.reason))]
    NotFound {
        /// Its words, without values; often none.
        reason: String,
    },

    /// A create, in a location that allows no two contacts with one e-mail or phone.
    #[error("GHL already has such a contact{}", .matching_field.as_ref().map(|field| format!(" (same {field})")).unwrap_or_default())]
    Duplicate {
        /// The existing contact; if GHL does not name it, `find_duplicate_contact` does.
        contact_id: Option<String>,
        /// The field that is the same, such as `email`.
        matching_field: Option<String>,
    },

    /// GHL understood the call and refuses it.
    #[error("GHL refuses the call with {status}: {}", .messages.join("; "))]
    Invalid {
        /// The HTTP status; 2xx where the reply itself says that nothing was done.
        status: u16,
        /// GHL's words, without values.
        messages: Vec<String>,
    },

    /// 5xx, a redirect, or a page of something that stands before GHL: the API itself did not answer.
    #[error("GHL is out of order: {status}{}", reported(.reason))]
    Server {
        /// The HTTP status.
        status: u16,
        /// Its words, without values; often none.
        reason: String,
    },

    /// A reply that is longer than is read.
    #[error(
        "the reply to {operation} is longer than {limit} bytes; GHL_LONG_LIST_MIB sets how long a list may be that has no pages"
    )]
    TooLong {
        /// The operation.
        operation: &'static str,
        /// The HTTP status.
        status: u16,
        /// Bytes that are read.
        limit: usize,
    },

    /// No whole reply in time.
    #[error("GHL did not answer in time")]
    Timeout,

    /// No connection, or it broke.
    #[error("{}: {reason}", if *.sent { "the connection broke before the reply was complete" } else { "no connection to GHL" })]
    Network {
        /// Whether GHL may have seen the request.
        sent: bool,
        /// What the operating system or TLS said.
        reason: String,
    },

    /// A success that can't be read.
    #[error("the reply to {operation} ({status}, {content_type}, {length} bytes) can't be read: {field}: {reason}")]
    Undecodable {
        /// The operation.
        operation: &'static str,
        /// The path of the field at fault, such as `contacts[3].id`; `body` where it is no JSON at all.
        field: String,
        /// The HTTP status.
        status: u16,
        /// The media type it claims, or `no content type`.
        content_type: String,
        /// Bytes read.
        length: usize,
        /// What is wrong with it, without what stands there.
        reason: String,
    },
}

/// What a 401 or 403 objects to. Only the first and the last may start a token refresh: the others would come back for ever, and
/// each refresh spends the customer's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnauthorizedKind {
    /// The token has run out or was revoked.
    TokenRejected,
    /// The `Version` header is missing or unknown: a fault in the table of endpoints.
    VersionHeader,
    /// The token lacks the scope of this operation; others of the location still work.
    MissingScope,
    /// The token is not one of this location.
    LocationAccess,
    /// A token of another kind is needed: an agency's where a location's is used, OAuth's where a Private Integration Token is.
    WrongTokenType,
    /// A 401 without a word of what it objects to. It may be about the token, or about this one operation.
    Unexplained,
}

/// What GHL says it could not find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The contact: with it, all that hangs on it.
    Contact,
    /// The task alone.
    Task,
    /// The note alone.
    Note,
    /// The appointment alone.
    Appointment,
    /// The location.
    Location,
}

/// What an error means for those who handle it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Later may be better: retry with backoff.
    Passing,
    /// The location must wait; the job has not failed.
    Throttling,
    /// The same call will fail the same way.
    Permanent,
    /// The location's token may be bad, which is a matter of the location and not of the job. Another call with the same token shows which.
    Broken,
}

impl GhlError {
    /// What it means for those who handle it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Throttled { .. } => Class::Throttling,
            Self::Permit(PermitError::LeaseLost)
            | Self::NotFound { .. }
            | Self::Server { .. }
            | Self::Timeout
            | Self::Network { .. }
            | Self::Undecodable { .. } => Class::Passing,
            Self::Permit(PermitError::Exhausted { .. })
            | Self::Unsendable { .. }
            | Self::Duplicate { .. }
            | Self::TooLong { .. }
            | Self::Invalid { .. } => Class::Permanent,
            Self::Gone { what: Subject::Location } => Class::Broken,
            Self::Gone { .. } => Class::Permanent,
            Self::Unauthorized { kind, .. } => match kind {
                UnauthorizedKind::TokenRejected
                | UnauthorizedKind::LocationAccess
                | UnauthorizedKind::WrongTokenType
                | UnauthorizedKind::Unexplained => Class::Broken,
                // One write without its scope must not stop the reads of a location that was connected read-only.
                UnauthorizedKind::VersionHeader | UnauthorizedKind::MissingScope => Class::Permanent,
            },
        }
    }

    /// Whether it says nothing of what GHL thinks of the call: nothing got out, or no answer got in. However often that happens, it gives up no job
    /// (law 14).
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        match self {
            Self::Permit(_) | Self::Timeout | Self::Network { .. } => true,
            Self::Unsendable { .. }
            | Self::Throttled { .. }
            | Self::Unauthorized { .. }
            | Self::Gone { .. }
            | Self::NotFound { .. }
            | Self::Duplicate { .. }
            | Self::Invalid { .. }
            | Self::Server { .. }
            | Self::TooLong { .. }
            | Self::Undecodable { .. } => false,
        }
    }

    /// Whether a *write* that ended so may have been carried out. A read has no outcome to lose.
    #[must_use]
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Timeout | Self::Undecodable { .. } | Self::TooLong { .. } => true,
            Self::Network { sent, .. } => *sent,
            Self::Server { status, .. } => *status >= 500,
            Self::Permit(_)
            | Self::Unsendable { .. }
            | Self::Throttled { .. }
            | Self::Unauthorized { .. }
            | Self::Gone { .. }
            | Self::NotFound { .. }
            | Self::Duplicate { .. }
            | Self::Invalid { .. } => false,
        }
    }

    /// Whether a *create* that ended so may have made its record: also where GHL refused it with 422, which it has been seen
    /// to do after it created. So look before taking such a create for undone.
    #[must_use]
    pub fn may_have_created(&self) -> bool {
        self.outcome_unknown() || matches!(self, Self::Invalid { status: 422, .. })
    }
}

impl std::fmt::Display for UnauthorizedKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TokenRejected => "expired or revoked: connect the location again if it persists",
            Self::VersionHeader => "unknown Version header",
            Self::MissingScope => "missing scope",
            Self::LocationAccess => "not a token of this location",
            Self::WrongTokenType => "a token of another kind is needed",
            Self::Unexplained => "no reason given",
        })
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Contact => "contact",
            Self::Task => "task",
            Self::Note => "note",
            Self::Appointment => "appointment",
            Self::Location => "location",
        })
    }
}

/// GHL's words behind ours, where it has any.
fn reported(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}

fn throttled_text(retry_after: &Option<Duration>, daily: bool) -> String {
    let day = if daily { " for the day" } else { "" };
    match retry_after {
        Some(wait) => format!("{day}: wait {} s", wait.as_secs_f64().ceil()),
        None => day.to_owned(),
    }
}

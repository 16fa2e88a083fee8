//! What stands around each page: its title, the way to the others, who is there, and what was just done.

use std::collections::HashMap;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use jiff::Timestamp;

use super::assets;
use super::show::grouped;
use super::trouble::Trouble;

/// Around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) title: String,
    /// The page of the navigation that it belongs to.
    pub(super) section: &'static str,
    pub(super) who: String,
    /// Whether the key sees every location.
    pub(super) sees_all: bool,
    pub(super) is_admin: bool,
    pub(super) is_operator: bool,
    pub(super) may_operate: bool,
    pub(super) may_administer: bool,
    pub(super) is_read_only: bool,
    pub(super) token: String,
    /// By which the script shows how long ago something was.
    pub(super) now: Timestamp,
    /// What was just done.
    pub(super) notice: Option<String>,
}

/// A page of the navigation.
pub(super) struct Place {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
}

impl Frame {
    /// Of which version the assets are.
    pub(super) fn version(&self) -> &'static str {
        assets::version()
    }

    /// The most that the visitor's key may do, for themselves to see.
    pub(super) fn role(&self) -> &'static str {
        match (self.is_admin, self.is_operator) {
            (true, _) => "admin",
            (false, true) => "operator",
            (false, false) => "reader",
        }
    }

    /// The pages that the visitor may open, in groups.
    pub(super) fn places(&self) -> Vec<Vec<Place>> {
        let groups: [&[(&str, &str, bool)]; 4] = [
            &[("/ui", "Now", true)],
            &[
                ("/ui/locations", "Locations", true),
                ("/ui/jobs", "Jobs", true),
                ("/ui/dead", "Dead letters", true),
                ("/ui/conflicts", "Conflicts", true),
            ],
            &[
                ("/ui/flows", "Flows", true),
                ("/ui/hooks", "Hooks", true),
                ("/ui/enrichment", "Enrichment", self.is_operator && self.sees_all),
            ],
            &[
                ("/ui/keys", "Keys", self.is_admin && self.sees_all),
                ("/ui/audit", "Audit", self.is_admin),
                ("/ui/settings", "Settings", self.is_admin && self.sees_all),
                ("/ui/processes", "Processes", self.is_operator && self.sees_all),
            ],
        ];
        let place =
            |(path, name, _): &(&'static str, &'static str, bool)| Place { path, name, is_here: *path == self.section };
        let shown = groups.iter().map(|group| group.iter().filter(|(.., is_visible)| *is_visible).map(place).collect());
        shown.filter(|group: &Vec<Place>| !group.is_empty()).collect()
    }

    /// With what the query says was just done.
    pub(super) fn after(self, query: &HashMap<String, String>) -> Self {
        let count = query.get("n").and_then(|count| count.parse::<u64>().ok());
        let notice = query.get("done").and_then(|done| reported(done, count));
        Self { notice, ..self }
    }
}

/// The sentence of an act. Only words of ours: a link must not be able to make this page say something.
fn reported(done: &str, count: Option<u64>) -> Option<String> {
    let jobs = match count {
        Some(1) => "1 job".to_owned(),
        Some(count) => format!("{} jobs", grouped(count)),
        None => "The job".to_owned(),
    };
    let are = if count.is_none_or(|count| count == 1) { "is" } else { "are" };
    Some(match done {
        "retry" => format!("{jobs} {are} tried again, behind everything else of the location."),
        "discard" => format!("{jobs} {are} closed for good."),
        "cancel" => format!("{jobs} {are} canceled; nothing was written to GHL."),
        "run-now" => format!("{jobs} {are} due now."),
        "pause" => "The location is paused: its jobs are kept and wait.".to_owned(),
        "resume" => "The location goes on.".to_owned(),
        "scan" => "The scan has begun. Its bar is below.".to_owned(),
        "goes-on" => "The import goes on where it was.".to_owned(),
        "in-the-way" => "Another scan of the location is under way. Begin this one when it has ended.".to_owned(),
        "undo" => "The value that had lost is back, and is on its way to GHL.".to_owned(),
        "resend" => "The message is sent again.".to_owned(),
        "recover" => format!("{} changes are told again.", grouped(count.unwrap_or(0))),
        "enable" => "The hook is enabled, and is told what it missed.".to_owned(),
        "disable" => "The hook is disabled: what it would be told waits.".to_owned(),
        "revoke" => "The key is revoked. Whoever used it is signed out.".to_owned(),
        _ => return None,
    })
}

/// A page as an answer.
pub(super) fn rendered(page: &impl askama::Template) -> Response {
    with_status(StatusCode::OK, page)
}

pub(super) fn with_status(status: StatusCode, page: &impl askama::Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page of the console can't be made");
            Trouble::internal().into_response()
        }
    }
}

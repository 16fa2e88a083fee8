//! Asks before what can't be taken back, or is about many at once, with the number first. The script asks in a dialog instead, and then sends the same form.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Frame, with_status};
use super::show::grouped;
use super::visitor::Visitor;

#[derive(Template)]
#[template(path = "console/confirm.html")]
struct Page {
    frame: Frame,
    title: String,
    text: &'static str,
    to: String,
    act: String,
    words: &'static str,
    class: &'static str,
    count: usize,
    shown: String,
    /// What the visitor saw before, where the number has moved.
    moved_from: Option<String>,
}

/// What an act is called, and what comes of it.
fn reported(act: &str) -> (&'static str, &'static str, &'static str) {
    const TAKEN_BACK: &str = "What they would have written is taken back: an edit reads again as GHL holds it, and a record that GHL never took is gone.";
    match act {
        "discard" => ("Discard", "risky", TAKEN_BACK),
        "cancel" => ("Cancel", "risky", TAKEN_BACK),
        _ => (
            "Retry",
            "main",
            "They wait behind everything else of their locations. GHL refuses them again unless the reason is gone.",
        ),
    }
}

/// The page that asks whether `act` is to be done to so many jobs.
pub(super) fn page<A>(visitor: &Visitor<A>, to: &str, act: &str, count: usize) -> Response {
    asked(visitor, to, act, count, None, StatusCode::OK)
}

/// 409: the number has moved since the visitor saw it, so it asks with the new one.
pub(super) fn moved<A>(visitor: &Visitor<A>, to: &str, act: &str, count: usize, expected: usize) -> Response {
    asked(visitor, to, act, count, Some(expected), StatusCode::CONFLICT)
}

fn asked<A>(
    visitor: &Visitor<A>,
    to: &str,
    act: &str,
    count: usize,
    expected: Option<usize>,
    status: StatusCode,
) -> Response {
    let (words, class, text) = reported(act);
    let shown = grouped(count as u64);
    let title = if count == 1 { format!("{words} this job?") } else { format!("{words} {shown} jobs?") };
    let page = Page {
        frame: visitor.frame("", title.clone()),
        title,
        text,
        to: to.to_owned(),
        act: act.to_owned(),
        words,
        class,
        count,
        shown,
        moved_from: expected.map(|expected| grouped(expected as u64)),
    };
    with_status(status, &page)
}

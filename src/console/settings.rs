//! The settings of this process: each with the value that counts, secrets masked, and where it came from.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::frame::{Frame, rendered};
use super::show::{Markup, dash, plain, state_as};
use super::trouble::Trouble;
use super::visitor::Visitor;
use crate::config::Origin;
use crate::gateway::Administers;

#[derive(Template)]
#[template(path = "console/settings.html")]
struct Page {
    frame: Frame,
    sections: Vec<Section>,
    changed: usize,
}

struct Section {
    name: String,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    variable: String,
    value: Markup,
    origin: Markup,
}

pub(super) async fn page(visitor: Visitor<Administers>, State(console): State<Console>) -> Result<Response, Trouble> {
    visitor.sees_all()?;
    let mut sections: Vec<Section> = Vec::new();
    for setting in console.settings.iter() {
        let (section, name) = setting.key.split_once('.').unwrap_or(("", &setting.key));
        if sections.last().is_none_or(|last| last.name != section) {
            sections.push(Section { name: section.to_owned(), rows: Vec::new() });
        }
        let origin = match setting.origin {
            Origin::Default => state_as("off", "default"),
            Origin::File => state_as("on", "file"),
            Origin::Environment => state_as("on", "environment"),
        };
        let row = Row {
            name: name.to_owned(),
            variable: setting.variable.clone(),
            value: setting.value.as_deref().map_or_else(dash, plain),
            origin,
        };
        if let Some(section) = sections.last_mut() {
            section.rows.push(row);
        }
    }
    let changed = console.settings.iter().filter(|setting| setting.origin != Origin::Default).count();
    Ok(rendered(&Page { frame: visitor.frame("/ui/settings", "Settings"), sections, changed }))
}

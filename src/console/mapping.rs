//! The mapping of a location: its text beside what it says of GHL's fields, checked and previewed before it is in force.

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use sync_model::field_mapping::{Definition, Mapping, suggest};
use sync_workers::records::{Expected, Held, NoMapping, Preview};

use super::frame::{Frame, rendered};
use super::show::{Markup, ago, segment};
use super::trouble::{Trouble, in_time};
use super::visitor::{Act, Visitor};
use crate::gateway::{Administers, Reads};
use crate::mapping::{parse, read_for};
use crate::toml_text::Mistake;

#[derive(Template)]
#[template(path = "console/mapping.html")]
struct Page {
    frame: Frame,
    location: String,
    location_to: String,
    path: String,
    lead: String,
    etag: String,
    toml: String,
    is_late: bool,
    mistakes: Vec<Mistake>,
    preview: Option<Preview>,
    reads_people: bool,
    knows_fields: bool,
    rows: Vec<Row>,
    versions: Vec<Version>,
}

struct Row {
    name: String,
    about: String,
    ghl: String,
    defined: String,
}

struct Version {
    number: i64,
    deleted: bool,
    author: String,
    at: Markup,
}

/// What an act on the text has come to.
#[derive(Default)]
struct Came {
    text: Option<String>,
    is_late: bool,
    mistakes: Vec<Mistake>,
    preview: Option<Preview>,
    notice: Option<&'static str>,
}

pub(super) async fn page(
    visitor: Visitor<Reads>,
    Path(location): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Trouble> {
    let notice = query.contains_key("done").then_some("The mapping is in force.");
    shown(&visitor, location, Came { notice, ..Came::default() }).await
}

/// `POST /ui/locations/{location}/mapping`: check, preview, apply.
pub(super) async fn act(Path(location): Path<String>, act: Act<Administers>) -> Result<Response, Trouble> {
    let visitor = &act.visitor;
    let records = visitor.records();
    known(visitor, &location).await?;
    // A form ends its lines as mail does.
    let text = act.field("toml").unwrap_or_default().replace("\r\n", "\n");
    let mut came = Came { text: Some(text.clone()), ..Came::default() };
    let written = match in_time(read_for(records, &location, &text)).await? {
        Ok(written) => written,
        Err(mistakes) => return shown(visitor, location, Came { mistakes, ..came }).await,
    };
    match act.field("act") {
        Some("check") => came.notice = Some("The mapping is fine. Nothing was stored."),
        Some("preview") => came.preview = Some(records.preview_mapping(&location, &written.mapping).await?),
        Some("apply") => {
            let expected = Expected::Tagged(vec![act.field("etag").unwrap_or("0").to_owned()]);
            match records.put_mapping(&location, &written.toml, &written.document, &expected).await {
                Ok(_) => return Ok(Redirect::to(&format!("{}?done=applied", path(&location))).into_response()),
                Err(NoMapping::Otherwise(_)) => came.is_late = true,
                Err(NoMapping::Unconnected) => return Err(Trouble::no_such("location")),
                Err(NoMapping::Records(error)) => return Err(error.into()),
            }
        }
        _ => return Err(Trouble::no_such("act")),
    }
    shown(visitor, location, came).await
}

fn path(location: &str) -> String {
    format!("/ui/locations/{}/mapping", segment(location))
}

async fn known<A>(visitor: &Visitor<A>, location: &str) -> Result<(), Trouble> {
    let known = in_time(visitor.records().known_locations(&[location.to_owned()])).await?;
    if known.contains(location) { Ok(()) } else { Err(Trouble::no_such("location")) }
}

async fn shown<A>(visitor: &Visitor<A>, location: String, came: Came) -> Result<Response, Trouble> {
    let records = visitor.records();
    known(visitor, &location).await?;
    let held = in_time(records.held_mapping(&location)).await?;
    let definitions = in_time(records.field_definitions(&location)).await?;
    let versions = in_time(records.mapping_versions(&location)).await?;
    let kept = held.kept().map(|kept| kept.toml.clone());
    let in_force = parse(kept.as_deref().unwrap_or_default()).map(|written| written.mapping).unwrap_or_default();
    let lead = match &held {
        Held::Own(kept) => format!("Version {} of the location's own mapping is in force.", kept.version),
        Held::Default(kept) => {
            format!(
                "Version {} of the mapping of all locations is in force; this location has none of its own.",
                kept.version
            )
        }
        Held::None if definitions.is_empty() => "Nothing is mapped.".to_owned(),
        Held::None => "Nothing is mapped. The text is a suggestion, from the custom fields of the location.".to_owned(),
    };
    let version = |one: sync_workers::records::MappingVersion| Version {
        number: one.version,
        deleted: one.deleted,
        author: one.author,
        at: ago(one.at, visitor.now),
    };
    Ok(rendered(&Page {
        frame: Frame {
            notice: came.notice.map(str::to_owned),
            ..visitor.frame("/ui/locations", format!("Mapping of {location}"))
        },
        location_to: format!("/ui/locations/{}", segment(&location)),
        path: path(&location),
        lead,
        etag: held.tag(),
        toml: came.text.or(kept).unwrap_or_else(|| suggest(&definitions)),
        is_late: came.is_late,
        mistakes: came.mistakes,
        preview: came.preview,
        reads_people: visitor.key.reads_people,
        knows_fields: !definitions.is_empty(),
        rows: rows(&in_force, &definitions),
        versions: versions.into_iter().map(version).collect(),
        location,
    }))
}

/// The fields of the mapping, and behind them the custom fields that none of them names.
fn rows(mapping: &Mapping, definitions: &[Definition]) -> Vec<Row> {
    let defined = |one: &Definition| {
        let data_type = one.data_type.as_deref().unwrap_or_default();
        let options = if one.options.is_empty() { String::new() } else { format!(": {}", one.options.join(", ")) };
        format!("{} {data_type}{options}", one.name.as_deref().unwrap_or_default())
    };
    let field = |field: &sync_model::field_mapping::MappedField| {
        let ghl = field.ghl.words();
        let definition = definitions.iter().find(|one| one.key == ghl);
        let way = match (field.direction.is_read(), field.direction.is_written()) {
            (true, true) => "both ways",
            (true, false) => "from GHL",
            (false, _) => "to GHL",
        };
        Row {
            name: field.name.clone(),
            about: format!("{}, {way}", field.value_type.word()),
            defined: definition.map(defined).unwrap_or_default(),
            ghl,
        }
    };
    let is_unmapped = |one: &&Definition| mapping.fields.iter().all(|field| field.ghl.words() != one.key);
    let others = definitions.iter().filter(is_unmapped).map(|one| Row {
        name: String::new(),
        about: String::new(),
        ghl: one.key.clone(),
        defined: defined(one),
    });
    mapping.fields.iter().map(field).chain(others).collect()
}

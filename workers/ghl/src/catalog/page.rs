//! The catalog as a Markdown page, `deploy/docs/catalog.md`.

use std::fmt::Write as _;

use super::{Catalog, Found, Operation, Trigger};

/// The page, in Markdown. A test holds the one in the repository against it.
#[must_use]
pub fn page(catalog: &Catalog) -> String {
    let mut page = format!(
        "# GHL's actions and triggers\n\n\
         {} operations and {} triggers. `clienty-sync catalog page` generates this page, `clienty-sync catalog list` lists the same.\n\
         `clienty-sync catalog show NAME` shows parameters, body and versions of an operation, `catalog call NAME` runs it. Each call\n\
         costs one request of the location's limit.\n\n\
         The column *again* shows whether a call is sent again if its reply was lost. *safe*: yes, it only reads. *replay-safe*: yes, a\n\
         second call has the effect of one. *guarded*: only after an operator looked in GHL, as a second call makes a duplicate. *never*:\n\
         no, a second call does harm (a message, a payment); each call must be confirmed.\n",
        catalog.operations().len(),
        catalog.triggers().len(),
    );
    for area in catalog.areas() {
        let operations: Vec<_> = catalog.operations().iter().filter(|operation| operation.area == area).collect();
        let triggers: Vec<_> = catalog.triggers().iter().filter(|trigger| trigger.area == area).collect();
        // Writing into a string can't fail.
        let _ = write!(page, "\n## {area}\n");
        if !operations.is_empty() {
            page.push_str("\n| operation | | call | version | scopes | again |\n|---|---|---|---|---|---|\n");
            operations.into_iter().for_each(|operation| page.push_str(&operation_row(operation)));
        }
        if !triggers.is_empty() {
            page.push_str("\n| trigger | | found by |\n|---|---|---|\n");
            triggers.into_iter().for_each(|trigger| page.push_str(&trigger_row(trigger)));
        }
    }
    page
}

fn operation_row(operation: &Operation) -> String {
    let Operation { name, documented_as: _, area: _, does, cost: _, replay, deprecated, corrections, versions } =
        operation;
    let Some(first) = versions.first() else { return String::new() };
    let versions: Vec<_> = versions
        .iter()
        .map(|form| match form.path == first.path {
            true => form.version.to_owned(),
            false => format!("{}: `{}`", form.version, form.path),
        })
        .collect();
    let scopes: Vec<_> = first.scopes.iter().map(|scope| format!("`{scope}`")).collect();
    let mut does = does.clone();
    if *deprecated {
        does.push_str(" *Deprecated.*");
    }
    for reason in corrections.values() {
        let _ = write!(does, " ({reason}.)");
    }
    let (method, path, versions, scopes) = (&first.method, first.path, versions.join(", "), scopes.join(" "));
    format!("| `{name}` | {does} | `{method} {path}` | {versions} | {scopes} | {} |\n", replay.as_str())
}

fn trigger_row(trigger: &Trigger) -> String {
    let Trigger { name, area: _, does, found, by, payload: _ } = trigger;
    let by: Vec<_> = by.iter().map(|name| format!("`{name}`")).collect();
    let found = match found {
        Found::Webhook => "webhook".to_owned(),
        Found::Reconcile => format!("comparing {}", by.join(", ")),
    };
    format!("| `{name}` | {does} | {found} |\n")
}

//! What of the catalog people and programs look up, on the command line and over HTTP alike.

use ghl::catalog::{Operation, Trigger, catalog};
use serde_json::{Value, json};

/// Which half of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What GHL can be asked to do.
    Action,
    /// What happens in GHL.
    Trigger,
}

impl Kind {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "action" => Some(Self::Action),
            "trigger" => Some(Self::Trigger),
            _ => None,
        }
    }
}

/// Which entries are looked for; all where nothing is said.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) kind: Option<Kind>,
    /// Only those of this area, such as contacts.
    pub(crate) area: Option<String>,
    /// Only those in whose name, description or path these words stand.
    pub(crate) search: String,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) actions: Vec<&'static Operation>,
    pub(crate) triggers: Vec<&'static Trigger>,
}

impl Filter {
    /// What of the catalog passes; none where there is no such area.
    pub(crate) fn find(&self) -> Option<Found> {
        let Self { kind, area, search } = self;
        if area.as_deref().is_some_and(|area| !catalog().areas().contains(&area)) {
            return None;
        }
        let passes = |of: Kind, in_area: &str| {
            kind.is_none_or(|kind| kind == of) && area.as_deref().is_none_or(|area| area == in_area)
        };
        let actions = catalog().operations().iter();
        let triggers = catalog().triggers().iter();
        Some(Found {
            actions: actions.filter(|one| passes(Kind::Action, one.area) && one.mentions(search)).collect(),
            triggers: triggers.filter(|one| passes(Kind::Trigger, one.area) && one.mentions(search)).collect(),
        })
    }
}

impl Found {
    /// A few words about each.
    pub(crate) fn document(&self) -> Value {
        let trigger =
            |one: &&Trigger| json!({"name": one.name, "area": one.area, "does": one.does, "found": one.found});
        json!({
            "actions": self.actions.iter().copied().map(summary).collect::<Vec<_>>(),
            "triggers": self.triggers.iter().map(trigger).collect::<Vec<_>>(),
        })
    }
}

fn summary(operation: &Operation) -> Value {
    let versions: Vec<_> = operation.versions.iter().map(|form| form.version).collect();
    let first = operation.form(None);
    json!({
        "name": operation.name,
        "area": operation.area,
        "does": operation.does,
        "method": first.map(|form| form.method.as_str()),
        "path": first.map(|form| form.path),
        "versions": versions,
        "scopes": first.map(|form| &form.scopes),
        "cost": operation.cost,
        "replay": operation.replay.as_str(),
        "deprecated": operation.deprecated,
    })
}

/// All of one entry: an action with the JSON Schema of a call in each version, a trigger with that of its webhook.
pub(crate) fn entry(name: &str) -> Option<Value> {
    if let Some(operation) = catalog().operation(name) {
        let mut document = json!(operation);
        document["kind"] = "action".into();
        for (form, shown) in operation.versions.iter().zip(document["versions"].as_array_mut()?) {
            shown["schema"] = form.schema();
        }
        return Some(document);
    }
    let trigger = catalog().trigger(name)?;
    let mut document = json!(trigger);
    document["kind"] = "trigger".into();
    if let Some(payload) = &trigger.payload {
        document["schema"] = payload.schema();
    }
    Some(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_that_is_listed_is_shown_with_schemas() {
        let all = Filter::default().find().unwrap();
        assert_eq!(all.actions.len(), catalog().operations().len());
        for operation in &all.actions {
            let shown = entry(operation.name).unwrap();
            assert_eq!(shown["kind"], "action");
            for version in shown["versions"].as_array().unwrap() {
                assert_eq!(version["schema"]["type"], "object", "{}", operation.name);
            }
        }
        for trigger in &all.triggers {
            let shown = entry(trigger.name).unwrap();
            assert_eq!(shown["kind"], "trigger");
            assert_eq!(shown["schema"].is_object(), trigger.payload.is_some(), "{}", trigger.name);
        }
        assert_eq!(entry("create-tasks"), None);
    }

    #[test]
    fn filters_narrow_what_is_found() {
        let of = |kind, area: Option<&str>, search: &str| {
            let filter = Filter { kind, area: area.map(str::to_owned), search: search.to_owned() };
            filter.find().map(|found| (found.actions.len(), found.triggers.len()))
        };
        let (actions, triggers) = of(None, Some("contacts"), "").unwrap();
        assert!(actions > 0 && triggers > 0);
        assert_eq!(of(Some(Kind::Action), Some("contacts"), "").unwrap(), (actions, 0));
        assert_eq!(of(Some(Kind::Trigger), Some("contacts"), "").unwrap(), (0, triggers));
        assert!(of(Some(Kind::Action), Some("contacts"), "task").unwrap().0 < actions);
        assert_eq!(of(None, Some("contact"), ""), None, "there is no such area");
    }
}

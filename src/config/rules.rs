//! `[rules]`: settings whose names a person makes up, one rule each.

use jiff::SignedDuration;
use sync_model::decide::rules::TaskRule;
use sync_model::decide::span;

use super::parse::{template, trigger, word};
use super::source::{Setting, Sources};

/// A rule whose `due_after` is not set.
const USUALLY_DUE: SignedDuration = SignedDuration::from_hours(24);

/// Every rule that the file or the environment names, by name.
pub(super) fn read(from: &mut Sources) -> Vec<TaskRule> {
    let names = from.names("rules.", "CLIENTY_RULE_", "_ON");
    names.into_iter().filter_map(|name| rule(from, name)).collect()
}

fn rule(from: &mut Sources, name: String) -> Option<TaskRule> {
    let on = setting(from, &name, "on").needed(trigger);
    let title = setting(from, &name, "title").needed(template);
    let body = setting(from, &name, "body").optional(template);
    let due_after = setting(from, &name, "due_after").optional(span::parse).unwrap_or(USUALLY_DUE);
    let assigned_to = setting(from, &name, "assigned_to").optional(word);
    Some(TaskRule { on: on?, title: title?, body, due_after, assigned_to, name })
}

fn setting<'a>(from: &'a mut Sources, name: &str, field: &str) -> Setting<'a> {
    let variable = format!("CLIENTY_RULE_{name}_{field}").to_uppercase();
    from.setting(&format!("rules.{name}.{field}"), &variable)
}

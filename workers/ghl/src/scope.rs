//! Which scope a refused call lacks, and what to do about it. GHL's own words seldom name it, so the documents' scopes of the operation are named:
//! all but those that the token is known to have, for the advice to add one of these would not help.

use super::endpoint::Endpoint;
use super::error::{GhlError, UnauthorizedKind};
use super::scopes::Scopes;

const REMEDY: &str = "add it to GHL_SCOPES and connect the location again on the install page, to which `clienty-sync connect` prints a \
                      link; to a Private Integration Token it is added in GHL";

/// Scopes that GHL may want for a call below contacts in place of the documented ones: those of the same records elsewhere.
const IN_PRACTICE: [(&str, &str); 1] = [("get-appointments-for-contact", "calendars/events.readonly")];

/// The refusal of a call whose token GHL says to lack a scope. `granted`: what the token has, where that is known.
pub(super) fn refused_by_ghl(endpoint: &Endpoint, words: &str, granted: Option<&Scopes>) -> GhlError {
    let named = named_in(words);
    if !named.is_empty() {
        return refused(endpoint, format!("GHL says: {words}"), &named);
    }
    let has = |scope: &str| granted.is_some_and(|granted| granted.hold(scope));
    refused(endpoint, format!("GHL says: {words}"), &candidates(endpoint, has))
}

/// The advice to a call that was refused for its scope, where others of the same run showed that the token has `proven`.
pub fn advice(endpoint: &Endpoint, granted: Option<&Scopes>, proven: &[&str]) -> GhlError {
    let has = |scope: &str| proven.contains(&scope) || granted.is_some_and(|granted| granted.hold(scope));
    refused(endpoint, "GHL says that a scope is missing".to_owned(), &candidates(endpoint, has))
}

fn candidates(endpoint: &Endpoint, has: impl Fn(&str) -> bool) -> Vec<String> {
    let lacks = |scope: &&str| !has(scope);
    let documented: Vec<String> = endpoint.scopes.iter().copied().filter(lacks).map(str::to_owned).collect();
    if !documented.is_empty() {
        return documented;
    }
    let in_practice = IN_PRACTICE.iter().filter(|(operation, _)| *operation == endpoint.operation);
    in_practice.map(|(_, scope)| *scope).filter(lacks).map(str::to_owned).collect()
}

/// The error itself. `needed`: the scopes that the token is known or thought to lack; none if that is unknown.
pub(super) fn refused(endpoint: &Endpoint, found: String, needed: &[String]) -> GhlError {
    let operation = endpoint.operation;
    let message = match needed {
        [] => format!(
            "{operation}: {found}, and the token has all that the documents name; connect the location again, and compare the app's scopes in \
             GHL with the call"
        ),
        needed => format!("{operation} needs {}: {REMEDY} ({found})", needed.join(" and ")),
    };
    GhlError::Unauthorized { operation, kind: UnauthorizedKind::MissingScope, message }
}

/// Names of scopes among the words of GHL: `contacts.readonly`, `locations/tasks.write`.
fn named_in(words: &str) -> Vec<String> {
    let names = words.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_')));
    let names = names.map(|name| name.trim_matches('.'));
    let is_scope = |name: &&str| {
        let area = name.strip_suffix(".readonly").or_else(|| name.strip_suffix(".write"));
        area.is_some_and(|area| !area.is_empty())
    };
    names.filter(is_scope).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::endpoints::{GET_CONTACT, LIST_APPOINTMENTS};
    use super::*;

    const SAID: &str = "The token is not authorized for this scope.";

    #[test]
    fn the_scope_that_is_missing_is_named_and_none_that_is_there() {
        let granted = Scopes::parse("contacts.readonly");
        let advice_of = |error: GhlError| error.to_string();
        let reported = advice_of(refused_by_ghl(&LIST_APPOINTMENTS, SAID, Some(&granted)));
        assert!(
            reported.contains("needs calendars/events.readonly") && !reported.contains("contacts.readonly"),
            "{reported}"
        );
        let reported = advice_of(refused_by_ghl(&LIST_APPOINTMENTS, SAID, None));
        assert!(reported.contains("needs contacts.readonly"), "{reported}");
        let reported = advice_of(advice(&LIST_APPOINTMENTS, None, &["contacts.readonly"]));
        assert!(
            reported.contains("needs calendars/events.readonly") && !reported.contains("contacts.readonly"),
            "{reported}"
        );
        let reported = advice_of(refused_by_ghl(&GET_CONTACT, SAID, Some(&granted)));
        assert!(
            !reported.contains("contacts.readonly") && reported.contains("connect the location again"),
            "{reported}"
        );
    }

    #[test]
    fn a_scope_that_ghl_names_is_repeated() {
        let reported = refused_by_ghl(&GET_CONTACT, "missing scope: locations/tasks.readonly.", None).to_string();
        assert!(
            reported.contains("needs locations/tasks.readonly:") && !reported.contains("contacts.readonly"),
            "{reported}"
        );
    }
}

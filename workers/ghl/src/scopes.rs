//! The scopes that a location has granted.

use std::collections::BTreeSet;
use std::fmt;

/// The scopes of one token. Those of a Private Integration Token are unknown: such a run has none of these, and GHL decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(BTreeSet<String>);

impl Scopes {
    /// Reads the `scope` of a token: names with white space or commas between.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let names = text.split(|c: char| c.is_whitespace() || c == ',').filter(|name| !name.is_empty());
        Self(names.map(str::to_owned).collect())
    }

    /// Whether the scope was granted. `write` does not hold `readonly`: GHL grants each by itself.
    #[must_use]
    pub fn hold(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Those of them that `granted` lacks.
    #[must_use]
    pub fn lacking_in(&self, granted: &Self) -> Self {
        Self(self.0.difference(&granted.0).cloned().collect())
    }

    /// The first of `needed` that was not granted.
    #[must_use]
    pub fn lack<'a>(&self, needed: &[&'a str]) -> Option<&'a str> {
        needed.iter().copied().find(|scope| !self.hold(scope))
    }
}

impl<T: Into<String>> FromIterator<T> for Scopes {
    fn from_iter<I: IntoIterator<Item = T>>(scopes: I) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }
}

/// With blanks between, as GHL reports them.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_and_not_granted_is_reported() {
        let asked = Scopes::parse("contacts.write contacts.readonly,locations.readonly");
        let granted = Scopes::parse(" contacts.readonly  calendars.readonly ");
        assert_eq!(asked.lacking_in(&granted).to_string(), "contacts.write locations.readonly");
        assert_eq!(asked.lacking_in(&asked), Scopes::default());
    }

    #[test]
    fn scopes_are_distinguished_however_they_are_joined() {
        let scopes = Scopes::parse(" contacts.readonly  locations/tags.readonly,contacts.write\n");
        assert_eq!(scopes.lack(&["contacts.readonly", "contacts.write", "locations/tags.readonly"]), None);
        assert_eq!(scopes.lack(&["contacts.write", "locations/tags.write"]), Some("locations/tags.write"));
        assert_eq!(Scopes::parse("contacts.write").lack(&["contacts.readonly"]), Some("contacts.readonly"));
    }
}

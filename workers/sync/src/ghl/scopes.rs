//! The scopes that a location has granted.

use std::collections::BTreeSet;

/// The scopes of one token. Of a Private Integration Token nobody tells them: such a run has none of these, and GHL judges.
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

    /// The first of `needed` that was not granted.
    #[must_use]
    pub fn lack<'a>(&self, needed: &[&'a str]) -> Option<&'a str> {
        needed.iter().copied().find(|scope| !self.hold(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_told_apart_however_they_are_joined() {
        let scopes = Scopes::parse(" contacts.readonly  locations/tags.readonly,contacts.write\n");
        assert_eq!(scopes.lack(&["contacts.readonly", "contacts.write", "locations/tags.readonly"]), None);
        assert_eq!(scopes.lack(&["contacts.write", "locations/tags.write"]), Some("locations/tags.write"));
        assert_eq!(Scopes::parse("contacts.write").lack(&["contacts.readonly"]), Some("contacts.readonly"));
    }
}

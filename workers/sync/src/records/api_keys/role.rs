//! What a key may do, in four words.

use std::fmt;

use serde::Serialize;

/// What a key may do. A key may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends events and calls operations, and asks what became of them.
    Producer,
    /// Reads records, changes, conflicts, locations and jobs.
    Reader,
    /// Reads, and decides about jobs and locations.
    Operator,
    /// Everything: the audit, hooks, flows and keys among it.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Producer, Self::Reader, Self::Operator, Self::Admin];
    /// What every key could do before there were roles, and what a key without a requested role can do.
    pub const BEFORE: [Self; 2] = [Self::Producer, Self::Reader];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether this role includes the `other`.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Operator => matches!(other, Self::Operator | Self::Reader),
            Self::Producer | Self::Reader => self == other,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The roles as a row has them.
pub(super) fn text_of(roles: &[Role]) -> String {
    roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

/// The roles of a row. A word of a newer release gives no right here.
pub(super) fn read(text: &str) -> Vec<Role> {
    text.split(',').filter_map(Role::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_unknown_words_give_no_right() {
        assert_eq!(read(&text_of(&Role::ALL)), Role::ALL);
        assert_eq!(read("auditor,reader,"), [Role::Reader]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn a_role_includes_itself_and_no_role_that_writes_but_admin_includes_another() {
        for own in Role::ALL {
            let included: Vec<_> = Role::ALL.into_iter().filter(|other| own.includes(*other)).collect();
            assert_eq!(
                included,
                match own {
                    Role::Producer => vec![Role::Producer],
                    Role::Reader => vec![Role::Reader],
                    Role::Operator => vec![Role::Reader, Role::Operator],
                    Role::Admin => Role::ALL.to_vec(),
                }
            );
        }
    }
}

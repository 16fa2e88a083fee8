//! Where a key may look: everywhere, or at the locations that it names, one by one or by the agency that has installed them.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use sync_model::ids::{self, BadId};

/// Before the id of an agency.
const AGENCY: &str = "agency:";

/// Where a key may look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Places {
    /// Every location, also those that are connected later.
    All,
    /// Those alone.
    Listed(Vec<KeyPlace>),
}

impl Places {
    /// What is listed.
    #[must_use]
    pub fn listed(&self) -> &[KeyPlace] {
        match self {
            Self::All => &[],
            Self::Listed(places) => places,
        }
    }
}

/// A location, or what stands for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// GHL's location id.
    Location(String),
    /// Every location that the agency of this company id has installed, as long as it is installed.
    Agency(String),
}

impl KeyPlace {
    /// The name of its kind in the database.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Location(_) => "location",
            Self::Agency(_) => "agency",
        }
    }

    /// GHL's id.
    pub(super) fn id(&self) -> &str {
        let (Self::Location(id) | Self::Agency(id)) = self;
        id
    }

    /// The database knows no third kind.
    pub(super) fn of(kind: &str, id: String) -> Self {
        if kind == "agency" { Self::Agency(id) } else { Self::Location(id) }
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(id) => f.write_str(id),
            Self::Agency(id) => write!(f, "{AGENCY}{id}"),
        }
    }
}

impl FromStr for KeyPlace {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let (id, place): (_, fn(String) -> Self) = match text.strip_prefix(AGENCY) {
            Some(id) => (id, Self::Agency),
            None => (text, Self::Location),
        };
        ids::check(id)?;
        Ok(place(id.to_owned()))
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Listed(places) => f.write_str(&places.iter().map(KeyPlace::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Serialize for Places {
    /// `"*"`, or a list.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => to.serialize_str("*"),
            Self::Listed(places) => to.collect_seq(places.iter().map(KeyPlace::to_string)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_as_it_is_written() {
        for (text, place) in
            [("loc1", KeyPlace::Location("loc1".to_owned())), ("agency:c1", KeyPlace::Agency("c1".to_owned()))]
        {
            assert_eq!(text.parse(), Ok(place.clone()));
            assert_eq!(place.to_string(), text);
            assert_eq!(KeyPlace::of(place.kind(), place.id().to_owned()), place);
        }
        for wrong in ["", "agency:", "a\0b", ".."] {
            assert!(wrong.parse::<KeyPlace>().is_err(), "{wrong:?}");
        }
        assert_eq!(serde_json::json!([Places::All, Places::Listed(vec![])]), serde_json::json!(["*", []]));
    }
}

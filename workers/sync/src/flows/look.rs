//! What stands at the places of a step and what its conditions make of it, for authors who try a flow out.

use std::fmt;

use jiff::SignedDuration;
use serde_json::Value;

use super::templates::{Known, MissingValue, Place, places_of};
use super::{Condition, Step, StepAction};

/// A place, and what was found there.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Where it is written, as `data.title`.
    pub field: String,
    /// As it is written, without braces.
    pub place: String,
    /// What stands there before any pipe.
    pub found: Option<Value>,
    /// What each pipe gave, by its name, up to the one that could do nothing with it.
    pub pipes: Vec<(&'static str, Option<Value>)>,
    /// What is used; none where nothing is.
    pub value: Result<Option<Value>, MissingValue>,
}

impl Seen {
    fn of(field: String, place: &Place, known: &Known<'_>) -> Self {
        let found = match place {
            Place::Piped(piped) => known.find(&piped.of).ok().flatten(),
            place => known.find(place).ok().flatten(),
        };
        let pipes = match place {
            Place::Piped(piped) => piped.pipes.stages(found.clone()),
            _ => Vec::new(),
        };
        Self { field, place: place.to_string(), found, pipes, value: known.find(place) }
    }
}

impl Step {
    /// The places of what it does, in the order of their fields. Those of its conditions are not among them.
    #[must_use]
    pub fn look(&self, known: &Known<'_>) -> Vec<Seen> {
        let of_deed = Self { name: None, only_if: Vec::new(), instead_of: None, action: self.action.clone() };
        let places = match &self.action {
            StepAction::Wait(_) => Vec::new(),
            _ => of_deed.places(),
        };
        places.into_iter().map(|(field, place)| Seen::of(field, &place, known)).collect()
    }
}

impl Condition {
    /// What it looks at, and the places of the value that it is held against.
    #[must_use]
    pub fn look(&self, known: &Known<'_>) -> (Seen, Vec<Seen>) {
        let of_value = places_of(&self.value, &self.field).into_iter();
        let of_value = of_value.map(|(field, place)| Seen::of(field, &place, known)).collect();
        (Seen::of(self.field.clone(), &self.place, known), of_value)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::In(long) => write!(f, "in {}", span(*long)),
            Self::Path(path) => f.write_str(&path.join(".")),
            Self::Secret(name) => write!(f, "secret.{name}"),
            Self::Piped(piped) => f.write_str(&piped.text),
        }
    }
}

pub(super) fn span(long: SignedDuration) -> String {
    let minutes = long.as_mins();
    match (minutes % (24 * 60), minutes % 60) {
        (0, _) => format!("{}d", minutes / (24 * 60)),
        (_, 0) => format!("{}h", minutes / 60),
        _ => format!("{minutes}m"),
    }
}

//! A field of a reply or webhook: left out, empty, or with a value.
//!
//! GHL's sources carry different fields of the same record. A field that a source leaves out is neither empty nor changed (law 13), so
//! the three cases stay apart from the JSON to the mapping.

/// What a source says of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carried<T> {
    /// The source leaves the field out, or sends something that is no value of it.
    #[default]
    Absent,
    /// The source says null or the empty text.
    Empty,
    /// The source says this.
    Value(T),
}

impl<T> Carried<T> {
    /// The value; none where the field is empty or absent.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Empty => None,
        }
    }

    /// The value, borrowed.
    pub fn as_value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Empty => None,
        }
    }

    /// Whether the source leaves it out.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The field under another name, where it has no value under this one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Value(_), _) | (Self::Empty, Self::Absent | Self::Empty) => self,
            (Self::Absent | Self::Empty, _) => other,
        }
    }

    /// The value in another form; a value without one counts as absent.
    pub fn and_then<U>(self, form: impl FnOnce(T) -> Option<U>) -> Carried<U> {
        match self {
            Self::Absent => Carried::Absent,
            Self::Empty => Carried::Empty,
            Self::Value(value) => form(value).map_or(Carried::Absent, Carried::Value),
        }
    }
}

impl<T> From<Option<T>> for Carried<T> {
    /// None is an explicit null.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Self::Value)
    }
}

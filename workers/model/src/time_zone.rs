//! The time zone of a location, in which GHL shows its appointments.

use jiff::tz::TimeZone;

/// A location whose time zone is not usable; reading its appointments as UTC would move them by hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// The location has none.
    #[error("the location has no time zone: set one in its business profile in GHL")]
    Missing,
    /// It is not in the time zone database.
    #[error("the location's time zone `{name}` is unknown")]
    Unknown {
        /// As GHL names it.
        name: String,
    },
}

/// The zone of a location that names `name` as its own.
///
/// # Errors
/// [`ZoneError`] where it names none that is known.
pub fn time_zone(name: Option<&str>) -> Result<TimeZone, ZoneError> {
    zone(name.ok_or(ZoneError::Missing)?)
}

/// The zone of an IANA name, as kept from [`time_zone`].
///
/// # Errors
/// [`ZoneError::Unknown`] where the database has none of that name.
pub fn zone(name: &str) -> Result<TimeZone, ZoneError> {
    TimeZone::get(name.trim()).map_err(|_| ZoneError::Unknown { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_its_zone() {
        let zone = time_zone(Some("America/Chicago")).unwrap();
        assert_eq!(zone.iana_name(), Some("America/Chicago"));
    }

    #[test]
    fn no_zone_and_an_unknown_zone_are_errors() {
        assert_eq!(time_zone(None), Err(ZoneError::Missing));
        let unknown = ZoneError::Unknown { name: "Moon/Base".to_owned() };
        assert_eq!(time_zone(Some("Moon/Base")), Err(unknown));
    }
}

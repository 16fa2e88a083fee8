//! Locations.

use super::super::{GhlError, Run, endpoints, model};

impl Run<'_> {
    /// A location, for its time zone.
    ///
    /// # Errors
    /// As documented at [`GhlError`]; a token without `locations.readonly` is refused for its scope.
    pub async fn get_location(&self, location_id: &str) -> Result<model::Location, GhlError> {
        self.call(&endpoints::GET_LOCATION, &[location_id]).await?.record("location")
    }
}

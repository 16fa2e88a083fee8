//! Locations, and what belongs to one as a whole.

use super::super::model::{CustomFieldDefinition, Location, LocationTag};
use super::super::{GhlError, Run, endpoints};

impl Run<'_> {
    /// A location, for its time zone.
    ///
    /// # Errors
    /// As documented at [`GhlError`]; a token without `locations.readonly` is refused for its scope.
    pub async fn get_location(&self, location_id: &str) -> Result<Location, GhlError> {
        self.call(&endpoints::GET_LOCATION, &[location_id]).await?.record("location")
    }

    /// The definitions of the custom fields that contacts have.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn list_custom_fields(&self, location_id: &str) -> Result<Vec<CustomFieldDefinition>, GhlError> {
        let query = [("model", Some("contact"))];
        let reply = self.call_where(&endpoints::LIST_CUSTOM_FIELDS, &[location_id], &query).await?;
        Ok(self.listed(&reply, "customFields")?.items)
    }

    /// The tags that the location knows.
    ///
    /// # Errors
    /// As documented at [`GhlError`].
    pub async fn list_location_tags(&self, location_id: &str) -> Result<Vec<LocationTag>, GhlError> {
        let reply = self.call(&endpoints::LIST_LOCATION_TAGS, &[location_id]).await?;
        Ok(self.listed(&reply, "tags")?.items)
    }
}

//! What the custom fields of locations are called, so that readers see them by the keys by which producers write them.

use std::collections::HashMap;

use super::model::{Contact, key_of};
use super::sql::sql;
use super::{Records, RecordsError};
use crate::decide::same::Habits;

impl Records {
    /// Keeps the definitions of a location: id and key.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_custom_fields(&self, location_id: &str, fields: &[(String, String)]) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        for (id, key) in fields {
            let key = key_of(key);
            let query = sqlx::query(sql!("save_custom_field")).bind(location_id).bind(id).bind(key);
            query.execute(write.conn()).await?;
        }
        write.commit().await
    }

    /// Keeps what the custom fields of a location hold: id and `dataType`.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_field_types(&self, location_id: &str, types: &[(String, String)]) -> Result<(), RecordsError> {
        let kinds = Habits::kinds_text(types.iter().map(|(id, data_type)| (id.as_str(), data_type.as_str())));
        let mut write = self.write().await?;
        for (id, data_type) in types {
            let query = sqlx::query(sql!("set_field_type")).bind(location_id).bind(id).bind(data_type);
            query.execute(write.conn()).await?;
        }
        sqlx::query(sql!("set_field_kinds")).bind(location_id).bind(kinds).execute(write.conn()).await?;
        write.commit().await
    }

    /// The keys of a location's custom fields, by id, as far as they are known.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn custom_field_keys(&self, location_id: &str) -> Result<HashMap<String, String>, RecordsError> {
        let query = sqlx::query_as(sql!("custom_field_keys")).bind(location_id);
        let keys: Vec<(String, String)> = query.fetch_all(&self.pool).await?;
        Ok(keys.into_iter().collect())
    }
}

/// Shows a contact's custom fields by key as well. One whose key is not known is shown by id alone.
pub(super) fn show_keys(contact: &mut Contact, keys: &HashMap<String, String>) {
    let by_key = |field: &super::model::CustomField| {
        // A field that GHL is yet to get is named by its key.
        let key = keys.get(&field.id).map(String::as_str).unwrap_or(key_of(&field.id));
        (keys.contains_key(&field.id) || super::model::is_key(&field.id)).then(|| (key.to_owned(), field.value.clone()))
    };
    contact.custom_fields_by_key = contact.custom_fields.iter().filter_map(by_key).collect();
}

//! What the custom fields of locations are called: producers and readers name them by key, GHL by id.
//!
//! A custom field has one name in a row, its id: keys become ids as an event is taken in. Only where nobody knows the location's fields yet a key
//! stays, until the push has asked for them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::json;
use sync_model::decide::fields::{self, fields, with_fields};
use sync_model::decide::same::Habits;
use sync_model::field_mapping::{Definition, Mapping};
use sync_model::record::{Contact, CustomField, is_key, key_of};

use super::contacts::ContactRow;
use super::sql::sql;
use super::{Records, RecordsError, Write};

/// What readers get the custom fields of a location as.
pub(super) struct Naming {
    /// By id.
    pub(super) keys: HashMap<String, String>,
    mapping: Arc<Mapping>,
}

impl Records {
    /// How readers see the fields of a location's contacts.
    pub(super) async fn naming(&self, location_id: &str) -> Result<Naming, RecordsError> {
        let (keys, mapping) = (self.custom_field_keys(location_id).await?, self.mapping_of(location_id).await?);
        Ok(Naming { keys, mapping })
    }

    /// Keeps what users of GHL see of the custom fields of a location: id, name and what a choice may be.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_field_choices(
        &self,
        location_id: &str,
        choices: &[(String, Option<String>, Vec<String>)],
    ) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        for (id, name, options) in choices {
            let options = json!(options).to_string();
            let query = sqlx::query(sql!("set_field_choices")).bind(location_id).bind(id).bind(name).bind(options);
            query.execute(write.conn()).await?;
        }
        write.commit().await
    }

    /// The custom fields of a location as GHL defined them when they were last read, by key; none where they were never read.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn field_definitions(&self, location_id: &str) -> Result<Vec<Definition>, RecordsError> {
        type Row = (String, String, Option<String>, Option<String>, Option<String>);
        let query = sqlx::query_as(sql!("field_definitions")).bind(location_id);
        let rows: Vec<Row> = query.fetch_all(&self.pool).await?;
        let definition = |(id, key, name, data_type, options): Row| Definition {
            id,
            key: format!("contact.{}", key_of(&key)),
            name,
            data_type,
            options: options.and_then(|options| serde_json::from_str(&options).ok()).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(definition).collect())
    }

    /// Keeps the definitions of a location: id and key.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn save_custom_fields(&self, location_id: &str, fields: &[(String, String)]) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let now_ms = write.now_ms;
        for (id, key) in fields {
            let key = key_of(key);
            let query = sqlx::query(sql!("save_custom_field")).bind(location_id).bind(id).bind(key).bind(now_ms);
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

/// The ids by which GHL knows the location's custom fields now, by key without `contact.`; nothing where they were never read.
pub(super) async fn present(write: &mut Write, location_id: &str) -> Result<HashMap<String, String>, RecordsError> {
    let query = sqlx::query_as(sql!("present_custom_fields")).bind(location_id);
    let rows: Vec<(String, String)> = query.fetch_all(write.conn()).await?;
    Ok(rows.into_iter().map(|(id, key)| (key, id)).collect())
}

/// Names the row's custom fields by id where `ids` informs it by key (`contact.pincode`). A field that was edited under both names reads as it was edited
/// last. A key that no field has stays with what was said, which no call can send.
pub(super) fn name_by_id(row: &mut ContactRow, ids: &HashMap<String, String>) {
    let full = |name: &str| format!("customFields.{name}");
    let keys: Vec<String> = row.unresolved().into_iter().map(str::to_owned).collect();
    let mut now = fields(&row.doc);
    for key in keys {
        let Some(id) = ids.get(&key) else {
            if !now.contains_key(&full(&key)) {
                // There is nothing to take away.
                row.edits.remove(&full(&key));
            }
            continue;
        };
        if let Some(edit) = row.last_edits.remove(&full(&key)) {
            let known = row.last_edits.entry(full(id)).or_insert(edit);
            *known = if known.at < edit.at { edit } else { *known };
        }
        let (said, at) = (now.remove(&full(&key)).unwrap_or_default(), row.edits.remove(&full(&key)));
        let is_later = match (at, row.edits.get(&full(id))) {
            (Some(at), Some(by_id)) => at > *by_id,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if is_later {
            fields::set(&mut now, &full(id), said);
            row.edits.extend(at.map(|at| (full(id), at)));
        }
    }
    row.doc = with_fields(&row.doc, &now);
}

/// Shows a contact's custom fields by key as well, and what the location's mapping makes of them. One whose key is not known is shown by id alone.
pub(super) fn show_keys(contact: &mut Contact, Naming { keys, mapping }: &Naming) {
    // One that is named by its key is an edit of the one that GHL names by its id.
    let edited: HashSet<String> = contact
        .custom_fields
        .iter()
        .filter(|field| is_key(&field.id))
        .map(|field| key_of(&field.id).to_owned())
        .collect();
    contact.custom_fields.retain(|field| keys.get(&field.id).is_none_or(|key| !edited.contains(key)));
    let by_key = |field: &CustomField| {
        // A field that GHL is yet to get is named by its key.
        let key = keys.get(&field.id).map(String::as_str).unwrap_or(key_of(&field.id));
        (keys.contains_key(&field.id) || is_key(&field.id)).then(|| (key.to_owned(), field.value.clone()))
    };
    contact.custom_fields_by_key = contact.custom_fields.iter().filter_map(by_key).collect();
    contact.fields = mapping.show(contact);
}

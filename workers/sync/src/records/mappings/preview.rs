//! What a mapping would make of the stored contacts: exactly what its readers get once it is in force.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use sync_model::field_mapping::{EVERYWHERE, Mapping, Reading};

use super::super::custom_fields::show_keys;
use super::super::sql::sql;
use super::super::{Records, RecordsError, contacts};
use super::Held;

/// Contacts that are read at a time.
const PAGE: i64 = 500;
/// Values that do not read, of each field, that are shown.
const MOST_EXAMPLES: usize = 5;

/// What would read differently.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Contacts that were looked through.
    pub contacts: u64,
    /// Those of which a field would read differently.
    pub changed: u64,
    /// Values that do not read as their type.
    pub unmapped: u64,
    /// By Clienty's name, those that the mapping no longer has among them.
    pub fields: BTreeMap<String, FieldPreview>,
}

/// What would read differently of one field.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldPreview {
    /// Contacts that have a value in it.
    pub values: u64,
    /// Contacts of which it would read differently.
    pub changed: u64,
    /// Values that do not read as its type.
    pub unmapped: u64,
    /// Some of them.
    pub examples: Vec<UnmappedValue>,
}

/// A value that does not read as its type.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UnmappedValue {
    /// The location.
    pub location_id: String,
    /// The contact.
    pub contact_id: String,
    /// As GHL has it.
    pub raw: Value,
    /// What was expected.
    pub why: String,
}

impl Records {
    /// What the contacts of a location would read as under a mapping, beside what they read as now. For `*`, those of every location that has no
    /// mapping of its own.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn preview_mapping(&self, location_id: &str, mapping: &Mapping) -> Result<Preview, RecordsError> {
        let mut preview = Preview::default();
        if location_id != EVERYWHERE {
            self.look_through(location_id, mapping, &mut preview).await?;
            return Ok(preview);
        }
        for connection in self.list_connections().await? {
            let location_id = connection.location_id;
            if self.sees(&location_id).await? && !matches!(self.held_mapping(&location_id).await?, Held::Own(_)) {
                self.look_through(&location_id, mapping, &mut preview).await?;
            }
        }
        Ok(preview)
    }

    async fn look_through(&self, location_id: &str, mapping: &Mapping, to: &mut Preview) -> Result<(), RecordsError> {
        let keys = self.naming(location_id).await?;
        let now = self.mapping_of(location_id).await?;
        let mut after = String::new();
        loop {
            let rows = sqlx::query(sql!("list_contacts"))
                .bind(location_id)
                .bind(&after)
                .bind(None::<String>)
                .bind(None::<i64>)
                .bind(PAGE)
                .bind(0_i64)
                .fetch_all(&self.pool)
                .await?;
            for row in &rows {
                let mut row = contacts::row_of(row)?;
                show_keys(&mut row.doc, &keys);
                let mut before = now.show(&row.doc);
                let mut is_changed = false;
                to.contacts += 1;
                for (field, reading) in mapping.readings(&row.doc) {
                    let one = to.fields.entry(field.name.clone()).or_default();
                    one.values += u64::from(reading != Reading::Nothing);
                    if let Reading::Unmapped { raw, why } = &reading {
                        (to.unmapped, one.unmapped) = (to.unmapped + 1, one.unmapped + 1);
                        if one.examples.len() < MOST_EXAMPLES {
                            let (location_id, contact_id) = (row.location_id.clone(), row.contact_id.clone());
                            one.examples.push(UnmappedValue {
                                location_id,
                                contact_id,
                                raw: raw.clone(),
                                why: why.clone(),
                            });
                        }
                    }
                    let shown = (reading != Reading::Nothing).then(|| reading.shown());
                    if before.remove(&field.name) != shown {
                        one.changed += 1;
                        is_changed = true;
                    }
                }
                // What the mapping does not have any more.
                for name in before.into_keys() {
                    to.fields.entry(name).or_default().changed += 1;
                    is_changed = true;
                }
                to.changed += u64::from(is_changed);
                after = row.contact_id;
            }
            if rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }
}

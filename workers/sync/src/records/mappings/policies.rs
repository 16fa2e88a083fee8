//! Who wins: what a mapping says of its fields goes before the settings.

use std::sync::Arc;

use sync_model::decide::merge::{Policies, Policy};
use sync_model::field_mapping::{GhlField, Mapping};

use super::super::{Records, RecordsError, Write, custom_fields};

/// The policies of a location's fields, in a transaction that writes.
pub(in crate::records) async fn policies(write: &mut Write, location_id: &str) -> Result<Arc<Policies>, RecordsError> {
    let mapping = write.mappings.of(location_id);
    if !decides(&mapping) {
        return Ok(Arc::clone(&write.policies));
    }
    let ids = custom_fields::present(write, location_id).await?;
    Ok(Arc::new(with(&write.policies, &mapping, |key| ids.get(key).cloned())))
}

impl Records {
    /// Who wins where both sides edited a field of that location.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn policies_of(&self, location_id: &str) -> Result<Arc<Policies>, RecordsError> {
        let mapping = self.mapping_of(location_id).await?;
        if !decides(&mapping) {
            return Ok(Arc::clone(&self.policies));
        }
        let keys = self.custom_field_keys(location_id).await?;
        let id = |key: &str| keys.iter().find(|(_, known)| *known == key).map(|(id, _)| id.clone());
        Ok(Arc::new(with(&self.policies, &mapping, id)))
    }
}

fn decides(mapping: &Mapping) -> bool {
    mapping.fields.iter().any(|field| field.wins.is_some())
}

fn with(policies: &Policies, mapping: &Mapping, id: impl Fn(&str) -> Option<String>) -> Policies {
    let mut all = policies.clone();
    let decided = mapping.fields.iter().filter_map(|field| Some((&field.ghl, field.wins?)));
    let named = decided.filter_map(|(ghl, wins): (&GhlField, Policy)| match ghl {
        GhlField::Custom(key) => Some((format!("contact.customFields.{}", id(key)?), wins)),
        GhlField::Standard(name) => Some((format!("contact.{name}"), wins)),
    });
    all.fields.extend(named);
    all
}

//! Edits of hooks: what an edit names changes, in one statement, so that two edits at once lose
//! nothing of each other. Unsent messages stay as they are, and so does their order: who moves a
//! receiver gets them at its new address.

use serde_json::json;

use super::super::audit::{Act, Action};
use super::super::{Records, RecordsError};
use super::{Hook, hook_of, list, select};
use crate::records::hook_event::Filters;

/// What changes of a hook; none of a part leaves it. A list that can be none is in a second layer: none there is all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookEdit {
    /// A checked address.
    pub url: Option<String>,
    /// The events that it gets.
    pub events: Option<Filters>,
    /// Of which locations; none for all.
    pub locations: Option<Option<Vec<String>>>,
    /// An update without any of these fields is not sent; none for all.
    pub fields: Option<Option<Vec<String>>>,
    /// Whether what its own key changes is left out.
    pub ignore_own: Option<bool>,
    /// Whether changes that an import finds are sent.
    pub include_imports: Option<bool>,
    /// For people.
    pub description: Option<Option<String>>,
}

impl HookEdit {
    /// The names of what changes, as the API has them.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let Self { url, events, locations, fields, ignore_own, include_imports, description } = self;
        let named = [
            ("url", url.is_some()),
            ("events", events.is_some()),
            ("locations", locations.is_some()),
            ("fields", fields.is_some()),
            ("ignoreOwn", ignore_own.is_some()),
            ("includeImports", include_imports.is_some()),
            ("description", description.is_some()),
        ];
        named.into_iter().filter(|(_, is_named)| *is_named).map(|(name, _)| name).collect()
    }
}

impl Records {
    /// Changes a hook; none where there is no such hook. A new address gets unsent messages at once, however often the old one failed.
    ///
    /// # Errors
    /// [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn edit_hook(&self, id: &str, edit: &HookEdit) -> Result<Option<Hook>, RecordsError> {
        let HookEdit { url, events, locations, fields, ignore_own, include_imports, description } = edit;
        let is_named = |is_named: bool| i64::from(is_named);
        let mut write = self.write().await?;
        let update = "update hooks set url = coalesce($1, url), events = coalesce($2, events), \
             locations = case when $3 = 1 then $4 else locations end, fields = case when $5 = 1 then $6 else fields end, \
             ignore_own = coalesce($7, ignore_own), include_imports = coalesce($8, include_imports), \
             description = case when $9 = 1 then $10 else description end, \
             failing_since = case when $11 = 1 then null else failing_since end where id = $12";
        let update = sqlx::query(update)
            .bind(url)
            .bind(events.as_ref().map(|events| list(events.texts())))
            .bind(is_named(locations.is_some()))
            .bind(locations.iter().flatten().map(|ids| list(ids)).next())
            .bind(is_named(fields.is_some()))
            .bind(fields.iter().flatten().map(|names| list(names)).next())
            .bind(ignore_own.map(i64::from))
            .bind(include_imports.map(i64::from))
            .bind(is_named(description.is_some()))
            .bind(description.clone().flatten())
            .bind(is_named(url.is_some()))
            .bind(id);
        if update.execute(write.conn()).await?.rows_affected() == 0 {
            return Ok(None);
        }
        if let Some(locations) = locations {
            sqlx::query("delete from hook_places where hook_id = $1").bind(id).execute(write.conn()).await?;
            super::insert_places(&mut write, id, locations.as_deref()).await?;
        }
        if url.is_some() {
            let due = "update hook_deliveries set next_at = null where hook_id = $1 and state = 'open'";
            sqlx::query(due).bind(id).execute(write.conn()).await?;
        }
        let row = sqlx::query(select("where id = $1")).bind(id).fetch_one(write.conn()).await?;
        let hook = hook_of(&row)?;
        let now = json!({"changed": edit.names(), "events": hook.events.texts(), "locations": hook.locations});
        write.act(Act::new(Action::HookEdit).on(id).with(now));
        write.commit().await?;
        Ok(Some(hook))
    }
}

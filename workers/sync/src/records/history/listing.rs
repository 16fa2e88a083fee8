//! The changes of a contact and of what hangs on it, the newest first.

use super::super::feed::ChangeOp;
use super::super::{Page, Records, RecordsError};
use super::{HistoryItem, Row};

/// Which changes to list.
#[derive(Debug, Clone, Default)]
pub struct HistoryQuery {
    /// Only those of the field of that name; of a list as `tags`, of each of its items.
    pub field: Option<String>,
    /// Only those of the record of that id.
    pub record_id: Option<String>,
    /// Where the page before ended.
    pub cursor: Option<String>,
    /// Changes of one page at most; at least 1.
    pub limit: usize,
}

impl Records {
    /// The history of a contact, and of its tasks, notes and appointments, as far back as it is kept; none where the contact is unknown.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`], [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn history(
        &self,
        location_id: &str,
        contact_id: &str,
        query: &HistoryQuery,
    ) -> Result<Option<Page<HistoryItem>>, RecordsError> {
        let HistoryQuery { field, record_id, cursor, limit } = query;
        let before: i64 = cursor.as_deref().map_or(Ok(i64::MAX), str::parse).map_err(|_| RecordsError::Cursor)?;
        let Some(mut scan) = self.scan_back(location_id, contact_id).await? else { return Ok(None) };
        let field = field.clone().map(|field| scan.name(field));
        let (mut items, mut more) = (Vec::new(), false);
        while let Some((row, mut changes)) = scan.step()? {
            if let Some(field) = &field {
                changes.retain(|change| is_of(&change.field, field));
            }
            let is_wanted = record_id.as_ref().is_none_or(|wanted| *wanted == row.record_id);
            if row.seq >= before || !is_wanted || (changes.is_empty() && (field.is_some() || !row.is_reported())) {
                continue;
            }
            if items.len() >= (*limit).max(1) {
                more = true;
                break;
            }
            items.push(row.item(changes));
        }
        if scan.is_erased && items.is_empty() {
            return Ok(None);
        }
        let next_cursor = items.last().filter(|_| more).map(|item: &HistoryItem| item.id.clone());
        Ok(Some(Page { items, next_cursor }))
    }
}

/// Whether `name` is the field, or an item of the list, that is called `wanted`.
pub(super) fn is_of(name: &str, wanted: &str) -> bool {
    name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Row {
    /// Whether it is worth reporting though no field changed.
    fn is_reported(&self) -> bool {
        match self.op {
            ChangeOp::Deleted => true,
            ChangeOp::Stored => self.is_new || self.was.as_ref().is_some_and(|was| was.rest.hidden),
            ChangeOp::Synced | ChangeOp::Erased => false,
        }
    }
}

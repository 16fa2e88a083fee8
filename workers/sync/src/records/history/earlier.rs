//! What a field held earlier, for an edit that gives it back.

use serde_json::Value;
use sync_model::decide::fields::Record;
use sync_model::record::{Appointment, Contact};

use super::super::{Records, RecordsError};
use super::why::value_of;

/// A field of a record that is there now, with what it held earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// GHL's id of it.
    pub ghl_id: Option<String>,
    /// The producer's own.
    pub clienty_id: Option<String>,
    /// The field with its value, and those that belong together with it; null for nothing.
    pub fields: Vec<(String, Value)>,
}

/// A moment of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Right after the change of that number.
    After(i64),
    /// Right before it.
    Before(i64),
}

impl Records {
    /// What the field held at that moment; none where the record, the change or the record of then is not known.
    ///
    /// # Errors
    /// [`RecordsError::Forgotten`], [`RecordsError::Database`] or [`RecordsError::Corrupt`].
    pub async fn earlier(
        &self,
        location_id: &str,
        contact_id: &str,
        record_id: Option<&str>,
        field: &str,
        moment: Moment,
    ) -> Result<Option<Earlier>, RecordsError> {
        let Some(mut scan) = self.scan_back(location_id, contact_id).await? else { return Ok(None) };
        let Some((record_id, now)) = scan.record(record_id).filter(|(_, now)| now.is_there) else { return Ok(None) };
        let (Moment::After(wanted) | Moment::Before(wanted)) = moment;
        loop {
            let next = scan.earlier().next().map(|row| (row.seq, row.record_id == record_id));
            match next {
                Some((seq, is_of_record)) if seq == wanted => {
                    if !is_of_record {
                        return Ok(None);
                    }
                    break;
                }
                Some((seq, _)) if seq > wanted => scan.back(i64::MIN)?,
                _ => return Ok(None),
            };
        }
        if matches!(moment, Moment::Before(_)) {
            scan.back(i64::MIN)?;
        }
        let Some(then) = scan.records.get(&record_id).filter(|then| then.is_there) else { return Ok(None) };
        let name = scan.name(field.to_owned());
        let together = if now.kind == Appointment::NAME { Appointment::TOGETHER } else { &[] };
        let mut names = vec![name.as_str()];
        if together.contains(&name.as_str()) {
            names = together.to_vec();
        }
        let fields = names.into_iter().map(|name| (name.to_owned(), value_of(then, name))).collect();
        let ghl_id = if now.kind == Contact::NAME { Some(now.contact_id) } else { now.ghl_id };
        Ok(Some(Earlier { record: now.kind, ghl_id, clienty_id: now.clienty_id, fields }))
    }
}

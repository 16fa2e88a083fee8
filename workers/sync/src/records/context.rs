//! What interprets records: the time zone of the location, in which GHL lists appointments by the clock on the wall.
//!
//! Each appointment keeps the zone in which it was read. Once the location has another one, those times are unread until they are read again, and a
//! write that rests on them reads them first.

use job_engine::Priority;
use serde_json::Value;
use sync_model::decide::absent::Unread;
use sync_model::decide::fields::{self, fields, with_fields};
use sync_model::decide::merge::{Conflict, Side};
use sync_model::job::JobKind;
use sync_model::record::Appointment;
use sync_model::time_zone;

use super::entries::Entry;
use super::merging::Edits;
use super::runs::FollowUp;
use super::sql::sql;
use super::{Records, RecordsError, Write};

impl Records {
    /// Sets the location's time zone, an IANA name. Where it had another one, all that was read in that is read again.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn set_time_zone(&self, location_id: &str, time_zone: &str) -> Result<(), RecordsError> {
        let mut write = self.write().await?;
        let before = time_zone_of(write.conn(), location_id).await?;
        let now = write.now_ms;
        sqlx::query(sql!("set_time_zone")).bind(time_zone).bind(now).bind(location_id).execute(write.conn()).await?;
        changed(&mut write, location_id, before.as_deref(), time_zone).await?;
        write.commit().await
    }
}

/// The time zone of the location as far as it is known.
pub(super) async fn time_zone_of(
    connection: &mut sqlx::AnyConnection,
    location_id: &str,
) -> Result<Option<String>, RecordsError> {
    let zone = sqlx::query_scalar(sql!("time_zone_of")).bind(location_id).fetch_optional(connection).await?;
    Ok(zone.flatten())
}

/// The location, which had the zone `before`, has `now`: what hangs on contacts with appointments is read again.
pub(super) async fn changed(
    write: &mut Write,
    location_id: &str,
    before: Option<&str>,
    now: &str,
) -> Result<(), RecordsError> {
    if before.is_none_or(|before| before == now) {
        return Ok(());
    }
    let query = sqlx::query_scalar(sql!("contacts_with_appointments")).bind(location_id);
    let contacts: Vec<String> = query.fetch_all(write.conn()).await?;
    contacts.into_iter().for_each(|contact_id| owe_reading(write, location_id, contact_id));
    Ok(())
}

/// Appointments of the contact were read while the location had, or was thought to have, another zone than it is known to have by now.
pub(super) async fn check_zone(
    write: &mut Write,
    location_id: &str,
    contact_id: &str,
    read: &[Appointment],
) -> Result<(), RecordsError> {
    let Some(zone) = read.iter().find_map(Entry::read_in) else { return Ok(()) };
    let now = match write.page.zone(location_id) {
        Some(now) => now,
        None => time_zone_of(write.conn(), location_id).await?,
    };
    if is_read_otherwise(Some(zone), now.as_deref()) {
        owe_reading(write, location_id, contact_id.to_owned());
    }
    Ok(())
}

fn owe_reading(write: &mut Write, location_id: &str, record_id: String) {
    let location_id = location_id.to_owned();
    write.pending.push(FollowUp { kind: JobKind::PullContact, location_id, record_id, priority: Priority::Bulk });
}

/// Whether what was read in `zone` would be read otherwise `now`.
pub(super) fn is_read_otherwise(zone: Option<&str>, now: Option<&str>) -> bool {
    let now = now.and_then(|now| time_zone::zone(now).ok());
    zone.zip(now.as_ref().and_then(|now| now.iana_name())).is_some_and(|(zone, now)| zone != now)
}

/// The fields of a record that nobody has read since the location has the zone `now`.
pub(super) fn unread_since<E: Entry>(base: Option<&E>, now: Option<&str>) -> Unread {
    match is_read_otherwise(base.and_then(Entry::read_in), now) {
        true => E::READ_IN.iter().map(|name| (*name).to_owned()).collect(),
        false => Unread::new(),
    }
}

/// `theirs` was read in another context than `base`, which reports nothing of what depends on it: what nobody edited in `ours` follows `theirs`, and
/// what both agreed on as well. An edit that is impossible with what is there now has lost, which the conflict reports.
pub(super) fn read_again<E: Entry>(base: &mut E, ours: &mut E, theirs: &E, edits: &Edits) -> Option<Conflict> {
    let (mut held, mut said, there) = (fields(base), fields(ours), fields(theirs));
    let reported = |of: &fields::Fields| -> Value {
        E::READ_IN.iter().map(|name| ((*name).to_owned(), fields::value(of, name))).collect()
    };
    let before = (reported(&held), reported(&said));
    for name in E::READ_IN {
        fields::set(&mut held, name, fields::value(&there, name));
        if !edits.contains_key(*name) {
            fields::set(&mut said, name, fields::value(&there, name));
        }
    }
    *base = with_fields(base, &held);
    let again = with_fields(ours, &said);
    if again.mistake().is_none() || theirs.mistake().is_some() {
        *ours = again;
        return None;
    }
    for name in E::READ_IN {
        fields::set(&mut said, name, fields::value(&there, name));
    }
    *ours = with_fields(ours, &said);
    let field = (*E::READ_IN.first()?).to_owned();
    Some(Conflict {
        field,
        base: before.0,
        ours: before.1,
        theirs: reported(&there),
        winner: Side::Ghl,
        ours_at: None,
        theirs_at: None,
    })
}

impl<E: Entry> super::EntryRow<E> {
    /// Whether it was read in another context than that of `now`, the location's time zone.
    #[must_use]
    pub fn is_read_otherwise(&self, now: Option<&str>) -> bool {
        is_read_otherwise(self.base.as_ref().and_then(Entry::read_in), now)
    }

    /// Whether a write of what is pending would send what nobody edited: what both agree on, as it was read in a context.
    #[must_use]
    pub fn rests_on_reading(&self) -> bool {
        let pending = self.pending().fields;
        let is_pending = E::READ_IN.iter().any(|name| pending.contains_key(*name));
        let is_said = E::READ_IN.iter().all(|name| self.edits.contains_key(*name));
        is_pending && !is_said && self.base.as_ref().is_some_and(|base| base.read_in().is_some())
    }
}

//! The change feed: which records changed, in the order of the commits.
//!
//! An entry names what to read again and reports its readers no value; what it took away is kept with it for the [history](super::history). A
//! transaction collects its entries in memory and numbers them as its last step before the commit, since the lock on the one counter makes all
//! writers queue up from there on.
//!
//! Every change that readers can see goes through here, so this is also where a write about an
//! erased contact is stopped: the lock puts each write before or after the erasure.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use sync_model::decide::sync_status::Progress;
use sync_model::record::key_of;

use super::history::{Via, Was};
use super::ledger::timestamp;
use super::sql::{Marks, sql, take_exactly, with_rows_then};
use super::{Page, Records, RecordsError, Write, erase};

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeOp {
    /// It is new or reads differently.
    Stored,
    /// It reads as before, and GHL has more or less of it: see [`ChangeItem::sync`].
    Synced,
    /// Readers no longer get it.
    Deleted,
    /// The data of this contact was erased, with all that belongs to it; who keeps a copy erases it too.
    Erased,
}

impl ChangeOp {
    const ALL: [Self; 4] = [Self::Stored, Self::Synced, Self::Deleted, Self::Erased];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Synced => "synced",
            Self::Deleted => "deleted",
            Self::Erased => "erased",
        }
    }
}

/// Who changed a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// GHL or its users; also its answer to a write of ours.
    #[default]
    Ghl,
    /// A producer's event, or an operator's command.
    Clienty,
    /// A flow, or a rule.
    Flow,
    /// Data that was looked up elsewhere.
    Enrichment,
}

impl Origin {
    const ALL: [Self; 4] = [Self::Ghl, Self::Clienty, Self::Flow, Self::Enrichment];

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Ghl => "ghl",
            Self::Clienty => "clienty",
            Self::Flow => "flow",
            Self::Enrichment => "enrichment",
        }
    }
}

/// How far GHL has the record of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SyncOf {
    /// After the change.
    pub state: Progress,
}

/// One entry of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeItem {
    /// Its place in the feed; greater than that of every entry committed before.
    pub seq: i64,
    /// GHL's location id.
    pub location_id: String,
    /// The contact whose view shows the change.
    pub contact_id: String,
    /// `contact`, `task`, `note` or `appointment`.
    pub record: String,
    /// The same for as long as the record lives, whichever ids it is given; the view of the contact has it as well.
    pub record_id: String,
    /// The producer's own id of the record.
    pub clienty_id: Option<String>,
    /// GHL's id of the record, once there is one.
    pub ghl_id: Option<String>,
    /// What happened.
    pub op: ChangeOp,
    /// Who changed it; none in entries of earlier versions.
    pub origin: Option<Origin>,
    /// The names of the fields that changed; none in entries of earlier versions.
    pub fields: Option<Vec<String>>,
    /// How far GHL has it after the change; none for a record that is gone.
    pub sync: Option<SyncOf>,
    /// The job that the change belongs to.
    pub caused_by: Option<String>,
    /// The API key whose event made the change; none where another did, or something came back from GHL.
    pub key_id: Option<String>,
    /// Whether the record was not known before; none in entries of earlier versions.
    pub is_new: Option<bool>,
    /// When, by the clock of the process that wrote it: may run backwards where `seq` does not.
    pub changed_at: Timestamp,
}

/// An entry that has no number yet.
pub(super) struct Changed {
    pub(super) location_id: String,
    pub(super) contact_id: String,
    pub(super) record: &'static str,
    pub(super) record_id: String,
    pub(super) clienty_id: Option<String>,
    pub(super) ghl_id: Option<String>,
    pub(super) op: ChangeOp,
    pub(super) fields: Vec<String>,
    pub(super) sync: Option<Progress>,
    /// Whether the record was not known before.
    pub(super) is_new: bool,
    /// What it took away; none where nothing was there.
    pub(super) was: Option<Was>,
}

/// Whose change a transaction is writing.
#[derive(Debug, Clone, Default)]
pub(super) struct Cause {
    pub(super) origin: Origin,
    /// The job.
    pub(super) job: Option<String>,
    /// The API key whose event it is.
    pub(super) key: Option<String>,
    /// How it comes about.
    pub(super) via: Via,
}

/// A field as it is named outside of the record: all tags are one field, as the text of a tag is personal data and the feed outlives an erasure, and a
/// custom field has the key that producers write.
pub(super) fn public_name(name: String) -> String {
    match name.split_once('.') {
        Some(("tags", _)) => "tags".to_owned(),
        Some((list, id)) => format!("{list}.{}", key_of(id)),
        None => name,
    }
}

impl Write {
    /// Adds an entry to the feed, caused by whatever the transaction is doing now.
    pub(super) fn report(&mut self, mut changed: Changed) {
        if let Some(place) = self.begun.iter().position(|(begun, _)| begun.record_id == changed.record_id) {
            let (begun, cause) = self.begun.remove(place);
            match changed.op {
                ChangeOp::Stored | ChangeOp::Synced => changed = changed.goes_on(begun),
                ChangeOp::Deleted | ChangeOp::Erased => self.changed.push((begun, cause)),
            }
        }
        self.changed.push((changed, self.cause.clone()));
    }

    /// As [`Write::report`], for a change that another one of the same record may follow: both are one entry then.
    pub(super) fn report_with_next(&mut self, changed: Changed) {
        self.begun.push((changed, self.cause.clone()));
    }
}

/// A row of the feed but for its number and its time.
#[derive(Serialize)]
struct NewItem<'a> {
    /// Among those of its transaction, from 1.
    place: i64,
    location_id: &'a str,
    contact_id: &'a str,
    record: &'a str,
    record_id: &'a str,
    op: &'a str,
    clienty_id: Option<&'a str>,
    ghl_id: Option<&'a str>,
    origin: &'a str,
    /// A JSON list.
    fields: String,
    sync: Option<&'a str>,
    caused_by: Option<&'a str>,
    is_new: i64,
    key_id: Option<&'a str>,
    was: Option<String>,
    via: String,
}

impl<'a> NewItem<'a> {
    fn of(place: i64, changed: &'a Changed, cause: &'a Cause) -> Self {
        let Changed { location_id, contact_id, record, record_id, clienty_id, ghl_id, op, fields, sync, is_new, was } =
            changed;
        let (op, clienty_id, ghl_id) = (op.as_str(), clienty_id.as_deref(), ghl_id.as_deref());
        // A list of texts has no way to fail.
        let fields = serde_json::to_string(fields).unwrap_or_default();
        let (origin, sync, caused_by) = (cause.origin.as_str(), sync.map(Progress::as_str), cause.job.as_deref());
        Self {
            place,
            location_id,
            contact_id,
            record,
            record_id,
            op,
            clienty_id,
            ghl_id,
            origin,
            fields,
            sync,
            caused_by,
            is_new: i64::from(*is_new),
            key_id: cause.key.as_deref(),
            was: was.as_ref().map(Was::text),
            via: cause.via.text(),
        }
    }
}

/// Numbers and stores what the transaction changed.
pub(super) async fn append(write: &mut Write) -> Result<(), RecordsError> {
    let begun = std::mem::take(&mut write.begun);
    write.changed.extend(begun);
    let changed = std::mem::take(&mut write.changed);
    let Ok(count @ 1..) = i64::try_from(changed.len()) else {
        return Ok(());
    };
    let rows: Vec<_> =
        (1..).zip(&changed).map(|(place, (changed, cause))| NewItem::of(place, changed, cause)).collect();
    let (last, erasures): (i64, i64) = match write.sqlite {
        true => sqlx::query_as(sql!("count_changes")).bind(count).fetch_one(write.conn()).await?,
        false => {
            let now_ms = write.now_ms;
            let append = sqlx::query(sql!("append_changes_postgres")).bind(count).bind(now_ms);
            // A list of texts and numbers has no way to fail.
            let append = append.bind(serde_json::to_string(&rows).unwrap_or_default()).execute(write.conn()).await?;
            if u64::try_from(count) == Ok(append.rows_affected()) {
                return Ok(());
            }
            sqlx::query_as(sql!("feed_counter")).fetch_one(write.conn()).await?
        }
    };
    if erasures > 0 {
        let reported = changed.iter().filter(|(change, _)| change.op != ChangeOp::Erased);
        let reported: Vec<_> =
            reported.map(|(change, _)| (change.location_id.as_str(), change.contact_id.as_str())).collect();
        if let Some((_, contact_id)) = erase::erased_among(write.conn(), &reported).await?.into_iter().next() {
            return Err(RecordsError::Erased { contact_id });
        }
    }
    let now_ms = write.now_ms;
    let marks = Marks::of(write.conn());
    let mut left = rows.as_slice();
    let mut stored = 0;
    while !left.is_empty() {
        let batch = take_exactly(&mut left);
        let mut insert =
            sqlx::query(with_rows_then(marks, sql!("insert_changes"), batch.len(), 17, "on conflict do nothing"));
        for row in batch {
            insert = insert.bind(last - count + row.place).bind(row.location_id).bind(row.contact_id);
            insert = insert.bind(row.record).bind(row.record_id).bind(row.op).bind(now_ms);
            insert = insert.bind(row.clienty_id).bind(row.ghl_id).bind(row.origin).bind(&row.fields);
            insert = insert.bind(row.sync).bind(row.caused_by).bind(row.is_new).bind(row.key_id);
            insert = insert.bind(&row.was).bind(&row.via);
        }
        stored += insert.execute(write.conn()).await?.rows_affected();
    }
    match u64::try_from(count) == Ok(stored) {
        true => Ok(()),
        // A number was given twice, which the counter's lock rules out.
        false => Err(RecordsError::Raced),
    }
}

impl Records {
    /// The feed after `cursor`, from its beginning, or from its end ([`LATEST`]), of the locations that the principal sees. The next cursor is
    /// always there: nothing new yet gives the same.
    ///
    /// # Errors
    /// See [`Records::list_changes_of`].
    pub async fn list_changes(&self, cursor: Option<&str>, limit: i64) -> Result<Page<ChangeItem>, RecordsError> {
        self.list_changes_of(None, cursor, limit).await
    }

    /// [`Records::list_changes`] of one location. Where most entries are of others the next cursor goes on past them, also when nothing was found.
    ///
    /// # Errors
    /// [`RecordsError::Cursor`] for one that this feed did not hand out, [`RecordsError::Pruned`] for one whose
    /// successors are no longer kept, or [`RecordsError::Database`].
    pub async fn list_changes_of(
        &self,
        location_id: Option<&str>,
        cursor: Option<&str>,
        limit: i64,
    ) -> Result<Page<ChangeItem>, RecordsError> {
        let (last, pruned) = self.feed_bounds().await?;
        let after = match cursor {
            None => pruned,
            Some(LATEST) => last,
            Some(text) => text.parse().ok().filter(|after| (0..=last).contains(after)).ok_or(RecordsError::Cursor)?,
        };
        let is_filtered = location_id.is_some() || self.scope().is_some();
        let until = if is_filtered { last.min(after.saturating_add(LOOKED_THROUGH)) } else { last };
        let query = sqlx::query(sql!("list_changes")).bind(after).bind(until).bind(location_id).bind(self.scope());
        let rows = query.bind(limit).fetch_all(&self.pool).await?;
        // Asked after reading: what was pruned meanwhile is no gap that a reader would fail to see.
        let (_, pruned) = self.feed_bounds().await?;
        if after < pruned {
            return Err(RecordsError::Pruned);
        }
        let items = rows.iter().filter_map(|row| item(row).transpose()).collect::<Result<Vec<_>, _>>()?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|count| count >= limit);
        let next = match rows.last().filter(|_| is_full) {
            Some(row) => row.try_get("seq")?,
            None => until,
        };
        Ok(Page { items, next_cursor: Some(next.to_string()) })
    }

    /// Whether the oldest changes are no longer kept.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn is_feed_cut(&self) -> Result<bool, RecordsError> {
        Ok(self.feed_bounds().await?.1 > 0)
    }

    /// The number of the newest change.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn last_change(&self) -> Result<i64, RecordsError> {
        Ok(self.feed_bounds().await?.0)
    }

    /// Forgets changes from before `before_ms` since 1970, at most `limit` of them; returns how many. Their rows stay for as long as the history
    /// needs them.
    ///
    /// # Errors
    /// [`RecordsError::Database`].
    pub async fn prune_changes(&self, before_ms: i64, limit: i64) -> Result<u64, RecordsError> {
        let mut write = self.write().await?;
        let (horizon, pruned, forgotten): (i64, i64, i64) =
            sqlx::query_as(sql!("feed_horizon")).bind(before_ms).fetch_one(write.conn()).await?;
        let horizon = horizon.min(pruned.saturating_add(limit));
        sqlx::query(sql!("prune_changes")).bind(horizon.min(forgotten)).execute(write.conn()).await?;
        // Last, since all writers queue up at this row.
        sqlx::query(sql!("note_pruned")).bind(horizon).execute(write.conn()).await?;
        write.commit().await?;
        Ok(u64::try_from(horizon.saturating_sub(pruned)).unwrap_or_default())
    }

    pub(super) async fn feed_bounds(&self) -> Result<(i64, i64), RecordsError> {
        Ok(sqlx::query_as(sql!("feed_bounds")).fetch_one(&self.pool).await?)
    }
}

/// Entries that one page looks through for those of a few locations: who asks has a time limit.
const LOOKED_THROUGH: i64 = 20_000;

/// The cursor behind the newest change: where a reader begins that has just read all records.
pub const LATEST: &str = "latest";

/// None for an operation of a newer version: a reader of this one could do nothing with it.
pub(super) fn item(row: &AnyRow) -> Result<Option<ChangeItem>, RecordsError> {
    let op: String = row.try_get("op")?;
    let Some(op) = ChangeOp::parse(&op) else { return Ok(None) };
    let seq: i64 = row.try_get("seq")?;
    let origin: Option<String> = row.try_get("origin")?;
    let sync: Option<String> = row.try_get("sync")?;
    let names = |text: String| {
        serde_json::from_str(&text).map_err(|error| RecordsError::corrupt("changes", &seq.to_string(), &error))
    };
    Ok(Some(ChangeItem {
        seq,
        location_id: row.try_get("location_id")?,
        contact_id: row.try_get("contact_id")?,
        record: row.try_get("record")?,
        record_id: row.try_get("record_id")?,
        clienty_id: row.try_get("clienty_id")?,
        ghl_id: row.try_get("ghl_id")?,
        op,
        origin: origin.and_then(|name| Origin::parse(&name)),
        fields: row.try_get::<Option<String>, _>("fields")?.map(names).transpose()?,
        sync: sync.and_then(|name| Progress::parse(&name)).map(|state| SyncOf { state }),
        caused_by: row.try_get("caused_by")?,
        key_id: row.try_get("key_id")?,
        is_new: row.try_get::<Option<i64>, _>("is_new")?.map(|is_new| is_new == 1),
        changed_at: timestamp(row.try_get("changed_at")?),
    }))
}

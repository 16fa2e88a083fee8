-- Readers see again what GHL held last. A write without an answer may have come to pass: that is looked at.
update entries
set doc = base,
    deleted = 0,
    edits = null,
    asked = null,
    asked_at = null,
    looks = case when asked is not null or asked_at is not null then 1 end,
    intent = null,
    intent_at = null,
    sync = $1,
    revision = revision + 1,
    changed_at = $2
where row_id = $3 and base is not null

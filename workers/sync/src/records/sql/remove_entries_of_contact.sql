-- GHL may have merged the contact into another one, which has these then. What is owed for them is kept aside until they are met there.
update entries
set gone_base = case when base <> doc or deleted = 1 or edits is not null or asked is not null or looks > 0 then base end,
    gone_deleted = deleted,
    edits = case when base is not null then edits end,
    asked = case when base is not null then asked end,
    deleted = 1,
    base = null,
    asked_at = null,
    looks = null,
    intent = null,
    intent_at = null,
    revision = revision + 1,
    changed_at = $1
where location_id = $2 and contact_id = $3 and (deleted = 0 or base is not null)
returning kind, row_id, doc, gone_deleted as was_deleted

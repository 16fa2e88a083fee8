-- The reader's document follows GHL's answer unless it was edited while the call was under way ($4: the revision sent).
update entries
set ghl_id = $1,
    base = $2,
    doc = case when revision = $4 then $2 else doc end,
    intent = null,
    intent_at = null,
    revision = revision + 1,
    changed_at = $5
where row_id = $3

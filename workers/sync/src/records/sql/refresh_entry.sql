-- $4 is 1 when readers see a difference, else 0. No row where an edit was faster.
update entries
set doc = $1,
    base = $2,
    deleted = $3,
    revision = revision + 1,
    changed_at = case when $4 = 1 then $5 else changed_at end,
    edits = $8,
    prints = $9,
    last_edits = $10
where row_id = $6 and revision = $7

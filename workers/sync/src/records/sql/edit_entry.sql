-- No row where another transaction was faster: the caller starts again from what that one wrote.
update entries
set doc = $1, clienty_id = $2, deleted = $3, revision = revision + 1, changed_at = $4, edits = $7, last_edits = $8
where row_id = $5 and revision = $6

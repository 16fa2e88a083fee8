-- Readers see no difference.
update entries
set base = $1, prints = $2, asked = $3, looks = $4, edits = $5, revision = revision + 1
where row_id = $6

-- The row stays as a mark, so that a pull whose list is older does not bring it back.
update entries
set deleted = 1, base = null, edits = null, asked = null, intent = null, intent_at = null, revision = revision + 1, changed_at = $1
where row_id = $2

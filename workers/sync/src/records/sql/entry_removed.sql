-- The row stays as a mark, so that a pull whose list is older does not bring it back. It reads as GHL held it last: should it come back, an
-- edit that came too late is none of what both sides agreed on.
update entries
set deleted = 1,
    doc = coalesce(base, gone_base, doc),
    base = null,
    gone_base = null,
    edits = null,
    asked = null,
    asked_at = null,
    looks = null,
    intent = null,
    intent_at = null,
    revision = revision + 1,
    changed_at = $1
where row_id = $2

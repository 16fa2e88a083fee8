-- Someone else may hold the id: a task moves with its contact when contacts are merged in GHL. It moves here as well, as it is known, with what
-- is owed for it, and follows what was told then. Not where it moved or went after the reading began that shows it here, which
-- is the first placeholder; a time after now, the second, is one of before the clock was set back.
on conflict (kind, location_id, ghl_id) do update
set contact_id = excluded.contact_id,
    base = coalesce(entries.base, entries.gone_base, entries.doc),
    deleted = case
        when entries.base is not null then entries.deleted
        when entries.gone_base is not null then entries.gone_deleted
        else 0
    end,
    gone_base = null,
    gone_deleted = null,
    revision = entries.revision + 1,
    changed_at = excluded.changed_at
where entries.contact_id <> excluded.contact_id
    and (entries.changed_at <= $1 or entries.changed_at > $2)
returning location_id, kind, ghl_id, row_id, revision

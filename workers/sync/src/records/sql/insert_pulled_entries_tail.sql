-- Someone else may hold the id: a task moves with its contact when contacts are merged in GHL. It moves here as well, as it is known, and
-- follows what was told then; unless it has an edit that GHL has not seen.
on conflict (kind, location_id, ghl_id) do update
set contact_id = excluded.contact_id,
    base = coalesce(entries.base, entries.doc),
    deleted = 0,
    revision = entries.revision + 1,
    changed_at = excluded.changed_at
where entries.contact_id <> excluded.contact_id
  and (entries.base is null or (entries.base = entries.doc and entries.deleted = 0))
returning kind, ghl_id, row_id, revision

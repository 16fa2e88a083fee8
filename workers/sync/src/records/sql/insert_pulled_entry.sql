-- Someone else may hold the id: a task moves with its contact when contacts are merged in GHL. It moves here as well,
-- unless it has an edit that GHL has not seen.
insert into entries (row_id, kind, location_id, contact_id, ghl_id, doc, base, revision, changed_at)
values ($1, $2, $3, $4, $5, $6, $6, 1, $7)
on conflict (kind, location_id, ghl_id) do update
set contact_id = excluded.contact_id,
    doc = excluded.doc,
    base = excluded.base,
    deleted = 0,
    revision = entries.revision + 1,
    changed_at = excluded.changed_at
where entries.contact_id <> excluded.contact_id
  and (entries.base is null or (entries.base = entries.doc and entries.deleted = 0))

-- The list of contact ids is appended. Without the location no index would help.
select
    row_id, location_id, contact_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted_at, synced_at, revision, heard_at, unread, created_by, last_edits
from contacts
where location_id = $1
  and contact_id in

-- The pairs of location and contact id are appended.
select
    row_id, location_id, contact_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted_at, synced_at, revision, heard_at, unread, created_by, last_edits,
    (select country from connections where connections.location_id = contacts.location_id) as country,
    (select field_kinds from connections where connections.location_id = contacts.location_id) as field_kinds
from contacts
where (location_id, contact_id) in (values

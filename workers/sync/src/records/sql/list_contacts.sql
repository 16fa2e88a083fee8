-- $6 is 1 to see deleted ones as well.
select
    row_id, location_id, contact_id, clienty_id, doc, base, edits, prints, sync, asked, asked_at, looks, intent, intent_at, deleted_at, synced_at, revision, heard_at, unread, created_by, last_edits,
    (select country from connections where connections.location_id = contacts.location_id) as country,
    (select field_kinds from connections where connections.location_id = contacts.location_id) as field_kinds
from contacts
where location_id = $1
  and contact_id > $2
  and (deleted_at is null or $6 = 1)
  and ($3 is null or search like $3 escape '!')
  and ($4 is null or date_updated >= $4)
order by contact_id
limit $5

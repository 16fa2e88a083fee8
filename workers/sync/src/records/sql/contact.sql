-- $3 is 1 to see it although it was deleted.
select doc, synced_at, deleted_at, sync
from contacts
where location_id = $1 and contact_id = $2 and (deleted_at is null or $3 = 1)

-- Contacts after $2 up to $3 that have a field whose value GHL has not shown yet.
select contact_id
from contacts
where location_id = $1 and contact_id > $2 and contact_id <= $3 and deleted_at is null and base is not null and unread is not null

select doc, synced_at
from contacts
where location_id = $1 and contact_id = $2 and deleted_at is null

select appointment_id, doc
from appointments
where location_id = $1 and contact_id = $2 and deleted_at is null

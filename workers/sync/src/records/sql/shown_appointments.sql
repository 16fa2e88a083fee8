-- $3 is 1 to see deleted ones as well.
select appointment_id, doc, deleted_at
from appointments
where location_id = $1 and contact_id = $2 and (deleted_at is null or $3 = 1)

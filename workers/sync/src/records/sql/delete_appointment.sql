update appointments
set deleted_at = $4
where location_id = $1 and contact_id = $2 and appointment_id = $3 and deleted_at is null

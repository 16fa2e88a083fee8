delete from appointments
where (location_id, appointment_id) in (
    select location_id, appointment_id from appointments where deleted_at < $1 limit $2
)

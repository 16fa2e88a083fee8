-- Those of walks that have ended with their location's login.
update jobs
set state = 'done', finished_at = $1, due_at = null, last_error = 'its location was disconnected'
where finished_at is null and kind in ('walk_contacts', 'walk_details', 'walk_rest') and location_id = $2

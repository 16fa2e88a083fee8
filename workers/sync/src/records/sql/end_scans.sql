-- The walks of a location that nobody can call any more. An import can still be resumed.
update walks set finished_at = $1 where finished_at is null and location_id = $2

select count(*) from contacts where location_id = $1 and deleted_at is null and base is not null

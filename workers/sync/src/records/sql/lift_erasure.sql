update erasures set lifted_at = $1 where location_id = $2 and contact_id = $3 and lifted_at is null

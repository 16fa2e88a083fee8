update entries set contact_id = $1, revision = revision + 1 where location_id = $2 and contact_id = $3

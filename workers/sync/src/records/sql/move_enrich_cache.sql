update enrich_cache set contact_id = $1 where location_id = $2 and contact_id = $3

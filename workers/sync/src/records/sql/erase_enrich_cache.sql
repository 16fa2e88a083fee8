delete from enrich_cache where location_id = $1 and contact_id = $2

delete from enrichments where location_id = $1 and contact_id = $2

select contact_id from contact_aliases where location_id = $1 and alias = $2

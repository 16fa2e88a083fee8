select part, reason, since from missing_parts where location_id = $1 and contact_id = $2 order by part

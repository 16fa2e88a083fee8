select alias from contact_aliases where location_id = $1 and contact_id = $2 order by alias

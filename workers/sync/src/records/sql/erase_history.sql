update changes
set was = null
where location_id = $1
  and was is not null
  and (contact_id = $2 or contact_id in (select alias from contact_aliases where location_id = $1 and contact_id = $2))

-- What started a run may say what GHL told of the contact; runs that ended keep it.
update flow_runs
set occasion = null
where location_id = $1
  and occasion is not null
  and (contact_id = $2 or contact_id in (select alias from contact_aliases where location_id = $1 and contact_id = $2))

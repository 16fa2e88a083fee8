update erasures
set lifted_at = $1, pending = 0, traces = null
where location_id = $2
  and lifted_at is null
  and (
    contact_id = $3
    or id in (select erasure_id from erasure_ids where id = $3 and location_id = $2 and is_person = 1)
  )

select id, contact_id, erased, erased_at
from erasures
where location_id = $1
  and lifted_at is null
  and (
    contact_id = $2
    or id in (select erasure_id from erasure_ids where id = $2 and location_id = $1 and is_person = 1)
  )

-- A lifted erasure of the contact, $2 any of its ids: the producer's ids lead to it again.
insert into contact_aliases (location_id, alias, contact_id)
select erasures.location_id, erasure_ids.id, erasures.contact_id
from erasures join erasure_ids on erasure_ids.erasure_id = erasures.id
where erasures.location_id = $1
  and erasures.lifted_at = $3
  and erasure_ids.is_person = 1
  and erasure_ids.id <> erasures.contact_id
  and (
    erasures.contact_id = $2
    or erasures.id in (select erasure_id from erasure_ids where id = $2 and location_id = $1 and is_person = 1)
  )
on conflict do nothing

-- Before the place $1, for the key $2; the newest first.
select seq, location_id, contact_id, record, record_id, op, changed_at, origin, fields, is_new, via
from changes
where seq < $1
  and ($2 is null or location_id in (select location_id from key_sees where key_id = $2))
order by seq desc
limit $3

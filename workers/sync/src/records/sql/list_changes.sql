-- After the place $1, up to $2, of the location $3, for the key $4.
select
    seq, location_id, contact_id, record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, caused_by, is_new, key_id
from changes
where seq > $1 and seq <= $2
  and ($3 is null or location_id = $3)
  and ($4 is null or location_id in (select location_id from key_sees where key_id = $4))
order by seq
limit $5

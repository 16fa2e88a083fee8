-- After the place $1, of the event $2 and the location $3, for the key $4.
select seq, event, location_id, contact_id, record, record_id, details, at
from notices
where seq > $1 and event = $2
  and ($3 is null or location_id = $3)
  and ($4 is null or location_id in (select location_id from key_sees where key_id = $4))
order by seq desc
limit $5

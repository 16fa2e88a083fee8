-- Of the type $1, since $2, for the key $3; the newest first.
select id, location_id, body, received_at
from webhooks
where received_at >= $2
  and type = $1
  and result = 'accepted'
  and location_id is not null
  and ($3 is null or location_id in (select location_id from key_sees where key_id = $3))
order by received_at desc
limit $4

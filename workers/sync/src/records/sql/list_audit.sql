-- Newest first, before the row $1: since the time $2, of the action $3, the actor $4, the location $5, for the key $6.
select seq, at, actor_kind, actor, action, target, location_id, request_id, outcome, details, hash
from audit
where seq < $1
  and ($2 is null or at >= $2)
  and ($3 is null or action = $3)
  and ($4 is null or actor = $4)
  and ($5 is null or location_id = $5)
  and ($6 is null or location_id in (select location_id from key_sees where key_id = $6))
order by seq desc
limit $7

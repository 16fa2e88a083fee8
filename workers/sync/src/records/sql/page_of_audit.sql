-- The oldest first, for who reads all of it.
select seq, at, actor_kind, actor, action, target, location_id, request_id, outcome, details, hash
from audit
where seq > $1
order by seq
limit $2

select id, type, body, received_at, result
from webhooks
where received_at >= $1 and location_id = $2 and contact_id = $3 and body <> '{}'
order by received_at

select seq, event, location_id, contact_id, record, record_id, details, at
from notices
where seq > $1 and seq <= $2
order by seq
limit $3

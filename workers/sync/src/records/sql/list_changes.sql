select seq, location_id, contact_id, record, record_id, op, changed_at
from changes
where seq > $1
order by seq
limit $2

select
    seq, location_id, contact_id, record, record_id, op, changed_at, clienty_id, ghl_id, origin, fields, sync, caused_by
from changes
where seq > $1
order by seq
limit $2

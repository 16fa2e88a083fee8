select record, record_id, contact_id, verdict, fields
from findings
where walk_id = $1
order by contact_id, record, record_id

select data, sent_at, contact_id
from jobs
where id = $1

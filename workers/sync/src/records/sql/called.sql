select data, sent_at
from jobs
where id = $1

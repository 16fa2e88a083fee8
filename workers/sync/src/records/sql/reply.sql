select reply
from jobs
where id = $1

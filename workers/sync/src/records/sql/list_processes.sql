select id, role, version, host, pid, flows, master_keys, queue, started_at, seen_at
from processes
where seen_at >= $1
order by role, started_at

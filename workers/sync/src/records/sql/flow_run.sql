select id, flow, location_id, contact_id, definition, knows, log, step, wait_until, priority, started_at, outcome, version, ended_at, stopped_by
from flow_runs
where id = $1

-- Calls of flows that GHL may be carrying out, and tell of before it answers.
select count(*)
from jobs
where finished_at is null and kind = 'call_operation' and location_id = $1 and source = 'flow' and state <> 'scheduled'

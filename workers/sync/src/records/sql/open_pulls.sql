-- Pulls that walks of the location have left behind, up to the time $2.
select count(*)
from jobs
where finished_at is null
  and kind = 'pull_contact' and location_id = $1 and (event_type = 'follow_up' or source = 'sweep') and created_at <= $2

-- When all of a location's contacts with their tasks were read, for the first time and the last.
select min(finished_at) as first_read, max(finished_at) as last_read
from walks
where location_id = $1 and purpose in ('import', 'full') and phase = 'done' and known_only = 0

select location_id, kind, company_id, name, time_zone, api, state, created_at, updated_at
from connections
where $1 is null or location_id in (select location_id from key_sees where key_id = $1)
order by location_id

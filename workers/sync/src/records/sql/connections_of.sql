-- The list of locations is appended.
select location_id, kind, company_id, name, time_zone, api, state, created_at, updated_at
from connections
where location_id in

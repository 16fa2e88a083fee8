-- The list of locations is appended.
select location_id, time_zone
from connections
where location_id in

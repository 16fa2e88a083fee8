-- The list of location ids is appended.
select location_id
from connections
where location_id in

-- The list of location ids is appended.
select location_id
from connections
where state != 'uninstalled' and location_id in

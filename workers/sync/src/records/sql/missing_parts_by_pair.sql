-- The pairs of location and contact id are appended.
select distinct location_id, contact_id
from missing_parts
where (location_id, contact_id) in (values

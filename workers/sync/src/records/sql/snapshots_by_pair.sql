-- The pairs of location and contact id are appended.
select location_id, contact_id, row_id, revision
from entries
where ghl_id is not null and (location_id, contact_id) in (values

-- The pairs of location and alias are appended.
select location_id, alias, contact_id
from contact_aliases
where (location_id, alias) in (values

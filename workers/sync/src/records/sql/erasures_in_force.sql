-- The list of contact ids is appended.
select location_id, contact_id
from erasures
where lifted_at is null and contact_id in

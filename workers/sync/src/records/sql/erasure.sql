select id, erased, erased_at
from erasures
where location_id = $1 and contact_id = $2 and lifted_at is null

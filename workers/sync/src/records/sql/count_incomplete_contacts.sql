select count(distinct m.contact_id)
from missing_parts m
join contacts c on c.location_id = m.location_id and c.contact_id = m.contact_id
where m.location_id = $1 and c.deleted_at is null

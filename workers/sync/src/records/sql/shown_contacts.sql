-- Without those that GHL is yet to get.
select contact_id
from contacts
where location_id = $1 and deleted_at is null and base is not null and contact_id > $2
order by contact_id
limit $3

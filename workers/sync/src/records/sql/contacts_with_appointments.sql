select distinct contact_id
from entries
where location_id = $1 and kind = 'appointment' and deleted = 0 and base is not null
order by contact_id

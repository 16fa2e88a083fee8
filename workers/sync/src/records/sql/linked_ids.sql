select ghl_id
from entries
where location_id = $1 and contact_id = $2 and kind = $3 and ghl_id is not null

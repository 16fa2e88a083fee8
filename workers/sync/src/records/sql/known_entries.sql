-- As for contacts.
select contact_id, row_id, revision
from entries
where location_id = $1
  and contact_id in

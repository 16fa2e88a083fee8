select contact_id, doc
from contacts
where location_id = $1
  and contact_id > $2
  and deleted_at is null
  and ($3 is null or search like $3 escape '!')
  and ($4 is null or date_updated >= $4)
order by contact_id
limit $5

select id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, ours_at, theirs_at, found_at, undone_at
from conflicts
where ($1 is null or location_id in (select location_id from key_sees where key_id = $1))
  and ($2 is null or location_id = $2)
  and ($3 is null or id < $3)
order by id desc
limit $4

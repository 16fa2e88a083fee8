select id, location_id, contact_id, record, row_id, field, base, ours, theirs, winner, ours_at, theirs_at, found_at, undone_at
from conflicts
where location_id = $1 and id = $2

-- Of the location $1, the contact that was known by the id $2 then; the newest first, $3 at most.
select
    seq, contact_id, record, record_id, clienty_id, ghl_id, op, origin, fields, caused_by, key_id, is_new, changed_at, was, via
from changes
where contact_id = $2 and location_id = $1
order by seq desc
limit $3

-- As for contacts.
select location_id, contact_id, row_id, revision
from entries
where contact_id in

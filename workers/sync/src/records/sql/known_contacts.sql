-- The list of contact ids is appended. Without the location no index would help.
select contact_id, revision, doc, base, deleted_at
from contacts
where location_id = $1
  and contact_id in

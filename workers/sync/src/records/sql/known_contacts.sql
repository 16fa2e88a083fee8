-- The list of contact ids is appended; other locations' are for the caller to pass over.
select location_id, contact_id, revision, doc, deleted_at
from contacts
where contact_id in

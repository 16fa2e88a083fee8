-- Whether GHL does not have the contact yet.
select cast(case when base is null then 1 else 0 end as bigint)
from contacts
where location_id = $1 and contact_id = $2 and deleted_at is null

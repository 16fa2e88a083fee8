-- What changes took away from an erased person's records, also while they belonged to a contact that GHL made one with another. The entries stay: the
-- feed tells no value.
update changes
set was = null
where location_id = $1
  and seq > cast('0' || cast($3 as text) as bigint) and seq <= cast('0' || cast($4 as text) as bigint)
  and was is not null
  and (
    contact_id = $5
    or contact_id in (select id from erasure_ids where erasure_id = $2)
    or record_id in (select id from erasure_ids where erasure_id = $2)
  )

-- What events said of the contact could be guessed from their hashes. The ids stay.
update event_ids
set content = ''
where location_id = $1
  and content <> ''
  and (
    record_id = $2
    or record_id in (select row_id from entries where location_id = $1 and contact_id = $2)
    or record_id in (select row_id from contacts where location_id = $1 and contact_id = $2)
  )

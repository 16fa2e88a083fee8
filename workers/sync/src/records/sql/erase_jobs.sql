-- What events told of the contact, of its tasks and notes, or with its id in it. The rows stay: they hold the ids by which a repeated
-- event is known. `replace` finds a text anywhere without a pattern that the text could be.
update jobs
set data = '{}', reply = null
where location_id = $1
  and (data <> '{}' or reply is not null)
  and (
    record_id = $2
    or replace(data, $2, '') <> data
    or replace(coalesce(reply, ''), $2, '') <> coalesce(reply, '')
    or record_id in (select row_id from entries where location_id = $1 and contact_id = $2)
    or record_id in (select row_id from contacts where location_id = $1 and contact_id = $2)
  )

-- What events told of the contact, of its tasks and notes, or with its id in it. The rows stay: they hold the ids by which a repeated
-- event is known. `replace` finds a text anywhere without a pattern that the text could be. An id that is short enough to be part of a
-- word of somebody else's is looked for between quotes.
update jobs
set data = '{}', reply = null
where location_id = $1
  and (data <> '{}' or reply is not null)
  and (
    record_id = $2
    or replace(data, case when length($2) < 16 then '"' || $2 || '"' else $2 end, '') <> data
    or replace(coalesce(reply, ''), case when length($2) < 16 then '"' || $2 || '"' else $2 end, '') <> coalesce(reply, '')
    or record_id in (select row_id from entries where location_id = $1 and contact_id = $2)
    or record_id in (select row_id from contacts where location_id = $1 and contact_id = $2)
  )

-- Calls that name nobody and hold what an erased person is known by, $4: an e-mail or the digits of a phone, in quotes.
update jobs
set data = '{}', reply = null, last_error = null, discarded_why = null
where location_id = $1
  and id > $2 and id <= $3
  and kind = 'call_operation'
  and contact_id is null
  and (
    replace(lower(data), $4, '') <> lower(data)
    or replace(lower(coalesce(reply, '')), $4, '') <> lower(coalesce(reply, ''))
    or replace(replace(replace(replace(replace(replace(replace(replace(lower(data), ' ', ''), '-', ''), '(', ''), ')', ''), '.', ''), '+', ''), '/', ''), $4, '') <> replace(replace(replace(replace(replace(replace(replace(lower(data), ' ', ''), '-', ''), '(', ''), ')', ''), '.', ''), '+', ''), '/', '')
  )

-- Empties what a page of the ledger, the ids from $3 to $4, holds of an erased person: rows about any of the erasure's ids, steps of its runs of
-- flows, and rows of others that have the contact's id, $5, in their text. The rows stay: they hold the ids by which a repeated event is known. `replace` finds a text
-- anywhere without a pattern that the text could be. An id that is short enough to be part of a word of somebody else's is looked for
-- between quotes.
update jobs
set data = '{}', reply = null, last_error = null, discarded_why = null
where location_id = $1
  and id > $3 and id <= $4
  and (data <> '{}' or reply is not null or last_error is not null or discarded_why is not null)
  and (
    contact_id in (select id from erasure_ids where erasure_id = $2)
    or record_id in (select id from erasure_ids where erasure_id = $2)
    or (source = 'flow' and substr(coalesce(event_id, given_event_id), 1, 36) in (select id from erasure_ids where erasure_id = $2))
    or replace(data, case when length($5) < 16 then '"' || $5 || '"' else $5 end, '') <> data
    or replace(coalesce(reply, ''), case when length($5) < 16 then '"' || $5 || '"' else $5 end, '') <> coalesce(reply, '')
  )

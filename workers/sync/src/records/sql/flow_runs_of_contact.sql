-- Runs that are about the contact, $2, or hold its id in what they know. An id that is short enough to be part of a word of somebody else's is
-- looked for between quotes.
select id
from flow_runs
where location_id = $1
  and knows <> '{}'
  and (
    contact_id = $2
    or contact_id in (select alias from contact_aliases where location_id = $1 and contact_id = $2)
    or replace(knows, case when length($2) < 16 then '"' || $2 || '"' else $2 end, '') <> knows
  )

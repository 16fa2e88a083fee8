-- The list of ledger rows is appended.
select event_type, data
from jobs
where source = 'sweep'
  and id in

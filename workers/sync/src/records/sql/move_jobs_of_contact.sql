-- What is owed for the row $3 is owed for the row $1: jobs that are open, and those about which a person has yet to decide. $4: whether a run that is
-- under way loses its jobs, too.
update jobs
set record_id = $1,
    epoch = case when finished_at is null then 0 else epoch end,
    state = case when state = 'running' then 'waiting' else state end
where location_id = $2 and record_id = $3
  and kind = 'push_contact'
  and (finished_at is null or state = 'dead')
  and ($4 = 1 or state <> 'running')

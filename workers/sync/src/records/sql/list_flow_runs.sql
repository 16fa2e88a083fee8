-- Newest first, before the run $1: of the flow $2, the location $3, the contact $4 under any of its ids, for the key $5, with the outcome $6.
select id, flow, location_id, contact_id, definition, knows, log, step, wait_until, priority, started_at, outcome, version, ended_at, stopped_by
from flow_runs
where ($1 is null or id < $1)
  and ($2 is null or flow = $2)
  and ($3 is null or location_id = $3)
  and ($4 is null or contact_id = $4
    or contact_id in (select alias from contact_aliases where contact_aliases.location_id = flow_runs.location_id and contact_aliases.contact_id = $4)
    or contact_id in (select contact_aliases.contact_id from contact_aliases where contact_aliases.location_id = flow_runs.location_id and alias = $4))
  and ($5 is null or location_id in (select location_id from key_sees where key_id = $5))
  and ($6 is null or $6 = case
    when outcome is null and exists (
        select 1 from jobs
        where state = 'dead' and jobs.location_id = flow_runs.location_id
          and ((kind = 'flow_step' and record_id = flow_runs.id) or (source = 'flow' and event_id = flow_runs.id || '.' || flow_runs.step))
    ) then 'dead'
    when outcome is null then 'underWay'
    when stopped_by is not null then 'stopped'
    else outcome
  end)
order by id desc
limit $7

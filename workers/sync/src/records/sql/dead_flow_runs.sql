-- Runs whose step was given up, each with its job. Few: a person decides about each.
select r.id as run, r.flow, j.id as job, j.last_error
from jobs j
join flow_runs r on r.id = case when j.kind = 'flow_step' then j.record_id else substr(j.event_id, 1, 36) end
where j.state = 'dead'
  and (j.kind = 'flow_step' or j.source = 'flow')
  and r.outcome is null
order by r.id

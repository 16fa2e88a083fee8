-- Runs whose job was forgotten: nothing goes on with them. A run under way always has a job that is open, or that a person has yet to decide about. $1: now. $2: the time before which a run is old. $3: how many at most.
update flow_runs
set outcome = 'discarded', knows = '{}', ended_at = $1
where id in (
    select id from flow_runs
    where outcome is null and started_at < $2
      and not exists (
        select 1 from jobs
        where jobs.finished_at is null and kind = 'flow_step' and jobs.location_id = flow_runs.location_id and record_id = flow_runs.id
      )
      and not exists (
        select 1 from jobs
        where state = 'dead' and kind = 'flow_step' and jobs.location_id = flow_runs.location_id and record_id = flow_runs.id
      )
      and not exists (
        select 1 from jobs where source = 'flow' and event_id = flow_runs.id || '.' || flow_runs.step and state <> 'done'
      )
    limit $3
)

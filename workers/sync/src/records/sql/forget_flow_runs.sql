-- Runs of earlier releases did not note when they ended.
delete from flow_runs
where id in (
    select id from flow_runs
    where outcome is not null and coalesce(ended_at, started_at) < $1
    order by coalesce(ended_at, started_at)
    limit $2
)

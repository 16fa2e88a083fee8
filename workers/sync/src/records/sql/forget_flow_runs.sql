delete from flow_runs
where id in (
    select id from flow_runs where outcome is not null and started_at < $1 order by started_at limit $2
)

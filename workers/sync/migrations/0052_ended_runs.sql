-- A run that takes weeks is kept as long after its end as any other.
alter table flow_runs add column ended_at bigint; -- null while it is under way, and where an earlier release ended it

drop index flow_runs_ended;
create index flow_runs_age on flow_runs ((coalesce(ended_at, started_at))) where outcome is not null;
